# shellcheck shell=bash
# weight: 0
# suites: forky
# native: only
# kubelet's checkpoint: containerd's CRI writes a tar of a container that runs on. It has an unlinked file of
# 64 MiB, a deleted executable, and semaphores on the pod's /dev/shm. docs/containerd.md is run word for word.
# shellcheck source-path=SCRIPTDIR source=../cri.sh
. "$GUEST/cri.sh"
# shellcheck source-path=SCRIPTDIR source=../semaphores.sh
. "$GUEST/semaphores.sh"
# shellcheck source=/dev/null
. "$GUEST/blocks.sh"

# The tar that the second check makes, and what is in it.
TAR=$WORK/checkpoint.tar
UNPACKED=$WORK/unpacked

start_worker() {
	local name=$1
	shift
	start_in_pod "$name" "$CRI_IMAGE" /usr/bin/sh -c "/ghost-workload run /data $* & exec python3 /semaphores.py"
	wait_for 60 "ghosts in $name" data_has containerd "$name" ready
	wait_for 60 "semaphores in $name" data_has containerd "$name" state
	wait_for 60 "child of $name" more_than containerd "$name" child 20
}

expect_whole() {
	expect_alive "$1" "$2"
	check_verdict "$1" "$2"
	expect_working "$1" "$2"
}

refused_alone() {
	without_gate
	with_cri
	start_worker alone dense-64m deleted-exe
	expect_fail checkpoint_in_pod alone "$WORK/alone.tar"
	expect_line "$CONTAINERD_TASKS/$(cat "$WORK/alone.container")/criu-dump.log" "Can't dump ghost file|link-remap"
	expect_whole containerd alone
}

kept_in_a_tar() {
	with_ghostkeep
	with_cri
	start_worker kept dense-64m deleted-exe
	expect_ok checkpoint_in_pod kept "$TAR"
	expect_whole containerd kept
	rm -rf "$UNPACKED" "$WORK/files"
	run_block docs/containerd.md 1 || fail 'the commands of the page failed'
	expect_said 'no damage found'
	expect_sealed "$UNPACKED/checkpoint"
	tar -xOf "$UNPACKED/rootfs-diff.tar" data/alive >"$UNPACKED/counter"
	expect_ok ghostkeep restore -D "$UNPACKED/checkpoint" --to "$UNPACKED/files"
	expect_same_bytes dense-64m deleted-exe
}

# The files that `ghostkeep restore` made are those that the container still holds.
expect_same_bytes() {
	local ghost held
	for ghost in "$@"; do
		held=$(find /proc/[0-9]*/fd /proc/[0-9]*/exe -lname "*.$ghost (deleted)" -print -quit 2>/dev/null)
		cmp "$held" "$UNPACKED/files/ghost-$(number_of "$ghost")" || fail "$ghost has other bytes"
	done
}

# Prints the number by which the manifest knows the ghost.
number_of() {
	jq -r --arg name ".$1" '.ghosts[] | select(.path | endswith($name)) | .id' "$UNPACKED/checkpoint/ghostkeep-manifest.json"
}

restored_by_runc() {
	local name=runc-$1
	"$1"
	new_shm
	at_exit drop_shm
	[ "$1" = with_ghostkeep ] || put_semaphores
	make_bundle_of "$UNPACKED" "$name" "$SHM"
	cp -a "$UNPACKED/checkpoint" "$WORK/$name.images"
	restore_container runc "$name" "$WORK/$name.images"
	ls -li "$SHM"
	expect_continued runc "$name" "$(cat "$UNPACKED/counter")"
	expect_whole runc "$name"
}

# A stock CRIU makes no names on /dev/shm. `ghostkeep restore` has the files that they stand for.
put_semaphores() {
	local number name
	jq -r '.ghosts[] | select(.class == "linked") | "\(.id) \(.linked.names[0].path)"' \
		"$UNPACKED/checkpoint/ghostkeep-manifest.json" | while read -r number name; do
		cp "$UNPACKED/files/ghost-$number" "$SHM/$name"
	done
}

# containerd 2.1 restores where a checkpoint is named as the image. Later ones do not.
created_from_the_tar() {
	with_ghostkeep
	with_cri
	start_in_pod again "$TAR" not-run
	expect_continued containerd again "$(cat "$UNPACKED/counter")"
	expect_whole containerd again
}

# checkpoint_of_held NAME [unlink]: checkpoints a container that holds a file of 5 MB on the pod's /dev/shm, and
# removes the pod.
checkpoint_of_held() {
	start_in_pod "$1" "$CRI_IMAGE" /usr/bin/python3 /hold.py /dev/shm/held 5000000 "${@:2}"
	wait_for 60 "file in $1" data_has containerd "$1" ready
	expect_ok checkpoint_in_pod "$1" "$WORK/held.tar"
	remove_pod "$1"
}

unlinked_on_shm() {
	with_ghostkeep
	with_cri
	checkpoint_of_held unlinked unlink
	start_in_pod elsewhere "$WORK/held.tar" not-run
	: >"$(data_of containerd elsewhere)/look"
	wait_for 60 "answer of hold.py" data_has containerd elsewhere seen
	expect_line "$(data_of containerd elsewhere)/seen" '^same '
}

# The CRI keeps nothing of the pod's /dev/shm. CRIU alone sees at restore that the file is not there, as it does
# for any file on a volume.
named_on_shm_alone() {
	without_gate
	with_cri
	checkpoint_of_held named-alone
	create_in_pod nowhere "$WORK/held.tar" not-run
	keep_restore_log
	expect_fail cri StartContainer "$(about_container nowhere)"
	expect_line "$RESTORE_LOG" "Can't open file dev/shm/held"
}

named_on_shm() {
	with_ghostkeep
	with_cri
	checkpoint_of_held named
	start_in_pod named-elsewhere "$WORK/held.tar" not-run
	: >"$(data_of containerd named-elsewhere)/look"
	wait_for 60 "answer of hold.py" data_has containerd named-elsewhere seen
	expect_line "$(data_of containerd named-elsewhere)/seen" '^same '
	[ "$(stat -c '%a %h %s' "/proc/$(pid_of containerd named-elsewhere)/root/dev/shm/held")" = "640 1 5000000" ] ||
		fail "the file has another mode, number of links or size"
}

# Another pod does not have the folder, the FIFO or the files, so the checkpoint is refused. The container runs on.
refused_on_shm() {
	local kind=$1 words=$2
	with_ghostkeep
	with_cri
	start_in_pod "$kind" "$CRI_IMAGE" /usr/bin/python3 /on_shm.py "$kind"
	wait_for 60 "$kind" data_has containerd "$kind" ready
	expect_fail checkpoint_in_pod "$kind" "$WORK/$kind.tar"
	expect_line "$CONTAINERD_TASKS/$(cat "$WORK/$kind.container")/criu-dump.log" "$words"
	: >"$(data_of containerd "$kind")/look"
	wait_for 60 "answer of on_shm.py" data_has containerd "$kind" seen
	remove_pod "$kind"
}

# The host accepts the loss: the checkpoint is made, and the logs in its tar name what another pod will not have.
closed_accepted() {
	local log
	with_ghostkeep
	with_cri
	mkdir -p /etc/ghostkeep
	echo '{"closedShm": "warn"}' >/etc/ghostkeep/config.json
	at_exit rm /etc/ghostkeep/config.json
	start_in_pod accepted "$CRI_IMAGE" /usr/bin/python3 /on_shm.py closed
	wait_for 60 "closed files" data_has containerd accepted ready
	expect_ok checkpoint_in_pod accepted "$WORK/closed.tar"
	for log in dump.log checkpoint/ghostkeep.log; do
		tar -xOf "$WORK/closed.tar" "$log" >"$WORK/closed.log"
		expect_line "$WORK/closed.log" 'not in the checkpoint: 2 files with 8 KiB on /dev/shm \(/dev/shm/'
	done
	remove_pod accepted
}

# The folder /dev/shm itself is there in every pod.
held_shm_itself() {
	with_ghostkeep
	with_cri
	start_in_pod root "$CRI_IMAGE" /usr/bin/python3 /on_shm.py root
	wait_for 60 "/dev/shm in root" data_has containerd root ready
	expect_ok checkpoint_in_pod root "$WORK/held.tar"
	remove_pod root
	start_in_pod root-elsewhere "$WORK/held.tar" not-run
	: >"$(data_of containerd root-elsewhere)/look"
	wait_for 60 "answer of on_shm.py" data_has containerd root-elsewhere seen
}

# containerd removes the log of a restore that failed. CRIU takes another place for it from runc.conf.
RESTORE_LOG=$WORK/cri-restore.log
keep_restore_log() {
	mkdir -p /etc/criu
	echo "log-file $RESTORE_LOG" >/etc/criu/runc.conf
	at_exit rm /etc/criu/runc.conf
	at_exit keep_log "$RESTORE_LOG"
}

# CRIU alone keeps these ghosts as well, so checkpointctl has to show the same of both.
shown_by_checkpointctl() {
	local gate command
	with_cri
	for gate in without_gate with_ghostkeep; do
		"$gate"
		start_in_pod "$gate" "$CRI_IMAGE" /ghost-workload run /data small tail-odd
		wait_for 60 "ghosts in $gate" data_has containerd "$gate" ready
		expect_ok checkpoint_in_pod "$gate" "$WORK/$gate.tar"
		for command in show 'inspect --files'; do
			# shellcheck disable=SC2086 # words
			checkpointctl $command "$WORK/$gate.tar" || fail "checkpointctl $command failed with $?"
		done >"$LOGS.$gate"
		remove_pod "$gate"
	done
	diff <(without_numbers "$LOGS.without_gate") <(without_numbers "$LOGS.with_ghostkeep") ||
		fail "checkpointctl shows something else"
	expect_line "$LOGS.with_ghostkeep" '/data/[0-9]+.tail-odd'
}

# Without ids, times, sizes and what depends on their widths.
without_numbers() {
	sed -E 's/[0-9a-f]{12,}/ID/g; s/[0-9.]+/N/g; s/[ -]+/ /g; s/(without_gate|with_ghostkeep)/TAR/' "$1"
}

check containerd "CRI: CRIU alone refuses" refused_alone
check containerd "CRI: CheckpointContainer, verify, restore" kept_in_a_tar
check runc "CRI: restored by runc" restored_by_runc with_ghostkeep
check runc "CRI: restored by runc, CRIU alone" restored_by_runc without_gate
check containerd "CRI: CreateContainer from the tar" created_from_the_tar
check containerd "CRI: unlinked on /dev/shm, in another pod" unlinked_on_shm
check containerd "CRI: named on /dev/shm, in another pod" named_on_shm
check containerd "CRI: named on /dev/shm, CRIU alone: refused in another pod" named_on_shm_alone
check containerd "CRI: an open folder on /dev/shm: refused at the dump" refused_on_shm folder 'cannot dump /dev/shm/folder'
check containerd "CRI: a FIFO on /dev/shm: refused at the dump" refused_on_shm fifo 'cannot dump /dev/shm/fifo'
check containerd "CRI: closed files on /dev/shm: refused at the dump" refused_on_shm closed \
	'cannot dump 2 files with 8 KiB on /dev/shm \(/dev/shm/.*no process of this host holds them'
check containerd "CRI: closed files on /dev/shm, accepted: named in a warning" closed_accepted
check containerd "CRI: /dev/shm itself is open, in another pod" held_shm_itself
check containerd "CRI: checkpointctl shows the same" shown_by_checkpointctl
