# shellcheck shell=bash
# weight: 150
# native: all
# Runs docs/history.md word for word: a checkpoint each night, of which seven are kept. It is a new night when date
# says so. Packed on ext4; on xfs and btrfs the nights share their blocks instead.

# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"
# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"

NIGHTS=9
TEXT=docs/history.md

# The restore writes there, too.
mount_backup() {
	make_filesystem "$1"
	rm -rf "${FS:?}/$1/backup" "${FS:?}/$1/restore"
	mkdir -p /backup /restore "$FS/$1/backup" "$FS/$1/restore"
	mount --bind "$FS/$1/backup" /backup
	at_exit umount /backup
	mount --bind "$FS/$1/restore" /restore
	at_exit umount /restore
}

fake_date() {
	mkdir -p "$WORK/fake"
	printf '#!/bin/sh\n[ "$*" = +%%F ] && echo 2026-11-%s\n' "$1" >"$WORK/fake/date"
	chmod +x "$WORK/fake/date"
}

# nights FILESYSTEM SCRIPT: the block of the page, edited by SCRIPT as the page says.
nights() {
	local night before
	mount_backup "$1"
	start_container runc mydb hole-64m-4m shared tail-odd
	for night in $(seq 20 $((19 + NIGHTS))); do
		fake_date "$night"
		PATH=$WORK/fake:$PATH run_block "$TEXT" 1 "$2"
		ls "/backup/2026-11-$night/ghostkeep-manifest.json"
	done
	[ "$(echo /backup/*)" = "$(printf '/backup/2026-11-%s ' $(seq $((13 + NIGHTS)) $((19 + NIGHTS))) | sed 's/ $//')" ] ||
		fail "these nights are there: $(echo /backup/*)"
	cp "$LOGS.said" "$WORK/last-night.txt"
	! PATH=$WORK/fake:$PATH run_block "$TEXT" 1 "$2" || fail 'a second run on one day was taken for another night'
	expect_said 'is there already'
	mv "$WORK/last-night.txt" "$LOGS.said"
	ls "/backup/2026-11-$night/ghostkeep-manifest.json"
	[ -n "$2" ] || may_not_replace /backup/2026-11-24
	before=$(counter_of runc mydb)
	for night in /backup/*; do
		expect_ok ghostkeep verify -D "$night" --chain
	done
	expect_ok runc delete -f mydb
	say "counter $before"
}

# Everything but descriptors.json, which runc itself writes before it starts CRIU.
state_of() {
	(cd "$1" && ls -l --time-style=full-iso --ignore=descriptors.json && cat -- [!d]* | sha256sum)
}

# CRIU would write over what later nights need, so the gate refuses before CRIU writes anything.
may_not_replace() {
	local before
	before=$(state_of "$1")
	expect_fail runc --log "$WORK/mydb/refused.log" checkpoint --leave-running --image-path "$1" \
		--work-path "$WORK/mydb" mydb
	expect_line "$WORK/mydb/dump.log" '2026-11-25 needs what is in it; choose another directory'
	[ "$(state_of "$1")" = "$before" ] || fail "$1 was changed"
	expect_alive runc mydb
}

restored() {
	local before=$1
	runc state mydb | jq -r .pid >"$WORK/mydb/pid"
	expect_alive runc mydb
	check_verdict runc mydb
	say "counter $(counter_of runc mydb), $before at the last checkpoint"
}

packed_nights() {
	with_ghostkeep
	nights ext4 ''
	expect_said 'is forgotten'
	expect_said 'stands alone now'
	[ -e /backup/2026-11-28/ghostkeep-layer-1.map ] || fail "the last night is not packed"
	without_gate
	run_block "$TEXT" 2
	restored 0
}

shared_nights() {
	local share
	# shellcheck disable=SC2016 # the page's own words
	share='ghostkeep share -D "$last" "$night"'
	with_ghostkeep
	grep -qF "\`$share\`" "/lab/$TEXT" || fail "the page does not say: $share"
	nights "$1" "s/ghostkeep pack .*\"\\\$last\"/$share/"
	expect_said 'saved, which the directories now share'
	without_gate
	run_block "$TEXT" 3
	restored 0
}

check runc "history: packed nights on ext4" packed_nights
check runc "history: shared nights on xfs" shared_nights xfs
check runc "history: shared nights on btrfs" shared_nights btrfs
