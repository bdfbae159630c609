#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh BUILD PLUGIN: each case runs a fake CRIU and looks at all it printed.
set -u
build=$1 plugin=$2
images=$build/images
out=$build/out
failures=0
cases=0
unset GHOSTKEEP_GATE_TIMEOUT_SECONDS

fail() {
	failures=$((failures + 1))
	echo "FAIL $name: $*"
	sed 's/^/     | /' "$out"
}

# A new image directory; the helper will behave as $1 says.
prepare() {
	name=$1 cases=$((cases + 1))
	rm -rf "$images"
	mkdir "$images"
	shift
	echo "$*" >"$images/mode"
	ln -sfn real-helper "$build/helper"
}

has_ended() {
	state=$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)
	[ "${state:-Z}" = Z ]
}

# host VARIANT STATUS ARGUMENTS…
host() {
	variant=$1 wanted=$2
	shift 2
	${around:-} "$build/host-$variant" "$@" >"$out" 2>&1
	status=$?
	[ $status = "$wanted" ] || fail "status $status, not $wanted"
	if [ -e "$images/pid" ]; then
		for pid in $(cat "$images/pid"); do
			for wait in 1 2 3 4 5 6 7 8 9; do	# killed, and not yet seen so
				has_ended "$pid" || sleep 1
			done
			has_ended "$pid" || fail "the helper lives on"
		done
	fi
}

says() {
	for line; do
		grep -qxF -e "$line" "$out" || fail "no line: $line"
	done
}

silent() {
	for line; do
		! grep -qF -e "$line" "$out" || fail "says: $line"
	done
}

# The requests that the helper was sent, in one line.
heard() {
	got=$(tr '\n' ';' <"$images/heard" 2>/dev/null)
	[ "$got" = "$1" ] || fail "the helper heard: $got, not: $1"
}

not_started() {
	[ ! -e "$images/pid" ] || fail "the helper was started"
}

for part in "$(dirname "$0")"/cases-*.sh; do
	. "$part"
done

[ $failures = 0 ] || { echo "$failures failures in $cases cases"; exit 1; }
echo "ok   $cases cases"
