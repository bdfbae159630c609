# shellcheck shell=bash
# weight: 0
# suites: forky
# native: only
# kubelet's checkpoint: containerd's CRI writes a tar of a container that runs on. It has an unlinked file of
# 64 MiB, a deleted executable, and semaphores on the pod's /dev/shm.
# shellcheck source-path=SCRIPTDIR source=../cri.sh
. "$GUEST/cri.sh"
# shellcheck source-path=SCRIPTDIR source=../semaphores.sh
. "$GUEST/semaphores.sh"

# The tar that the second check makes, and what is in it.
TAR=$WORK/kept.tar
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
	mkdir "$UNPACKED"
	tar -C "$UNPACKED" -xf "$TAR"
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

created_from_the_tar() {
	"$1"
	with_cri
	start_in_pod "again-$1" "$TAR"
	expect_continued containerd "again-$1" "$(cat "$UNPACKED/counter")"
	expect_whole containerd "again-$1"
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
check containerd "CRI: CreateContainer from the tar" created_from_the_tar with_ghostkeep
check containerd "CRI: checkpointctl shows the same" shown_by_checkpointctl
