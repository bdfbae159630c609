#!/bin/sh
# The witness itself must be able to testify: all kinds are right when nothing
# was touched, and one damaged byte is seen. TAP on stdout.
#   run.sh PATH/ghost-workload
set -eu
program=$1
folder=$(mktemp -d)
started=
trap 'end' EXIT

end() {
	[ -z "$started" ] || kill "$started" 2>/dev/null || true
	rm -rf "$folder"
}

# Start it with KIND… and wait for its ready line; sets started.
start() {
	rm -rf "$folder/w"
	mkdir "$folder/w"
	"$program" run "$folder/w" "$@" >"$folder/log" 2>&1 &
	started=$!
	wait_for "$folder/w/ready"
}

# Files it writes appear complete, by rename; 20 s is far above what it needs.
wait_for() {
	tries=200
	while [ ! -e "$1" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# no $1"; cat "$folder/log"; return 1; }
		sleep 0.1
	done
}

ask() {
	rm -f "$folder/w/verdict"
	: >"$folder/w/verify"
	wait_for "$folder/w/verdict"
}

stop() {
	kill "$started"
	wait "$started" 2>/dev/null || true
	started=
}

number=0
check() {
	what=$1
	shift
	number=$((number + 1))
	if "$@"; then echo "ok $number - $what"; else echo "not ok $number - $what"; fi
}

all_right() {
	[ "$(tail -n 1 "$folder/w/verdict")" = end ] && grep -q '^ok ' "$folder/w/verdict" &&
		! grep -q '^not ok' "$folder/w/verdict"
}

one_wrong() {
	[ "$(grep -c '^not ok' "$folder/w/verdict")" = 1 ] && grep -q "^not ok small data" "$folder/w/verdict"
}

start dense hole-64m-4m hole-1g-8k alternate-8m small mapped shared tail-odd
ask
check 'an untouched workload finds everything right' all_right
stop

start small
# A write through another descriptor moves mtime as well: put it back as it was.
link=/proc/$started/fd/100
touch -r "$link" "$folder/times"
printf 'X' | dd of="$link" bs=1 seek=1000 conv=notrunc 2>/dev/null
touch -r "$folder/times" "$link"
ask
check 'one damaged byte is seen, and nothing else is called wrong' one_wrong
stop
echo "1..$number"
