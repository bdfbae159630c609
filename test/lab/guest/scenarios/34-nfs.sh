# shellcheck shell=bash
# weight: 150
# Ghosts on NFS: silly-renamed by the client, found by that name, dumped
# through the gate, restored, and at the end nothing is left on the server.

# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"
# shellcheck source-path=SCRIPTDIR source=../bind-data.sh
. "$GUEST/bind-data.sh"

# A live file that a user gave such a name, with fewer digits.
LIVE=.nfs00000000000000020000

expect_silly_ghosts() {
	ghostkeep scan --pid "$(cat "$WORK/$1/pid")" --json >"$LOGS.scan.json"
	jq -e '[.ghosts[] | select(.class == "silly-renamed" and .keep == "ghostkeep")] | length == 3' \
		"$LOGS.scan.json" || fail "scan: $(jq -c '[.ghosts[] | {class, path, keep, why}]' "$LOGS.scan.json")"
}

expect_nothing_left() {
	find "$1" \( -name '.nfs*' -o -name '*.cr.*' -o -name 'link_remap*' \) ! -name "$LIVE" |
		tee "$LOGS.left"
	[ ! -s "$LOGS.left" ] || fail "left on the server: $(tr '\n' ' ' <"$LOGS.left")"
}

survives_on() {
	local filesystem=$1 name=data-$1 images=$WORK/data-$1.images data=$FS/$1/data-$1
	with_ghostkeep
	start_on "$filesystem" "$name" hole-64m-4m small tail-odd
	echo kept >"$data/$LIVE"
	expect_silly_ghosts "$name"
	expect_ok checkpoint_container runc "$name" "$images"
	expect_sealed "$images"
	restore_container runc "$name" "$images"
	check_verdict runc "$name"
	timeout 30 runc delete -f "$name"
	[ "$(cat "$data/$LIVE")" = kept ] || fail "the live file was touched"
	wait_for 10 "clean server" expect_clean "$data"
	expect_nothing_left "$data"
}

expect_clean() {
	[ -z "$(find "$1" \( -name '.nfs*' -o -name '*.cr.*' \) ! -name "$LIVE")" ]
}

for filesystem in nfs3 nfs3-squash nfs4.2 nfs4.2-squash; do
	check "$filesystem" "silly-renamed ghosts" survives_on "$filesystem"
done
