# shellcheck shell=bash
# weight: 90
# native: all
# Ghosts are in folders that were removed and are still a working directory, or open. They come back byte for
# byte, the folders too, and no name is left behind.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

# Each descriptor of the container has a line, and each must be `same`.
expect_same() {
	local runtime=$1 name=$2 wanted=$3 data
	data=$(data_of "$runtime" "$name")
	rm -f "$data/seen"
	: >"$data/look"
	wait_for 60 "look of $name" test -e "$data/seen"
	cat "$data/seen"
	! grep -a '^other' "$data/seen" >"$LOGS.other" || fail "$name: $(cat "$LOGS.other")"
	rm -f "$LOGS.other"
	[ "$(wc -l <"$data/seen")" = "$wanted" ] || fail "$name: $wanted descriptors should be looked at"
}

# comes_back RUNTIME stock|gate|around DESCRIPTORS PLACE…: stock or gate says who restores it; around is CRIU
# without the gate for both, with `ghostkeep checkpoint`.
comes_back() {
	local runtime=$1 by=$2 name=removed-$2-$1 descriptors=$3 images there left
	shift 3
	with_ghostkeep
	start_python "$runtime" "$name" ready "removed.py $*"
	expect_same "$runtime" "$name" "$descriptors"
	there=$(cd "$(data_of "$runtime" "$name")" && find . ! -name seen | sort | xargs)
	images=$(images_of "$runtime" "$name")
	if [ "$by" = around ]; then
		without_gate
		mkdir "$images"
		expect_ok ghostkeep checkpoint -- "$runtime" checkpoint --image-path "$images" \
			--work-path "$images" "$name"
	else
		expect_ok checkpoint_container "$runtime" "$name" "$images"
		keep_log "$images/ghostkeep.log"
	fi
	expect_sealed "$images"
	crit show "$images/remap-fpath.img"
	[ "$by" = gate ] || without_gate
	restore_container "$runtime" "$name" "$images"
	expect_same "$runtime" "$name" "$descriptors"
	left=$(cd "$(data_of "$runtime" "$name")" && find . ! -name seen | sort | xargs)
	[ "$left" = "$there" ] || fail "there is $left, and not $there"
}

places='working folder_after folder_before several nested mixed'
# shellcheck disable=SC2086 # words
check runc "working directory, descriptors, nested, several, one of CRIU's: by CRIU alone" \
	comes_back runc stock 19 $places
# shellcheck disable=SC2086 # words
check crun "the same, with the gate at restore" comes_back crun gate 19 $places

taken='taken taken_empty taken_file twice'
# shellcheck disable=SC2086 # words
check runc "names that others have by now, two folders of one name: by CRIU alone" comes_back runc stock 8 $taken
check crun "a name that another folder has by now, no ghost in it, with the gate" comes_back crun gate 1 taken_empty
check crun "inside a folder whose name is taken, and on a tmpfs of its own" comes_back crun gate 5 taken_outer in_memory
check crun "names that others have by now, ghostkeep checkpoint" comes_back crun around 3 taken taken_empty
check runc "the same, no ghost in it, ghostkeep checkpoint" comes_back runc around 1 taken_empty
