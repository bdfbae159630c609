# shellcheck shell=bash
# weight: 150
# An NFS server is dead while a container holds a live file of it. The mount is soft, so CRIU alone gives up
# when the kernel does. On a hard mount it would wait for ever, with ghostkeep and without it. The gate must
# not be slower to give up than CRIU alone.
# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"

PATIENCE=400	# seconds until a checkpoint is taken for one that never gives up
# Milliseconds that the gate may add. Under emulation its helper needs some 12 s to start. If the gate waited for the
# server, that would be 30 s more: the kernel gives up a soft mount after that.
MORE=25000

# Makes a ghost in /data, and a process that holds a file of the server and does nothing with it.
start_holder() {
	local name=$1 source=$2
	make_bundle "$WORK/$name" run /data small
	cp /bin/busybox "$WORK/$name/rootfs/busybox"
	jq --arg source "$source" --arg holder '/busybox sh -c "exec 3</far/live; exec /busybox sleep 9999" &
		exec /ghost-workload run /data small' \
		'.process.args = ["/busybox", "sh", "-c", $holder] | .mounts += [
		{destination: "/far", type: "bind", source: $source, options: ["bind", "ro"]}]' \
		"$WORK/$name/config.json" >"$WORK/$name/config.new"
	mv "$WORK/$name/config.new" "$WORK/$name/config.json"
	start_bundle runc "$name"
	wait_for 60 "ghosts in $name" data_has runc "$name" ready
}

stop_server() {
	rpc.nfsd 0 || fail "the server cannot be stopped"
}

start_server() {
	rpc.nfsd 4
}

# give_up_with GATE FILESYSTEM: sets TOOK to the milliseconds until the checkpoint has failed.
give_up_with() {
	local gate=$1 name=$1-$2 images=$WORK/$1-$2.images started
	"$gate"
	start_holder "$name" "$FS/$2/far"
	at_exit start_server
	stop_server
	sleep 5 # until the client no longer believes the attributes that it has
	started=$(now_ms)
	DEADLINE=$PATIENCE expect_fail checkpoint_container runc "$name" "$images"
	TOOK=$(($(now_ms) - started))
	say "$gate: given up after $TOOK ms: $(grep -a Error "$images/dump.log" | tail -n 1)"
	start_server
	expect_alive runc "$name"
	check_verdict runc "$name"
	timeout 30 runc delete -f "$name"
}

is_no_slower() {
	local filesystem=$1 alone
	make_filesystem "$filesystem"
	mkdir "$FS/$filesystem/far"
	echo far >"$FS/$filesystem/far/live"
	give_up_with without_gate "$filesystem"
	alone=$TOOK
	give_up_with with_ghostkeep "$filesystem"
	[ "$TOOK" -le $((alone + MORE)) ] || fail "$TOOK ms with the gate, $alone ms without it"
}

# NFS 3 takes as long again, and does the same.
check nfs4.2 "a dead server, no slower than CRIU alone" is_no_slower nfs4.2
