# shellcheck shell=sh disable=SC2154 # run.sh sources it
# SPDX-License-Identifier: MIT
# The process that watches the room of bases.

# No disk has LEAST bytes free, so what may be removed goes at the first look, and the process ends with the last base.
watch_bases() {
	images=$build/images bases=$build/images/ghostkeep least=18446744073709551615
	rm -rf "$images"
	mkdir -p "$images"
	watch_ends "" "no folder"
	mkdir "$bases"
	watch_ends "" "no base"
	echo content >"$bases/base-1-2-3.img"
	echo content >"$bases/rough-1-2-4.img"
	echo content >"$bases/warm-1-2.img"
	watch_ends "warm-1-2.img" "a base, one that a killed round has left, and the image of a dump"
	ln "$bases/warm-1-2.img" "$bases/base-1-2-5.img"
	ln -s "$bases/warm-1-2.img" "$bases/base-1-2-6.img"
	mkfifo "$bases/base-1-2-7.img"
	watch_ends "base-1-2-5.img base-1-2-6.img base-1-2-7.img warm-1-2.img" "no file of ours alone"
	[ "$(cat "$bases/warm-1-2.img")" = content ] || fail "what a base leads to was changed"
	rm "$bases"/base-*
	echo content >"$bases/base-1-2-3.img"
	chmod 777 "$bases"
	watch_ends "base-1-2-3.img warm-1-2.img" "a folder that others may write to"
	chmod 700 "$bases"
	other_names
	newest_watches
	mark_has_words
	without_mark
	after_trouble
	child_is_killed
	starter_lives
	many_on_a_slow_disk
	for words in "" "$build/lock 1G 0" "'' 1 0" "$build/lock 1" "$build/lock 1 me" "$build/lock 1 0 me" "$build/lock 1 0 0 0"; do
		begin
		eval "timeout 10 \"\$hook\" watch-bases \"\$images\" $words" >"$out" 2>&1
		expect_status 2
	done
	rm -r "$images"
}

# The folder may belong to somebody's project that is called ghostkeep, too.
other_names() {
	rm "$bases"/*
	for name in base-notes.txt base-1-2.img base-1-2-3-4.img base-1-2-3.img.old base--2-3.img base-1-2-G.img \
		base-1-2-12345678901234567.img base-1-2-3 base.img; do
		echo content >"$bases/$name"
	done
	kept=$(cd "$bases" && echo *)
	echo content >"$bases/base-0-9f-1234567890abcdef.img"
	watch_ends "$kept" "names of others"
	rm "$bases"/*
}

# A later round may reserve more room, so the process that it leaves takes the place of the one before.
newest_watches() {
	echo content >"$bases/base-1-2-3.img"
	watch_for 0 "$build/lock"
	first=$watcher
	watch_for 0 "$build/lock"
	begin
	ends_soon "$first" || fail "the one before goes on"
	is_alive "$watcher" || fail "the newest has ended"
	[ -e "$bases/base-1-2-3.img" ] || fail "the base is removed"
	watch_ends "" "the newest reserves more"
	ends_soon "$watcher" || fail "there is no base, and somebody watches"
}

# Whoever finds the mark without a lock starts such a process again, with what is in the mark.
mark_has_words() {
	echo content >"$bases/base-1-2-3.img"
	watch_for 0 "$build/lock"
	begin
	[ "$(cat "$build/lock")" = "0 0 0 $images" ] || fail "the mark says $(cat "$build/lock")"
	! flock -n "$build/lock" true || fail "nobody has the mark locked"
	kill -9 "$watcher"
	sleep 0.2
	! flock -n "$build/lock" true || fail "the child does not go on with its mark"
	rm "$bases"/base-*
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		! flock -n "$build/lock" true || break
		sleep 0.1
	done
	flock -n "$build/lock" true || fail "the child watches on"
	rm "$build/lock"
}

# A full or read-only /run is no reason to leave bases alone.
without_mark() {
	begin
	echo content >"$bases/base-1-2-3.img"
	timeout 10 "$hook" watch-bases "$images" "$build/none/lock" "$least" 0 >"$out" 2>&1
	expect_status 0
	[ ! -e "$bases/base-1-2-3.img" ] || fail "nobody watches where no mark can be made"
}

# ELOOP stands for what passes: ENFILE, ENOMEM, EIO, ESTALE.
after_trouble() {
	echo content >"$bases/base-1-2-3.img"
	rm -f "$build/link"
	ln -s link "$build/link"
	begin
	"$hook" watch-bases "$build/link" "$build/lock" "$least" 0 >"$out" 2>&1 &
	watcher=$!
	sleep 0.5
	is_alive $watcher || fail "an error ends it"
	ln -sfn images "$build/link"
	ends_soon $watcher || fail "it does not end"
	[ ! -e "$bases/base-1-2-3.img" ] || fail "an error before keeps it from its work"
	rm "$build/link"
}

# SIGALRM is what ends a child that waits for a dead server.
child_is_killed() {
	for signal in ALRM KILL; do
		echo content >"$bases/base-1-2-3.img"
		watch_for 0 "$build/lock"
		begin
		first=$(child_of "$watcher")
		kill -$signal "$first"
		sleep 1.5
		[ "$(child_of "$watcher")" != "$first" ] || fail "SIG$signal: the child has not ended"
		[ -n "$(child_of "$watcher")" ] || fail "SIG$signal: nobody looks any more"
		kill "$watcher"
		ends_soon "$watcher" || fail "SIG$signal: it does not end"
		[ ! -e "$bases/base-1-2-3.img" ] || fail "SIG$signal: the base is there, and nobody watches"
	done
	begin
	echo content >"$bases/base-1-2-3.img"
	watch_for 0 "$build/lock"
	kill -KILL "$(child_of "$watcher")"
	sleep 0.2
	kill "$watcher"
	ends_soon "$watcher" || fail "between two children it does not end"
	[ ! -e "$bases/base-1-2-3.img" ] || fail "between two children it leaves the base"
}

child_of() {
	tr -d ' ' <"/proc/$1/task/$1/children"
}

# ghostkeep checkpoint needs its bases, which are beside its journal, until it has ended. Others go when there is no room.
starter_lives() {
	begin
	: >"$build/go-on"
	sh -c '"$0" watch-bases "$1" "$2" "$3" $$ & echo $! >"$4/watcher"; while [ -e "$4/go-on" ]; do sleep 0.1; done' \
		"$hook" "$images" "$build/lock" "$least" "$build" >"$out" 2>&1 &
	starter=$!
	sleep 0.5
	watcher=$(cat "$build/watcher")
	is_alive "$watcher" || fail "it has ended before there was a base"
	echo content >"$bases/base-1-2-3.img"
	sleep 0.5
	[ ! -e "$bases/base-1-2-3.img" ] || fail "a base without a journal stays"
	is_alive "$watcher" || fail "it has ended while its starter lives"
	: >"$bases/journal.json"
	echo content >"$bases/base-1-2-4.img"
	sleep 0.5
	[ -e "$bases/base-1-2-4.img" ] || fail "the base of a checkpoint that lives is removed"
	starter_has_another
	kill -9 $starter
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ ! -e "$build/lock" ] || sleep 0.1
	done
	[ ! -e "$build/lock" ] || fail "it watches on when its starter has ended"
	[ ! -e "$bases/base-1-2-4.img" ] || fail "the base of a checkpoint that was killed stays"
	rm "$bases/journal.json"
}

# Watcher and child were killed. A later command starts a watcher for the same starter, which is not its parent.
starter_has_another() {
	read -r _ pid start _ <"$build/lock"
	[ "$pid" = "$starter" ] || fail "the mark names $pid as the starter, not $starter"
	kill -9 "$(child_of "$watcher")" "$watcher"
	"$hook" watch-bases "$images" "$build/lock" "$least" "$pid" "$((start + 1))" >"$out" 2>&1
	[ ! -e "$bases/base-1-2-4.img" ] || fail "a later process with the pid of the starter counts as the starter"
	echo content >"$bases/base-1-2-4.img"
	"$hook" watch-bases "$images" "$build/lock" "$least" "$pid" "$start" >"$out" 2>&1 &
	sleep 0.5
	[ -e "$bases/base-1-2-4.img" ] || fail "the base of a checkpoint that lives is removed by the second watcher"
	[ "$(cut -d ' ' -f 2,3 "$build/lock")" = "$pid $start" ] || fail "the second mark says $(cat "$build/lock")"
}

# No base stays because many are removed: each has a deadline of its own. Here that is 1 s, and each takes 0.2 s.
many_on_a_slow_disk() {
	begin
	strace -qq -o /dev/null true 2>/dev/null || return 0
	for number in 1 2 3 4 5 6 7 8 9; do
		echo content >"$bases/base-1-2-$number.img"
	done
	strace -f -qq -o /dev/null -e inject=ftruncate:delay_enter=200000 \
		"$hook" watch-bases "$images" "$build/lock" 0 0 >"$out" 2>&1 &
	sleep 0.5
	# the child of strace is the watcher, and its child looks after the bases
	kill "$(child_of "$(child_of $!)")"
	sleep 3
	[ "$(cd "$bases" && echo *)" = '*' ] || fail "bases are left: $(ls "$bases")"
	rm -f "$build/lock"
}

# watch_for LEAST MARK: leaves one, and gives it time to begin.
watch_for() {
	"$hook" watch-bases "$images" "$2" "$1" 0 >"$out" 2>&1 &
	watcher=$!
	sleep 0.3
}

is_alive() {
	kill -0 "$1" 2>/dev/null
}

# ends_soon PID: a child, so that nobody else has its pid.
ends_soon() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		is_alive "$1" || return 0
		sleep 0.1
	done
	kill -9 "$1"
	return 1
}

# watch_ends LEFT WHAT: it ends by itself, and LEFT is left.
watch_ends() {
	begin
	timeout 10 "$hook" watch-bases "$images" "$build/lock" "$least" 0 >"$out" 2>&1
	expect_status 0
	left=$(cd "$bases" 2>/dev/null && echo *)
	[ "${left#\*}" = "$1" ] || fail "$2: $left is left"
	for mark in "$build"/lock*; do
		[ ! -e "$mark" ] || fail "$2: $mark is left"
	done
}
