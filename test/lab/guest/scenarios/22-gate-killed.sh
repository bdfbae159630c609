# shellcheck shell=bash
# weight: 165
# native: all
# The helper dies: the dump fails, the container runs on with its files, and the next try works. Before the
# freeze its death does no harm at all.

helper_pid() {
	pgrep -o -f 'ghostkeep.* gate dump' || true
}

# copying IMAGES KIND: succeeds when the data of a ghost has begun to arrive in ghostkeep/KIND-….img.
copying() {
	[ "$(du -skc "$1/ghostkeep/$2-"* 2>/dev/null | tail -n 1 | cut -f1)" -gt 1024 ]
}

# kill_helper WHEN IMAGES: kills the helper as soon as it is seen (`start`), or while it copies to `pending`
# or `warm` images. A helper that dies before the freeze has a successor, so `start` goes on for some seconds.
kill_helper() {
	local when=$1 images=$2 pid tries killed=false
	# On a busy machine it would see the helper too late.
	renice -n -10 -p "$BASHPID" >/dev/null 2>&1 || true
	for ((tries = 3000; tries > 0; tries--)); do
		pid=$(helper_pid)
		if [ -n "$pid" ] && { [ "$when" = start ] || copying "$images" "$when"; }; then
			kill -KILL "$pid" && say "killed helper $pid"
			[ "$when" = start ] || return 0
			"$killed" || tries=150
			killed=true
		fi
		sleep 0.01
	done
	! "$killed" || return 0
	say "no helper was seen; there are:"
	ps -eo pid,ppid,args
}

dump_fails_container_lives() {
	local runtime=$1 when=$2 name=killed-$1-$2 images killer dense=dense-96m
	# A smaller one may be copied before kill_helper has seen it.
	[ "$when" = start ] || dense='dense-512m'
	with_ghostkeep
	without_warm_pass
	start_container "$runtime" "$name" "$dense" mapped
	images=$(images_of "$runtime" "$name")
	mkdir -p "$images"
	kill_helper "$when" "$images" >"$LOGS.killer" &
	killer=$!
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	wait "$killer"
	cat "$LOGS.killer"
	expect_line "$LOGS.killer" "killed helper"
	expect_reason "$images" .
	[ ! -e "$images/ghostkeep-manifest.json" ] || fail "there is a manifest"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"

	rm -rf "$images"
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	restore_container "$runtime" "$name" "$images"
	check_verdict "$runtime" "$name"
}

# The test kills the helper during its warm pass. The ghost has 512 MiB, because the warm pass over a smaller
# one could end before kill_helper has found the helper.
warm_pass_is_not_missed() {
	local runtime=$1 name=killed-$1-warm images killer
	with_ghostkeep
	start_container "$runtime" "$name" dense-512m mapped
	images=$(images_of "$runtime" "$name")
	mkdir -p "$images"
	kill_helper warm "$images" >"$LOGS.killer" &
	killer=$!
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	wait "$killer"
	expect_line "$LOGS.killer" "killed helper"
	expect_line "$images/dump.log" 'the dump does without a warm pass'
	expect_sealed "$images"
	[ ! -e "$images/ghostkeep" ] || fail "the warm pass has left something"
	restore_container "$runtime" "$name" "$images"
	check_verdict "$runtime" "$name"
}

check runc "9 helper killed at its start" dump_fails_container_lives runc start
check runc "9 helper killed while it copies" dump_fails_container_lives runc pending
check crun "9 helper killed while it copies" dump_fails_container_lives crun pending
check runc "9 helper killed in its warm pass" warm_pass_is_not_missed runc
