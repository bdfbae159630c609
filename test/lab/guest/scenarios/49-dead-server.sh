# shellcheck shell=bash
# weight: 120
# native: all
# A FUSE server that is stopped while a container holds a live file of it: how long a checkpoint takes then, with us and
# without.
# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"

SERVED=$FS/served
PATIENCE=40
export CRIU_FAULT=130

# Attributes are believed for a second.
start_server() {
	mkdir -p "$SERVED"/{lower,upper,work,mount}
	echo far >"$SERVED/lower/live"
	fuse-overlayfs -f -o "timeout=1,lowerdir=$SERVED/lower,upperdir=$SERVED/upper,workdir=$SERVED/work" \
		"$SERVED/mount" &
	SERVER=$!
	at_exit kill -KILL "$SERVER"
	at_exit umount -l "$SERVED/mount"
	wait_for 10 "mount of the server" mountpoint -q "$SERVED/mount"
}

# Ghosts of its own in /data, and a process that holds a file of the server and does nothing with it.
start_holder() {
	local runtime=$1 name=$2
	make_bundle "$WORK/$name" run /data small
	cp /bin/busybox "$WORK/$name/rootfs/busybox"
	jq --arg source "$SERVED/mount" --arg holder '/busybox sh -c "exec 3</far/live; exec /busybox sleep 9999" &
		exec /ghost-workload run /data small' \
		'.process.args = ["/busybox", "sh", "-c", $holder] | .mounts += [
		{destination: "/far", type: "bind", source: $source, options: ["bind", "ro"]}]' \
		"$WORK/$name/config.json" >"$WORK/$name/config.new"
	mv "$WORK/$name/config.new" "$WORK/$name/config.json"
	start_bundle "$runtime" "$name"
	wait_for 60 "ghosts in $name" data_has "$runtime" "$name" ready
}

experiment() {
	local runtime=$1 how=$2 name=dead-$2-$1 images=$WORK/dead-$2-$1.images started pid status
	"$how"
	start_server
	start_holder "$runtime" "$name"
	kill -STOP "$SERVER"
	at_exit kill -CONT "$SERVER"
	sleep 1.2
	started=$(now_ms)
	mkdir -p "$images"
	"$runtime" checkpoint --image-path "$images" --work-path "$images" "$name" >"$LOGS.out" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null && [ $(($(now_ms) - started)) -lt $((PATIENCE * 1000)) ]; do sleep 0.1; done
	say "after $(seconds_since "$started") s: $(ps -eo pid,ppid,stat,wchan:30,args | grep -a '[c]riu\|[c]heckpoint\|[g]ate dump')"
	for p in $(pgrep -x criu) $(pgrep -f 'gate dump'); do say "$p"; cat "/proc/$p/stack" "/proc/$p/syscall"; ls -l "/proc/$p/fd" | tail -30; done
	tail -n 30 "$images/dump.log"
	kill -CONT "$SERVER"
	started=$(now_ms)
	wait "$pid" && status=0 || status=$?
	say "status $status after the server is back, $(seconds_since "$started") s"
	tail -n 10 "$images/dump.log"
	cat "$LOGS.out"
	keep_log "$images/ghostkeep.log"
}

for runtime in runc crun; do
	check "$runtime" "alone" experiment "$runtime" without_gate
	check "$runtime" "ours" experiment "$runtime" with_ghostkeep
done
