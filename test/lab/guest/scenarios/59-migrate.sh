# shellcheck shell=bash
# weight: 0
# native: only
# A container is moved while it runs: three rounds of its ghosts and a last one while it is frozen, and its memory by
# CRIU's page server. A ghost of 300 MiB is written to all the time. Here the images have a tmpfs of 32 MiB. The
# connection is cut once in each round. The container is restored from what the other side has, and compares its ghost.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

MIB=300
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

# cut_once NAME ROUND: the words before a carrier that lose the connection after 100 MB, or after 2 MB of a round in
# which less is sent.
cut_once() {
	local most=100000000
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
	done
}

# CRIU sends memory to its own page server. It writes a zero byte when that listens.
page_server() {
	local there
	there=$(other_side "$1")
	mkdir -p "$there"
	mkfifo "$WORK/$1.status"
	timeout --kill-after=5 600 criu page-server --images-dir "$there" --address 127.0.0.1 --port "$PORT" \
		--status-fd 5 --log-file page-server.log 5>"$WORK/$1.status" </dev/null >/dev/null 2>&1 &
	at_exit eval "kill $! 2>/dev/null"
	IFS= read -r -d '' -t 60 _ <"$WORK/$1.status" || fail "CRIU's page server does not listen"
}

# last_round NAME CARRIER: the checkpoint, with the connection cut while the container is frozen.
last_round() {
	local name=$1 here=$WORK/$1.here/images
	jq -n --arg to "via:$(cut_once "$name" last) $2" '{moveTo: $to, moveDeadline: 30}' >/etc/ghostkeep/config.json
	page_server "$name"
	expect_ok checkpoint_container runc "$name" "$here" --page-server "127.0.0.1:$PORT"
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
	local name=$1 there verdict
	there=$(other_side "$name")
	ls -la "$there"
	umount "$WORK/$name.here"
	mount -t tmpfs -o size=1M gone "$WORK/$name.here"
	rm -f /etc/ghostkeep/config.json "$there"/page-server.log
	expect_sealed "$there"
	bounded runc delete -f "$name" || true
	restore_container runc "$name" "$there"
	touch "$(data_of runc "$name")/stop"
	wait_for 60 "verdict of $name" data_has runc "$name" verdict
	verdict=$(cat "$(data_of runc "$name")/verdict")
	say "$verdict"
	[ "${verdict#equal}" != "$verdict" ] || fail "$verdict"
}

by_pipe() {
	local name=moved-by-pipe carrier
	carrier="ghostkeep receive -D $(other_side "$name")"
	begin_move "$name"
	rounds "$name" "$carrier"
	last_round "$name" "$carrier"
	end_move "$name"
}

# The connection is cut in the last round and nobody answers any more.
refused() {
	local name=move-refused here=$WORK/move-refused.here/images
	begin_move "$name"
	jq -n --arg to "via:$(cut_once "$name" 1) /bin/false" '{moveTo: $to, moveDeadline: 1}' >/etc/ghostkeep/config.json
	expect_fail checkpoint_container runc "$name" "$here"
	expect_reason "$here" MOVE_LOST
	touch "$(data_of runc "$name")/stop"
	wait_for 60 "verdict of $name" data_has runc "$name" verdict
	expect_line "$(data_of runc "$name")/verdict" '^equal'
}

check runc "three rounds and a last one, by a pipe" by_pipe
check runc "nobody receives: refused, and the container runs on" refused
