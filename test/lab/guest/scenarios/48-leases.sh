# shellcheck shell=bash
# weight: 120
# native: all
# A ghost has a write lease, which opening it would break. It is dumped, and the lease is there after restore.
# A checkpoint that CRIU refuses (it wants --file-locks) changes nothing. CRIU itself opens each file to look
# for a build id, and so breaks leases, unless it is told to compare only sizes.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

value() {
	jq -r ".$3 // 0" "$(data_of "$1" "$2")/state"
}

counts_past() {
	[ "$(value "$1" "$2" count)" -gt "$3" ]
}

expect_lease() {
	local runtime=$1 name=$2 before=$3 state
	wait_for 60 "$name that goes on" counts_past "$runtime" "$name" "$(jq .count <<<"$before")"
	state=$(cat "$(data_of "$runtime" "$name")/state")
	echo "$state"
	[ "$(jq -c 'del(.count)' <<<"$state")" = "$(jq -c 'del(.count)' <<<"$before")" ] ||
		fail "lease, offset or content is another: $state; it was $before"
}

lease_stays() {
	local runtime=$1 name=lease-$1 images before
	images=$(images_of "$runtime" "$name")
	with_ghostkeep
	echo 'file-validation filesize' >"$WORK/$name.conf"
	export CRIU_CONFIG_FILE=$WORK/$name.conf
	start_python "$runtime" "$name" state leases.py
	before=$(cat "$(data_of "$runtime" "$name")/state")
	[ "$(jq -c '[.lease, .told, .offset]' <<<"$before")" = '[1,0,4711]' ] || fail "no lease: $before"
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	expect_lease "$runtime" "$name" "$before"
	rm -rf "$images"
	expect_ok checkpoint_container "$runtime" "$name" "$images" --file-locks
	expect_sealed "$images"
	RESTORE_OPTIONS=(--file-locks)
	restore_container "$runtime" "$name" "$images"
	expect_lease "$runtime" "$name" "$before"
}

for runtime in runc crun; do
	check "$runtime" 'a write lease stays' lease_stays "$runtime"
done
