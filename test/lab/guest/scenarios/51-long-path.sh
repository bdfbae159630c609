# shellcheck shell=bash
# weight: 60
# native: all
# A live file whose path has more bytes than a page is open beside a ghost. CRIU alone refuses to dump the process, so
# the checkpoint fails with ghostkeep, too, and says why; the container runs on. `ghostkeep dump` keeps the ghost.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

state_of() {
	cat "$(data_of "$1" "$2")/state"
}

runs_on() {
	[ "$(state_of "$1" "$2" | jq .count)" -gt "$3" ]
}

expect_unharmed() {
	local runtime=$1 name=$2 state
	wait_for 60 "$name that goes on" runs_on "$runtime" "$name" "$(state_of "$runtime" "$name" | jq .count)"
	state=$(state_of "$runtime" "$name")
	echo "$state"
	[ "$(jq -c '[.links, .whole]' <<<"$state")" = '[[1,0],[true,true]]' ] || fail "it was harmed: $state"
}

# With and without ghostkeep: the user finds the reason where CRIU puts it.
refused="Can't read link of fd .*: File name too long"

long_path() {
	local runtime=$1 name=long-$1 images sum
	without_gate
	start_python "$runtime" "$name" state long_path.py
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images"/*.log
	expect_line "$images/dump.log" "$refused"
	expect_unharmed "$runtime" "$name"
	rm -rf "$images"

	with_ghostkeep
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images"/*.log
	expect_line "$images/dump.log" "$refused"
	expect_line "$images/dump.log" "ghostkeep: CRIU's dump failed; a line with Error above this one has the reason"
	expect_unharmed "$runtime" "$name"
	[ -z "$(find "$images" -name 'ghost*.img' -o -name '*.json' ! -name descriptors.json)" ] ||
		fail "left behind: $(ls "$images")"

	expect_ok ghostkeep dump --pid "$(pid_of "$runtime" "$name")" -D "$WORK/$name.dump"
	expect_ok ghostkeep verify -D "$WORK/$name.dump"
	expect_ok ghostkeep restore -D "$WORK/$name.dump" --to "$WORK/$name.back"
	sum=$(sha256sum <"$WORK/$name.back/ghost-1")
	[ "${sum%% *}" = "$(state_of "$runtime" "$name" | jq -r .sum)" ] || fail "the ghost came back with other bytes"
	expect_unharmed "$runtime" "$name"
}

for runtime in runc crun; do
	check "$runtime" 'a live file with a path of more than a page, and a ghost' long_path "$runtime"
done
