# shellcheck shell=bash
# A container with a ghost that is written to all the time moves to another side: rounds of its ghosts (and of its
# memory, where a scenario has round_of_memory); the checkpoint; the restore from what the other side has.
# shellcheck source-path=SCRIPTDIR source=./python.sh
. "$GUEST/python.sh"
# shellcheck source-path=SCRIPTDIR source=./blocks.sh
. "$GUEST/blocks.sh"

# How large the ghost is, and the seconds in which the last round may connect again. A scenario may set others.
MIB=300
MOVE_DEADLINE=30
PORT=4711

# other_side NAME: where its checkpoint is. What is here must not be needed.
other_side() {
	echo "$WORK/$1.there"
}

# A container whose ghost is written to, and a small disk for the images here.
begin_move() {
	local name=$1 here=$WORK/$1.here
	with_ghostkeep
	start_python runc "$name" ready "writer.py $MIB"
	mkdir -p "$here"
	mount -t tmpfs -o size=32M small "$here"
	at_exit rm -rf "$(other_side "$name")" "$here"
	at_exit umount -l "$here"
	mkdir -p /etc/ghostkeep
	at_exit rm -f /etc/ghostkeep/config.json
}

# cut_once NAME ROUND: the words before a carrier that lose the connection after a third of the ghost, or after 2 MB of a
# round in which less is sent.
cut_once() {
	local most=$((MIB * 333333))
	[ "$2" = 1 ] || most=2000000
	echo "/usr/bin/python3 $GUEST/programs/cut.py $WORK/$1.here/cut-$2 $most"
}

# rounds NAME CARRIER: CARRIER is a command that reaches the receiver.
rounds() {
	local name=$1 carrier=$2 round
	for round in 1 2 3; do
		say "round $round by $carrier"
		bounded ghostkeep pre-dump --json --container "$name" --via "$(cut_once "$name" "$round") $carrier" \
			>"$WORK/$name.round" 2>"$LOGS.round-$round" || fail "round $round failed: $(tail -n 1 "$LOGS.round-$round")"
		jq -c '{rounds, freeze, ghosts: [.ghosts[] | {path, size, done, why}]}' "$WORK/$name.round"
		jq -e '.ghosts | length > 0 and all(.done == "sent")' "$WORK/$name.round" >"$LOGS.sent" || fail "it was not sent"
		expect_line "$LOGS.round-$round" 'connecting again'
		! declare -F round_of_memory >/dev/null || round_of_memory "$name" "$round"
	done
}

# page_server DIR [OPTION…]: CRIU's page server writes memory into DIR, and ends with its connection. It writes a zero
# byte when it listens.
page_server() {
	local there=$1
	shift
	mkdir -p "$there"
	mkfifo "$there.status"
	timeout --kill-after=5 600 criu page-server --images-dir "$there" --address 127.0.0.1 --port "$PORT" \
		--status-fd 5 --log-file page-server.log "$@" 5>"$there.status" </dev/null >/dev/null 2>&1 &
	at_exit eval "kill $! 2>/dev/null"
	at_exit rm -f "$there.status"
	IFS= read -r -d '' -t 60 _ <"$there.status" || fail "CRIU's page server does not listen"
	rm "$there.status"
}

# last_round NAME CARRIER: the checkpoint, with the connection cut while the container is frozen. MEMORY_BEFORE_… has
# the options that lead to the last round of memory, for CRIU's page server and for runc.
MEMORY_BEFORE_THERE=()
MEMORY_BEFORE_HERE=()
last_round() {
	local name=$1 here=$WORK/$1.here/images
	jq -n --arg to "via:$(cut_once "$name" last) $2" --argjson deadline "$MOVE_DEADLINE" \
		'{moveTo: $to, moveDeadline: $deadline}' >/etc/ghostkeep/config.json
	page_server "$(other_side "$name")" "${MEMORY_BEFORE_THERE[@]}"
	at_exit tail -n 20 "$here/dump.log"
	expect_ok checkpoint_container runc "$name" "$here" --page-server "127.0.0.1:$PORT" "${MEMORY_BEFORE_HERE[@]}"
	expect_line "$here/dump.log" 'will not be able to restore the checkpoint'
	expect_line "$here/ghostkeep.log" 'connecting again'
	say "frozen for $(crit show "$here/stats-dump" | jq '.entries[0].dump.frozen_time / 1000') ms"
	du -sh "$WORK/$name.here"
	! ls "$here"/ghost-file-* 2>/dev/null || fail "a ghost is stored here"
	expect_fail ghostkeep verify -D "$here" >"$LOGS.verify"
	expect_line "$LOGS.verify" 'was sent to .* and is not here'
	expect_fail ghostkeep restore -D "$here" --to "$WORK/$name.none" 2>"$LOGS.restore"
	expect_line "$LOGS.restore" MOVED
}

# The source is gone: its images, and its processes.
end_move() {
	local name=$1 there
	there=$(other_side "$name")
	ls -la "$there"
	umount "$WORK/$name.here"
	mount -t tmpfs -o size=1M gone "$WORK/$name.here"
	rm -f /etc/ghostkeep/config.json "$there"/page-server.log
	# CRIU's own link leads to the memory of the round before.
	if [ -L "$there/parent" ]; then expect_ok ghostkeep verify -D "$there"; else expect_sealed "$there"; fi
	bounded runc delete -f "$name" || true
	restore_container runc "$name" "$there"
	expect_equal "$name"
}

# The writer compares its ghost.
expect_equal() {
	local verdict
	touch "$(data_of runc "$1")/stop"
	wait_for 60 "verdict of $1" data_has runc "$1" verdict
	verdict=$(cat "$(data_of runc "$1")/verdict")
	say "$verdict"
	[ "${verdict#equal}" != "$verdict" ] || fail "$verdict"
}

# moved NAME CARRIER
moved() {
	begin_move "$1"
	rounds "$1" "$2"
	last_round "$1" "$2"
	end_move "$1"
}

# listen NAME ADDRESS [OPTION…]
listen() {
	local there=$WORK/$1.there said=$LOGS.listen
	with_ghostkeep
	timeout --kill-after=5 600 ghostkeep receive -D "$there" --listen "${@:2}" >"$said" 2>&1 </dev/null &
	at_exit eval "kill $! 2>/dev/null"
	wait_for 20 "socket" grep -q '^listening on' "$said"
}
