# shellcheck shell=bash
# weight: 100
# native: all
# A FUSE server is stopped while a container holds a live file of it. CRIU alone waits for it in fstat(2) as
# long as it is stopped, with the container frozen. The gate must not be slower to give up than CRIU alone,
# and adds little to the wait.
# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"

SERVED=$FS/served
WAITS=10	# seconds after which a CRIU that waits for the server is taken for one that always will

# The kernel believes attributes for a second.
start_fuse_server() {
	mkdir -p "$SERVED"/{lower,upper,work,mount}
	echo far >"$SERVED/lower/live"
	fuse-overlayfs -f -o "timeout=1,lowerdir=$SERVED/lower,upperdir=$SERVED/upper,workdir=$SERVED/work" \
		"$SERVED/mount" &
	SERVER=$!
	at_exit umount -l "$SERVED/mount"
	at_exit kill -CONT "$SERVER"
	wait_for 10 "mount of the server" mountpoint -q "$SERVED/mount"
}

# Makes a ghost in /data, and a process that holds a file of the server and does nothing with it.
start_holder() {
	local runtime=$1 name=$2
	make_bundle "$WORK/$name" run /data small
	cp /bin/busybox "$WORK/$name/rootfs/busybox"
	jq --arg source "$SERVED/mount" --arg holder '/busybox sh -c "exec 3</far/live; : >/data/holds; exec /busybox sleep 9999" &
		exec /ghost-workload run /data small' \
		'.process.args = ["/busybox", "sh", "-c", $holder] | .mounts += [
		{destination: "/far", type: "bind", source: $source, options: ["bind", "ro"]}]' \
		"$WORK/$name/config.json" >"$WORK/$name/config.new"
	mv "$WORK/$name/config.new" "$WORK/$name/config.json"
	start_bundle "$runtime" "$name"
	wait_for 60 "ghosts in $name" data_has "$runtime" "$name" ready
	# A process that still opens the file when its server stops cannot be frozen.
	wait_for 20 "live file in $name" data_has "$runtime" "$name" holds
}

# checkpoint_meanwhile RUNTIME NAME: the checkpoint has not ended after WAITS seconds, and CRIU waits for the
# server by then.
checkpoint_meanwhile() {
	local runtime=$1 name=$2 images=$WORK/$2.images
	kill -STOP "$SERVER"
	sleep 1.2
	checkpoint_container "$runtime" "$name" "$images" &
	CHECKPOINT=$!
	sleep "$WAITS"
	kill -0 "$CHECKPOINT" || fail "the checkpoint has ended"
	CRIU=$(pgrep -x criu) || fail "there is no CRIU"
	wait_for 20 "CRIU that waits for the server" waits_for_server
}

waits_for_server() {
	grep -q fuse "/proc/$CRIU/stack"
}

# Prints the seconds from the gate's first request to its answer, by CRIU's log.
frozen_by_gate() {
	local hook
	hook=$(grep -a "plugin: .ghostkeep' hook 11" "$1/dump.log" | head -n 1 | sed 's/^(\([0-9.]*\)).*/\1/')
	grep -a 'ghostkeep: copied' "$1/dump.log" | sed 's/^(\([0-9.]*\)).*/\1/' | jq ". - $hook"
}

comes_back() {
	local runtime=$1 gate=$2 name=back-$2-$1
	"$gate"
	start_fuse_server
	start_holder "$runtime" "$name"
	checkpoint_meanwhile "$runtime" "$name"
	kill -CONT "$SERVER"
	wait "$CHECKPOINT" || fail "the checkpoint failed"
	[ "$gate" = without_gate ] || look_at_gate "$WORK/$name.images"
}

look_at_gate() {
	expect_sealed "$1"
	expect_line "$1/dump.log" "ghostkeep: cannot look at fd 3 of .* the server of /far .* does not answer"
	say "frozen by the gate for $(frozen_by_gate "$1") s"
	jq -en "$(frozen_by_gate "$1") < 1.5" || fail "a server that was silent already takes more than 1.5 s"
}

for runtime in runc crun; do
	check "$runtime" "the server comes back, without us" comes_back "$runtime" without_gate
	check "$runtime" "the server comes back" comes_back "$runtime" with_ghostkeep
done
