# shellcheck shell=bash
# Rounds before a checkpoint: `ghostkeep pre-dump`, what it says, and whether the dump has used its bases.

# round NAME [OPTION…]: makes a round of a container that runs, and checks that there is a base of each of its
# large ghosts. What the command printed is kept in $WORK/NAME.round.
round() {
	local name=$1
	shift
	say "\$ ghostkeep pre-dump --json $*"
	bounded ghostkeep pre-dump --json "$@" >"$WORK/$name.round" || fail "the round failed"
	jq -c '{images, rounds, freeze, ghosts: [.ghosts[] | {path, size, done, why}]}' "$WORK/$name.round"
	jq -e '[.ghosts[] | select(.size >= 4194304)] | length > 0 and all(.done == "base")' "$WORK/$name.round" >"$LOGS.bases" ||
		fail "not every large ghost has a base"
}

# expect_base_used IMAGES BYTES: as expect_bytes_kept, and the helper's log says so.
expect_base_used() {
	expect_bytes_kept "$@"
	expect_line "$1/ghostkeep.log" 'copied [0-9]+ ghosts: .* of the images before the freeze'
}

# expect_bytes_kept IMAGES BYTES: of each ghost of 64 MiB, BYTES were there before the freeze. A quarter of them is
# enough: what the kernel has thrown out of memory since is written again.
expect_bytes_kept() {
	jq -c '.ghosts[] | {path, size, data}' "$1/ghostkeep-manifest.json"
	jq -e --argjson least "$2" '[.ghosts[] | select(.size >= 67108864)] | length > 0 and all(.data.kept >= $least / 4)' \
		"$1/ghostkeep-manifest.json" >"$LOGS.kept" || fail "a ghost was copied while the container was frozen"
}

expect_no_base_used() {
	jq -e '[.ghosts[] | select(.data.kept)] | length == 0' "$1/ghostkeep-manifest.json" >"$LOGS.kept" ||
		fail "a ghost has bytes from before the freeze"
}

# frozen_ms IMAGES: how long CRIU says that it had the processes frozen.
frozen_ms() {
	crit show "$1/stats-dump" | jq '.entries[0].dump.frozen_time / 1000'
}
