# shellcheck shell=bash
# weight: 175
# Ghosts on NFS are silly-renamed by the client and found by that name, dumped through the gate and restored.
# At the end nothing is left on the server.

# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"
# shellcheck source-path=SCRIPTDIR source=../bind-data.sh
. "$GUEST/bind-data.sh"

# A user gave a live file such a name, with fewer digits.
LIVE=.nfs00000000000000020000

expect_silly_ghosts() {
	ghostkeep scan --pid "$(cat "$WORK/$1/pid")" --json >"$LOGS.scan.json"
	jq -e '[.ghosts[] | select(.class == "silly-renamed" and .keep == "ghostkeep")] | length == 3' \
		"$LOGS.scan.json" || fail "scan: $(jq -c '[.ghosts[] | {class, path, keep, why}]' "$LOGS.scan.json")"
}

# Looks on the server itself, not through the client's cache.
leftovers() {
	find "$FS/ext4/$1/export/$2" \( -name '.nfs*' -o -name '*.cr.*' -o -name 'link_remap*' \) ! -name "$LIVE"
}

nothing_left() {
	[ -z "$(leftovers "$@")" ]
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
	wait_for 10 "clean server: $(leftovers "$filesystem" "$name")" nothing_left "$filesystem" "$name"
}

# Prints the sha256 of each ghost, read as the user whose process holds it.
digests_of() {
	local pid=$1 fd
	for fd in $(ghostkeep scan --pid "$pid" --json | jq -r '.ghosts[].holders[0].fd'); do
		setpriv --reuid "$RUN_AS" --regid "$RUN_AS" --clear-groups sha256sum "/proc/$pid/fd/$fd"
	done | cut -c1-64 | sort
}

# Root may not even read what the container's user wrote. The dump is complete all the same, once CRIU is told
# not to look for build ids. CRIU makes files as root, which this server does not allow, and it cannot even
# dump a mapped one: "Can't open map_files: Permission denied".
owned_by_another_on() {
	local filesystem=$1 name=owned-$1 images=$WORK/owned-$1.images before
	RUN_AS=1000
	with_ghostkeep
	mkdir -p /etc/criu
	echo "file-validation filesize" >/etc/criu/runc.conf
	at_exit rm -f /etc/criu/runc.conf
	start_on "$filesystem" "$name" small tail-odd tail-hole
	expect_silly_ghosts "$name"
	before=$(digests_of "$(cat "$WORK/$name/pid")")
	[ "$(wc -l <<<"$before")" = 3 ] || fail "no digests"
	expect_ok checkpoint_container runc "$name" "$images"
	expect_sealed "$images"
	expect_ok ghostkeep restore -D "$images" --to "$WORK/owned-$filesystem.back"
	[ "$(sha256sum "$WORK/owned-$filesystem.back"/ghost-* | cut -c1-64 | sort)" = "$before" ] ||
		fail "other bytes were restored"
	expect_fail runc --log "$WORK/$name/restore.log" restore -d --bundle "$WORK/$name" \
		--image-path "$images" --work-path "$images" "$name"
	grep -a Error "$images/restore.log" | head -n 3
	expect_line "$images/restore.log" "Error .*(ownership|ermission)"
}

# The client keeps locks of folders to itself, so they hold between its own processes.
has_one_owner_on() {
	local images=$FS/$1/owned process owner
	with_ghostkeep
	make_filesystem "$1"
	mkdir -p "$images"
	at_exit rm -rf "$images"
	sleep 600 &
	process=$!
	at_exit kill -9 "$process"
	flock --no-fork "$images" sleep 600 &
	owner=$!
	wait_for 10 "lock" grep -q "FLOCK .* $owner " /proc/locks
	expect_fail ghostkeep dump --pid "$process" -D "$images" 2>"$LOGS.refused"
	kill -9 "$owner"
	expect_line "$LOGS.refused" "process $owner \\(sleep 600\\) is writing there.*IN_USE"
	wait "$owner" || true
	expect_ok ghostkeep dump --pid "$process" -D "$images"
}

for filesystem in nfs3 nfs4.2; do
	check "$filesystem" "an image directory has one owner" has_one_owner_on "$filesystem"
done
for filesystem in nfs3 nfs3-squash nfs4.2 nfs4.2-squash; do
	check "$filesystem" "silly-renamed ghosts" survives_on "$filesystem"
done
for filesystem in nfs3-squash nfs4.2-squash; do
	check "$filesystem" "another user's ghosts, dumped; CRIU cannot make them" \
		owned_by_another_on "$filesystem"
done
