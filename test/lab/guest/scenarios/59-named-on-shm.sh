# shellcheck shell=bash
# weight: 240
# native: all
# Files on a /dev/shm from outside the container that have their names: two processes share them. CRIU dumps
# their names only, and a tmpfs that comes back empty does not have them.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"
# shellcheck source-path=SCRIPTDIR source=../semaphores.sh
. "$GUEST/semaphores.sh"

# start_sharing RUNTIME NAME BYTES [VOLUME]
start_sharing() {
	start_python "$1" "$2" state "shared.py $3" "${4:-}"
	wait_for 60 "child of $2" more_than "$1" "$2" child 20
	[ -z "${4:-}" ] || chown 1234:2345 "$SHM/twice" "$SHM/folder"
}

look_at_files() {
	: >"$(data_of "$1" "$2")/look"
	wait_for 60 "answer of $2" looked "$1" "$2"
	cat "$(data_of "$1" "$2")/seen"
}

looked() {
	[ ! -e "$(data_of "$1" "$2")/look" ] && data_has "$1" "$2" seen
}

# Both processes go on counting in the memory that they share.
expect_sharing() {
	local runtime=$1 name=$2 parent child
	parent=$(value "$runtime" "$name" parent)
	child=$(value "$runtime" "$name" child)
	[ "$parent" -ge "$3" ] || fail "the counter began anew: $parent, $3 before"
	wait_for 60 "parent that goes on" more_than "$runtime" "$name" parent "$((parent + 20))"
	wait_for 60 "child that goes on" more_than "$runtime" "$name" child "$((child + 20))"
}

# Prints what the host sees of the files.
listed() {
	(cd "$SHM" && find . -mindepth 1 -printf '%p %m %U %G %s %y\n' | sort &&
		find . -name twice -printf '%T@ %n\n' -o -name one -printf '%n\n')
}

refused_alone() {
	local runtime=$1 name=shm-alone-$1 images status=0
	without_gate
	new_shm
	at_exit drop_shm
	start_sharing "$runtime" "$name" 5000000 "$SHM:/dev/shm"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	new_shm
	(STARTED=() && restore_container "$runtime" "$name" "$images") || status=$?
	[ "$status" != 0 ] || fail "CRIU restored files that do not exist"
	expect_line "$images/restore.log" "Can't open file dev/shm/"
	timeout 30 "$runtime" delete -f "$name" || true
}

# comes_back RUNTIME BYTES
comes_back() {
	local runtime=$1 bytes=$2 name=shm-$1-$2 images seen before listed
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_sharing "$runtime" "$name" "$bytes" "$SHM:/dev/shm"
	seen=$(look_at_files "$runtime" "$name")
	before=$(value "$runtime" "$name" parent)
	listed=$(listed)
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images/ghostkeep.log" "$images/ghostkeep-manifest.json"
	expect_sealed "$images"
	expect_line "$images/ghostkeep.log" 'copied 4 files of a shared /dev/shm'
	expect_four "$images"
	new_shm
	restore_container "$runtime" "$name" "$images"
	expect_same_text "$listed" "$(listed)"
	expect_sharing "$runtime" "$name" "$before"
	expect_same_text "$seen" "$(look_at_files "$runtime" "$name")"
}

expect_four() {
	jq -c '.ghosts[] | [.class, .path, .image, .data.ways, .data.kept]' "$1/ghostkeep-manifest.json"
	jq -e '[.ghosts[].class] == ["named", "named", "named", "named"]
		and (.ghosts[] | select(.path == "/dev/shm/big") | .data.kept) > 1000000' "$1/ghostkeep-manifest.json" ||
		fail "these are other files, or none was copied before the freeze"
}

# The pod goes on, and a process of another container has written to one file and removed another. What is
# there stays as it is.
in_the_same_pod() {
	local runtime=$1 name=shm-same-$1 images
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_sharing "$runtime" "$name" 5000000 "$SHM:/dev/shm"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	printf 'ONE FILE' | dd of="$SHM/one" conv=notrunc status=none
	rm "$SHM/twice"
	restore_container "$runtime" "$name" "$images"
	expect_sharing "$runtime" "$name" 20
	look_at_files "$runtime" "$name" | jq -e '.one == "ONE FILE" and .twice == "written by the first descriptor"'
	expect_line "$images/restore.log" 'ghostkeep: made again /dev/shm/twice'
	! grep -aq 'made again /dev/shm/one' "$images/restore.log" || fail "a file that was there was made again"
}

# A process of another container writes while the file is copied: the dump is refused, and the container runs on.
# written_by_others RUNTIME [accept]
written_by_others() {
	local runtime=$1 name=shm-written-$1${2:-} images
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_sharing "$runtime" "$name" 100000000 "$SHM:/dev/shm"
	dd if=/dev/zero of="$SHM/big" conv=notrunc bs=1 seek=32 count=1000000000 status=none &
	at_exit kill $!
	images=$(images_of "$runtime" "$name")
	if [ $# = 1 ]; then
		expect_fail checkpoint_container "$runtime" "$name" "$images"
		keep_log "$images/dump.log"
		expect_line "$images/dump.log" 'cannot dump /dev/shm/big .*written to while it is copied.*allowMissing'
		expect_sharing "$runtime" "$name" 20
		return
	fi
	accept_missing
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images/ghostkeep.log"
	expect_line "$images/ghostkeep.log" '/dev/shm/big is not copied, so it can be restored only where it still is: .*written to'
	restore_container "$runtime" "$name" "$images"
	expect_sharing "$runtime" "$name" 20
}

# The tmpfs is the container's own, and CRIU keeps its content: nothing of ours runs.
on_its_own_tmpfs() {
	local runtime=$1 name=shm-own-$1 images
	with_ghostkeep
	start_sharing "$runtime" "$name" 5000000
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_line "$(logs_of "$runtime" "$name")/dump.log" 'the helper does not start'
	restore_container "$runtime" "$name" "$images"
	expect_sharing "$runtime" "$name" 20
}

# Podman keeps the content of this tmpfs, too.
on_podmans_own() {
	local runtime=$1 name=shm-podman images
	with_ghostkeep
	start_sharing "$runtime" "$name" 5000000
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	restore_container "$runtime" "$name" "$images"
	expect_sharing "$runtime" "$name" 20
}

around_the_runtime() {
	local runtime=$1 name=shm-nogate-$1 images listed
	with_ghostkeep
	without_gate
	new_shm
	at_exit drop_shm
	start_sharing "$runtime" "$name" 5000000 "$SHM:/dev/shm"
	listed=$(listed)
	images=$(images_of "$runtime" "$name")
	mkdir -p "$images"
	expect_ok ghostkeep checkpoint -- "$runtime" checkpoint --image-path "$images" --work-path "$images" "$name"
	expect_sealed "$images"
	with_ghostkeep
	new_shm
	restore_container "$runtime" "$name" "$images"
	expect_same_text "$listed" "$(listed)"
	expect_sharing "$runtime" "$name" 20
}

# The container cannot be paused, and it goes on between our look and CRIU's freeze. Nobody looks while it is frozen,
# because the gate is not there. So the images are looked at when CRIU has finished.
made_before_the_freeze() {
	local kind=$1 words=$2 name=late-$1 images
	with_ghostkeep
	without_gate
	new_shm
	at_exit drop_shm
	start_holding runc "$name" "late-$kind" "$SHM:/dev/shm"
	make_runc_that_cannot_pause "$(data_of runc "$name")/make"
	images=$(images_of runc "$name")
	mkdir -p "$images"
	bounded ghostkeep checkpoint -- "$WORK/late/runc" checkpoint --image-path "$images" --work-path "$images" "$name" \
		2>"$images/said" && fail "a checkpoint that lacks something succeeded"
	cat "$images/said"
	expect_line "$images/said" 'runs on until CRIU freezes it: it cannot be paused'
	expect_line "$images/said" "$words"
	with_ghostkeep
	new_shm
	(STARTED=() && restore_container runc "$name" "$images") && fail "CRIU restored what does not exist"
	timeout 30 runc delete -f "$name" || true
}

# make_runc_that_cannot_pause MAKE: a runc whose pause fails, and which tells the container to go on before it
# calls CRIU.
make_runc_that_cannot_pause() {
	mkdir -p "$WORK/late"
	cat >"$WORK/late/runc" <<-SCRIPT
	#!/bin/bash
	case \$1 in
	pause) echo 'no freezer' >&2; exit 1 ;;
	checkpoint)
		: >$1
		for ((i = 0; i < 300; i++)); do [ -e $1 ] || break; sleep 0.1; done
		sleep 1
		;;
	esac
	exec $(command -v runc) "\$@"
	SCRIPT
	chmod 755 "$WORK/late/runc"
}

accept_missing() {
	accept '{"allowMissing": true}'
}

accept() {
	mkdir -p /etc/ghostkeep
	echo "$1" >/etc/ghostkeep/config.json
	at_exit rm /etc/ghostkeep/config.json
}

# start_holding RUNTIME NAME KIND [VOLUME]: the container holds one thing on /dev/shm by its name.
start_holding() {
	start_python "$1" "$2" ready "on_shm.py $3" "${4:-}"
}

# Each of these is refused by CRIU at the restore, so the dump refuses it. The container runs on.
refused_at_dump() {
	local runtime=$1 kind=$2 words=$3 name=held-$1-$2 images
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_holding "$runtime" "$name" "$kind" "$SHM:/dev/shm"
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images/dump.log"
	expect_line "$images/dump.log" "$words"
	expect_holding "$runtime" "$name" "$kind"
	[ ! -e "$images/ghostkeep" ] || fail "a refused dump has left its folder"
}

CLOSED='2 files with 8 KiB on /dev/shm \(/dev/shm/(first, /dev/shm/second|second, /dev/shm/first)\)'
NOBODY="cannot dump $CLOSED: no process of this host holds them, so they would be gone"

# start_closed RUNTIME NAME: the container has closed two files on the pod's /dev/shm.
start_closed() {
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_holding "$1" "$2" closed "$SHM:/dev/shm"
}

# No process holds them: the checkpoint is refused, and the container runs on.
closed_refused() {
	local runtime=$1 name=closed-$1 images
	start_closed "$runtime" "$name"
	! ghostkeep check --pid "$(pid_of "$runtime" "$name")" >"$WORK/checked" || fail "check knows of no refusal"
	expect_line "$WORK/checked" "^refused  $NOBODY"
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images/dump.log"
	expect_line "$images/dump.log" "$NOBODY.*closedShm.*accept the loss"
	[ ! -e "$images/ghostkeep" ] || fail "a refused dump has left its folder"
	expect_holding "$runtime" "$name" closed
	[ "$(cat "$SHM/first" "$SHM/second")" = contentcontent ] || fail "the files are not as they were"
}

# closed_named RUNTIME WHOSE: the checkpoint is made, and its logs name what it lacks.
closed_named() {
	local runtime=$1 name=named-$1 images words="not in the checkpoint: $CLOSED, which $2"
	ghostkeep check --pid "$(pid_of "$runtime" "$name")" >"$WORK/checked" || fail "check refuses it: $(cat "$WORK/checked")"
	expect_line "$WORK/checked" "^perhaps  $words"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images/ghostkeep.log" "$images/dump.log"
	expect_line "$images/dump.log" "$words"
	expect_line "$images/ghostkeep.log" "$words"
	new_shm
	restore_container "$runtime" "$name" "$images"
	expect_holding "$runtime" "$name" closed
	[ -z "$(ls "$SHM")" ] || fail "closed files came back, and docs say that they do not"
}

closed_accepted() {
	start_closed "$1" "named-$1"
	accept '{"closedShm": "warn"}'
	closed_named "$1" 'no process of the container holds'
}

# One process of the host has the one file open, and another has mapped the other.
closed_and_held_by_others() {
	start_closed "$1" "named-$1"
	sleep 1000 <"$SHM/first" &
	at_exit kill $!
	python3 -c '
import mmap, sys, time
with open(sys.argv[1], "r+b") as file:
    held = mmap.mmap(file.fileno(), 4, prot=mmap.PROT_READ)
open(sys.argv[2], "w").close()
time.sleep(1000)' "$SHM/second" "$WORK/mapped" &
	at_exit kill $!
	wait_for 60 "mapping of second" [ -e "$WORK/mapped" ]
	closed_named "$1" 'only processes outside the container hold'
}

# Without the gate, `ghostkeep checkpoint` refuses before CRIU runs, or names the files on stderr and in its JSON.
closed_around_the_runtime() {
	local name=closed-nogate images
	start_closed runc "$name"
	without_gate
	images=$(images_of runc "$name")
	mkdir -p "$images"
	bounded ghostkeep checkpoint -- runc checkpoint --image-path "$images" --work-path "$images" "$name" \
		2>"$WORK/closed.said" && fail "a checkpoint that loses files succeeded"
	expect_line "$WORK/closed.said" "$NOBODY"
	[ ! -e "$images/dump.log" ] || fail "CRIU was started"
	expect_holding runc "$name" closed
	accept '{"closedShm": "warn"}'
	bounded ghostkeep checkpoint --json -- runc checkpoint --image-path "$images" --work-path "$images" "$name" \
		>"$WORK/closed.json" 2>"$WORK/closed.said" || fail "$(cat "$WORK/closed.said")"
	expect_line "$WORK/closed.said" 'not in the checkpoint: 2 files with 8 KiB on /dev/shm'
	tail -n 1 "$WORK/closed.json"
	jq -es 'last | .ghosts == 0 and (.warnings | length == 1 and (.[0] | test("^not in the checkpoint: 2 files")))' \
		"$WORK/closed.json" || fail "the JSON does not have the warning"
}

# The same, accepted by the host: CRIU alone restores it in the same pod, and refuses it in another.
accepted_in_the_same_pod() {
	local runtime=$1 kind=$2 name=accepted-$1-$2 images
	with_ghostkeep
	new_shm
	at_exit drop_shm
	accept_missing
	start_holding "$runtime" "$name" "$kind" "$SHM:/dev/shm"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_line "$images/dump.log" '/dev/shm/[a-z]+ is not copied, so it can be restored only where it still is'
	(restore_container "$runtime" "$name" "$images" && expect_holding "$runtime" "$name" "$kind")
	timeout 30 "$runtime" delete -f "$name"
	new_shm
	(STARTED=() && restore_container "$runtime" "$name" "$images") && fail "CRIU restored what does not exist"
	timeout 30 "$runtime" delete -f "$name" || true
}

# What CRIU brings back by itself, and what comes back with the files in it, is not refused. Three of these containers
# leave an empty folder that nobody holds. It does not come back, which the policy has to accept.
comes_back_elsewhere() {
	local runtime=$1 kind=$2 name=back-$1-$2 images
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_holding "$runtime" "$name" "$kind" "$SHM:/dev/shm"
	images=$(images_of "$runtime" "$name")
	case $kind in
	relative | removed-below | unlinked-below)
		expect_fail checkpoint_container "$runtime" "$name" "$images"
		expect_line "$images/dump.log" "cannot dump 1 folder, FIFO or link on /dev/shm \\(/dev/shm/folder\\): no process of this host holds it"
		accept '{"closedShm": "warn"}'
		;;
	esac
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	new_shm
	restore_container "$runtime" "$name" "$images"
	expect_holding "$runtime" "$name" "$kind"
}

# The /dev/shm that runc, crun or Podman has made for this container: its content comes back without us.
comes_back_on_its_own() {
	local runtime=$1 kind=$2 name=own-$1-$2 images
	local volume=tmpfs:/dev/shm
	! is_podman "$runtime" || volume=
	with_ghostkeep
	start_holding "$runtime" "$name" "$kind" "$volume"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	restore_container "$runtime" "$name" "$images"
	expect_holding "$runtime" "$name" "$kind"
}

expect_holding() {
	: >"$(data_of "$1" "$2")/look"
	wait_for 60 "answer of $2" looked "$1" "$2"
	expect_line "$(data_of "$1" "$2")/seen" "^$3 "
}

expect_same_text() {
	diff <(echo "$1") <(echo "$2") || fail "it is not as it was"
}

check runc "CRIU alone: dumped, refused at restore" refused_alone runc
for runtime in podman-crun podman-runc runc crun; do
	check "$runtime" "files on a /dev/shm that comes back empty" comes_back "$runtime" 5000000
done
check runc "300 MB on a /dev/shm that comes back empty" comes_back runc 300000000
check runc "the same /dev/shm: what is there stays" in_the_same_pod runc
check runc "a file on /dev/shm that others write to: refused" written_by_others runc
check runc "a file on /dev/shm that others write to, accepted" written_by_others runc accept
for runtime in runc crun; do
	check "$runtime" "an open folder on /dev/shm: refused at the dump" \
		refused_at_dump "$runtime" folder 'cannot dump /dev/shm/folder .* has open as descriptor [0-9]+ .*folder is not there'
	check "$runtime" "a working directory on /dev/shm: refused at the dump" \
		refused_at_dump "$runtime" cwd 'cannot dump /dev/shm/folder .* has as its working directory'
	check "$runtime" "a FIFO on /dev/shm: refused at the dump" \
		refused_at_dump "$runtime" fifo 'cannot dump /dev/shm/fifo .* has open as descriptor [0-9]+ .*a FIFO'
	check "$runtime" "a socket in a folder on /dev/shm: refused at the dump" \
		refused_at_dump "$runtime" socket-below 'cannot dump /dev/shm/folder/socket .* has open as descriptor [0-9]+ .*a socket is bound'
	check "$runtime" "a socket in a folder on /dev/shm, by a relative name: refused at the dump" \
		refused_at_dump "$runtime" relative-below 'cannot dump /dev/shm/folder/socket .* has open as descriptor [0-9]+ .*a socket is bound'
	check "$runtime" "a watch on /dev/shm: refused at the dump" \
		refused_at_dump "$runtime" watch-below 'cannot dump /dev/shm/folder .* has open as descriptor [0-9]+ .*it watches inode [0-9]+,'
	# What comes back is the same with each runtime, and a restore by crun takes five seconds.
	kinds='watch-root relative folder-of-a-file removed-folder'
	[ "$runtime" = crun ] || kinds+=' watch-of-a-file watch-beside-a-file root cwd-root removed-below removed-fifo socket
		datagram socket-beside-a-file path-of-a-file unlinked-below linked-below'
	for kind in $kinds; do
		check "$runtime" "on a /dev/shm that comes back empty: $kind" comes_back_elsewhere "$runtime" "$kind"
	done
	for kind in folder cwd fifo socket-below; do
		check "$runtime" "on the container's own /dev/shm: $kind" comes_back_on_its_own "$runtime" "$kind"
	done
done
for runtime in runc crun; do
	check "$runtime" "closed files on /dev/shm: refused at the dump" closed_refused "$runtime"
	check "$runtime" "closed files on /dev/shm, accepted: named in a warning" closed_accepted "$runtime"
	check "$runtime" "closed files on /dev/shm that others hold: named in a warning" closed_and_held_by_others "$runtime"
done
check runc "closed files on /dev/shm, ghostkeep checkpoint" closed_around_the_runtime
for kind in folder fifo; do
	check runc "accepted on /dev/shm: $kind" accepted_in_the_same_pod runc "$kind"
	check podman-crun "on podman's own /dev/shm: $kind" comes_back_on_its_own podman-crun "$kind"
done
check runc "files on the container's own /dev/shm: no helper" on_its_own_tmpfs runc
check podman-crun "files on podman's own /dev/shm" on_podmans_own podman-crun
check runc "named files, ghostkeep checkpoint" around_the_runtime runc
for kind in fifo folder watch-below socket-below relative-below; do
	case $kind in
	fifo | folder) words="/dev/shm/$kind, which the container has opened" ;;
	watch-below) words='/dev/shm/folder, which the container has watched' ;;
	*) words='/dev/shm/folder/socket, which the container has bound' ;;
	esac
	check runc "made before the freeze, ghostkeep checkpoint: $kind" made_before_the_freeze "$kind" \
		"lacks $words before CRIU froze it"
done
