#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh BUILD PROGRAM: the hook in front of a program that only keeps what it
# is given. PROGRAM looks for session records below BUILD/run and waits 1 s, for a disk, too.
set -u
build=$1 hook=$2
place="$build/a place with spaces"
other="$place/other's program"
out=$build/out
failures=0
cases=0
if [ "$(id -u)" = 0 ]; then
	sessions=$build/run/ghostkeep/sessions
else
	sessions=$build/run/user/$(id -u)/ghostkeep/sessions
fi

# shellcheck source-path=SCRIPTDIR source=cases-watch.sh
. "$(dirname "$0")/cases-watch.sh"

main() {
	rm -rf "$place" "$build/run"
	mkdir -p "$place" "$sessions"
	# From an empty environment: what it uses is named in full.
	cat >"$other" <<-'PROGRAM'
		#!/bin/sh
		here=${0%/*}
		/bin/cat >"$here/stdin"
		echo "$*" >"$here/arguments"
		/bin/readlink "/proc/$$/cwd" >"$here/folder"
		/usr/bin/tr '\0' '\n' <"/proc/$$/environ" >"$here/environment"
		exit 7
	PROGRAM
	chmod 755 "$other"

	not_ours
	ours
	records
	doubts
	odd_descriptors
	only_our_variables
	no_program
	watch_bases

	[ $failures = 0 ] || { echo "$failures failures in $cases cases"; exit 1; }
	echo "ok   $cases cases"
}

plain='{"ociVersion":"1.0.2","id":"web","status":"creating","pid":1,"bundle":"/b"}'
asked='{"ociVersion":"1.0.2","id":"web","status":"creating","bundle":"/b","annotations":{"io.ghostkeep.limit":"1G"}}'

not_ours() {
	for stage in prestart createRuntime poststop; do
		printf %s "$plain" >"$build/state"
		ends_at_once $stage
		# as podman writes it, and with what Go escapes
		printf '%s\n' '{"id":"web","annotations":{"authors":"me \u003cme@x\u003e","b":"\\u0069"}}' >"$build/state"
		ends_at_once $stage
	done
}

ours() {
	for stage in prestart createRuntime poststop; do
		printf %s "$asked" >"$build/state"
		handed_over $stage
		printf %s '{"annotations":{"\u0069o.ghostkeep.limit":"1G"}}' >"$build/state"
		handed_over $stage
	done
}

records() {
	printf %s "$plain" >"$build/state"
	for name in web1.json we.json web web.jso .json web.json.new web.text other.json; do
		: >"$sessions/$name"
	done
	ends_at_once poststop
	: >"$sessions/web.json"
	ends_at_once prestart
	ends_at_once createRuntime
	handed_over poststop
	rm -r "$sessions"
	ends_at_once poststop
	: >"$sessions"
	handed_over poststop
	rm "$sessions"
	mkdir "$sessions"
}

doubts() {
	for stage in prestart createRuntime poststop; do
		for text in '' '[]' "${plain%?}" "$plain$plain" 'state'; do
			printf %s "$text" >"$build/state"
			handed_over $stage
		done
		printf '\376\377\0{\0}' >"$build/state"
		handed_over $stage
	done
	printf %s "$plain" >"$build/state"
	handed_over createContainer

	# 1 MiB is read as it is, a byte more is not all there is
	{ printf %s "$plain"; head -c $((1048576 - ${#plain})) /dev/zero | tr '\0' ' '; } >"$build/state"
	ends_at_once prestart
	{ printf %s "$asked"; head -c $((1048576 - ${#asked})) /dev/zero | tr '\0' ' '; } >"$build/state"
	handed_over prestart
	printf ' ' >>"$build/state"
	handed_over prestart
}

# A runtime that writes in pieces, or does not close, or does not write.
odd_descriptors() {
	printf %s "$asked" >"$build/state"
	begin
	{ printf '{"ociVersion":"1.0.2","id":"web","status":"creating","bundle":"/b",'; sleep 0.2
		printf '"annotations":{"io.ghostkeep.limit":"1G"}}'; } | start prestart
	was_handed_over prestart
	begin
	{ printf %s "$plain"; silence; } | in_time
	expect_status 0
	: >"$build/state"
	begin
	silence | in_time
	was_handed_over prestart
	begin
	start prestart <&-
	was_handed_over prestart
	begin
	start prestart <"$build"
	was_handed_over prestart
}

silence() {
	rm -f "$build/late"
	sleep 8
	: >"$build/late"
}

in_time() {
	start prestart
	status=$?
	[ ! -e "$build/late" ] || return 99
	return $status
}

no_program() {
	printf %s "$asked" >"$build/state"
	rm "$other"
	begin
	start prestart <"$build/state"
	expect_status 1
	expect_said "ghostkeep: cannot execute $other: No such file or directory; install ghostkeep again"
	: >"$other"
	begin
	start prestart <"$build/state"
	expect_status 1
	printf %s "$plain" >"$build/state"
	ends_at_once prestart
	for arguments in '' prestart; do
		begin
		# shellcheck disable=SC2086 # none or one
		env -i "$hook" $arguments <"$build/state" >"$out" 2>&1
		expect_status 2
	done
}

# A container's hooks get their environment from whoever made it, and start in its bundle.
only_our_variables() {
	printf %s "$asked" >"$build/state"
	begin
	(cd "$place" && env -i BUN_OPTIONS=--preload=/x GHOSTKEEP_HOOK_LOG=/log NODE_OPTIONS=--require=/x \
		"$hook" prestart "$other" an 'argument  more' <"$build/state" >"$out" 2>&1)
	was_handed_over prestart
	[ "$(cat "$place/environment")" = GHOSTKEEP_HOOK_LOG=/log ] || fail "environment: $(cat "$place/environment")"
	[ "$(cat "$place/folder")" = / ] || fail "it starts in $(cat "$place/folder")"
}

begin() {
	cases=$((cases + 1))
	rm -f "$place/stdin" "$place/arguments"
}

# As podman does: no environment at all.
start() {
	env -i "$hook" "$1" "$other" an 'argument  more' >"$out" 2>&1
}

ends_at_once() {
	begin
	start "$1" <"$build/state"
	expect_status 0
	[ ! -e "$place/stdin" ] || fail "$1 was handed over"
	expect_said ''
}

handed_over() {
	begin
	start "$1" <"$build/state"
	was_handed_over "$1"
}

was_handed_over() {
	expect_status 7
	cmp -s "$build/state" "$place/stdin" || {
		# of what is too large the program gets what shows it
		head -c 1048577 "$build/state" | cmp -s - "$place/stdin" || fail "$1: other bytes"
	}
	[ "$(cat "$place/arguments" 2>/dev/null)" = 'an argument  more' ] || fail "$1: other arguments"
}

expect_status() {
	status=$?
	[ $status = "$1" ] || fail "status $status, not $1"
}

expect_said() {
	[ "$(cat "$out")" = "$1" ] || fail "says other than: $1"
}

fail() {
	failures=$((failures + 1))
	echo "FAIL case $cases, $(head -c 100 "$build/state" | tr '\0' '?'): $*"
	sed 's/^/     | /' "$out"
}

main
