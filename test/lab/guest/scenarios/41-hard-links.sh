# shellcheck shell=bash
# weight: 95
# native: all
# Files are held that have another name on a disk that survives. No content is copied, because CRIU finds them
# by that name.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

counts_on() {
	[ "$(jq .count "$(data_of "$1" "$2")/state")" -gt "$3" ]
}

expect_held() {
	local state
	state=$(cat "$(data_of "$1" "$2")/state")
	echo "$state"
	jq -e '.nlink == 1 and .same and .mapping and .offset == 7 and .size == 3000000' \
		<<<"$state" || fail "not the file it was: $state"
}

refused_alone() {
	local runtime=$1 name=links-alone-$1 images
	without_gate
	start_python "$runtime" "$name" state hardlinks.py
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	expect_line "$(logs_of "$runtime" "$name")/dump.log" 'link-remap'
}

renamed_only() {
	local runtime=$1 name=links-$1 images count
	with_ghostkeep
	start_python "$runtime" "$name" state hardlinks.py
	count=$(jq .count "$(data_of "$runtime" "$name")/state")
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	keep_log "$images/ghostkeep.log" "$images/ghostkeep-manifest.json"
	jq -e '.ghosts == [] and (.links | length == 2)' "$images/ghostkeep-manifest.json" ||
		fail "it is not two names and no content"
	! ls "$images"/ghost-file-* "$images"/ghostkeep-*.img 2>/dev/null || fail "content was copied"
	restore_container "$runtime" "$name" "$images"
	wait_for 60 "count that goes on" counts_on "$runtime" "$name" "$((count + 20))"
	expect_held "$runtime" "$name"
}

check runc "CRIU alone refuses, asks for --link-remap" refused_alone runc
check runc "hard links on ext4" renamed_only runc
check crun "hard links on ext4" renamed_only crun
check podman-crun "hard links on overlayfs" renamed_only podman-crun
