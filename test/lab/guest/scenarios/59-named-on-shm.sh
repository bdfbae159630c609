# shellcheck shell=bash
# weight: 300
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
	chown 1234:2345 "$SHM/twice" "$SHM/folder"
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
	jq -e '[.ghosts[].class] == ["named", "named", "named", "named"]' "$images/ghostkeep-manifest.json"
	new_shm
	restore_container "$runtime" "$name" "$images"
	expect_same_text "$listed" "$(listed)"
	expect_sharing "$runtime" "$name" "$before"
	expect_same_text "$seen" "$(look_at_files "$runtime" "$name")"
}

expect_same_text() {
	diff <(echo "$1") <(echo "$2") || fail "it is not as it was"
}

check runc "CRIU alone: dumped, refused at restore" refused_alone runc
for runtime in podman-crun podman-runc runc crun; do
	check "$runtime" "files on a /dev/shm that comes back empty" comes_back "$runtime" 5000000
done
check runc "300 MB on a /dev/shm that comes back empty" comes_back runc 300000000
