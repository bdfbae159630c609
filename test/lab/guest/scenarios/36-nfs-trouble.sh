# shellcheck shell=bash
# weight: 210
# An NFS server does not answer while a container is dumped, and another one has lost the file. Each time
# there is an error by a deadline that names the ghost, and the container runs on.

# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"
# shellcheck source-path=SCRIPTDIR source=../bind-data.sh
. "$GUEST/bind-data.sh"

# How many seconds a checkpoint may take to give up, under emulation. The gate waits 120 s for its helper to
# start and 30 s without a line from it; the mounts are soft.
PATIENCE=240

expect_given_up() {
	local name=$1 images=$2 started
	started=$(now_ms)
	DEADLINE=$PATIENCE expect_fail checkpoint_container runc "$name" "$images"
	say "given up after $(seconds_since "$started") s"
	[ ! -e "$images/ghostkeep-manifest.json" ] || fail "there is a manifest"
	grep -a "ghostkeep" "$images/dump.log" | tail -n 3
}

stop_server() {
	rpc.nfsd 0 || fail "the server cannot be stopped"
}

start_server() {
	rpc.nfsd 4
}

# The client would answer from its cache without asking the server, so the cache is dropped.
forget_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# A process that waits for the server in the kernel cannot be frozen. Then CRIU gives up by itself and never
# asks us. So the process waits for us instead.
signal_all() {
	local name=$1 signal=$2 pids
	mapfile -t pids <"/sys/fs/cgroup/$name/cgroup.procs"
	kill "-$signal" "${pids[@]}"
}

all_stopped() {
	local pid
	while read -r pid; do
		grep -q '^State:.T' "/proc/$pid/status" || return 1
	done <"/sys/fs/cgroup/$1/cgroup.procs"
}

does_not_answer() {
	local filesystem=$1 name=silent-$1 images=$WORK/silent-$1.images
	with_ghostkeep
	start_on "$filesystem" "$name" dense-16m small
	signal_all "$name" STOP
	wait_for 30 "stopped process" all_stopped "$name"
	forget_caches
	at_exit start_server
	stop_server
	expect_given_up "$name" "$images"
	expect_line "$images/dump.log" "ghostkeep: .*(sent no line for|cannot )"
	start_server
	signal_all "$name" CONT
	wait_for 90 "heartbeat after the server is back" heartbeat "$name"
	check_verdict runc "$name"
}

heartbeat() {
	local before
	before=$(cat "$(data_of runc "$1")/alive") || return 1
	sleep 1
	[ "$(cat "$(data_of runc "$1")/alive")" \> "$before" ]
}

# Somebody removes files on the server, where nobody knows what .nfsXXXX is for.
has_lost_the_file() {
	local filesystem=$1 name=stale-$1 images=$WORK/stale-$1.images
	with_ghostkeep
	start_on "$filesystem" "$name" dense-16m
	forget_caches
	rm "$FS/ext4/$filesystem/export/$name"/.nfs*
	expect_given_up "$name" "$images"
	expect_line "$images/dump.log" "ghostkeep: cannot .*ESTALE"
	wait_for 60 "heartbeat of $name" heartbeat "$name"
}

check nfs3 "the server has lost the file" has_lost_the_file nfs3
check nfs4.2 "the server has lost the file" has_lost_the_file nfs4.2
check nfs4.2 "the server does not answer" does_not_answer nfs4.2
check nfs3 "the server does not answer" does_not_answer nfs3
