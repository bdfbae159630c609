# shellcheck shell=bash
# weight: 120
# suites: trixie
# A container is moved in three rounds of ghosts and of memory, and a last one. CRIU finds out which memory has changed
# since the round before by the kernel's soft-dirty bits. Debian's own kernel has them, so this runs emulated.
# 66-migrate moves ghosts by TLS and by ssh, too, and the memory in one piece.
# shellcheck source-path=SCRIPTDIR source=../moving.sh
. "$GUEST/moving.sh"

# The emulated processor is slow.
MIB=16
MOVE_DEADLINE=120

# Memory that the round before has is not sent again. So CRIU needs a directory for each round, here and there, and each
# leads to the one before.
round_of_memory() {
	local name=$1 round=$2 here=$WORK/$1.here there before_there=() before_here=()
	there=$(other_side "$name")
	[ "$round" = 1 ] || {
		before_there=(--prev-images-dir "../$name.there.memory-$((round - 1))")
		before_here=(--parent-path "../memory-$((round - 1))")
	}
	at_exit rm -rf "$there.memory-$round"
	page_server "$there.memory-$round" "${before_there[@]}"
	mkdir -p "$here/memory-$round"
	expect_ok checkpoint_container runc "$name" "$here/memory-$round" --pre-dump --page-server "127.0.0.1:$PORT" \
		"${before_here[@]}"
	say "memory of round $round: $(du -sk "$there.memory-$round" | cut -f1) KiB there"
	! ls "$here/memory-$round"/pages-*.img 2>/dev/null || fail "memory is stored here"
	MEMORY_BEFORE_THERE=(--prev-images-dir "../$name.there.memory-$round")
	MEMORY_BEFORE_HERE=(--parent-path "../memory-$round")
}

by_unix_socket() {
	local name=memory-in-rounds there
	there=$(other_side "$name")
	listen "$name" "$WORK/$name.socket"
	at_exit rm -f "$WORK/$name.socket"
	begin_move "$name"
	rounds "$name" "ghostkeep carry $WORK/$name.socket"
	last_round "$name" "ghostkeep carry $WORK/$name.socket"
	crit show "$there/pagemap-1.img" >"$LOGS.pagemap"
	expect_line "$LOGS.pagemap" PE_PARENT
	end_move "$name"
}

check runc "three rounds of memory and ghosts, and a last one" by_unix_socket
