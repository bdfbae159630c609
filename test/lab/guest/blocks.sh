# shellcheck shell=bash
# Runs the command blocks of a document word for word, as a user would type them. Root does not type sudo.

# block DOCUMENT NUMBER: prints the commands of the NUMBERth block that names this scenario.
block() {
	awk -v wanted="$2" -v scenario="$SCENARIO" '
		/^<!-- run by / && index($0, "/" scenario ".sh") { at++ }
		/^```$/ { if (inside && at == wanted) exit; inside = 0 }
		inside && at == wanted { print }
		/^```sh$/ { inside = 1 }
	' "/lab/$1"
}

run_block() {
	local commands
	commands=$(block "$1" "$2")
	[ -n "$commands" ] || fail "$1 has no block $2 for $SCENARIO"
	cd "$WORK" || fail "cannot enter $WORK"
	DEADLINE=300 bounded bash -euxo pipefail -c "sudo() { \"\$@\"; }; $commands" | tee "$LOGS.said"
}

expect_said() {
	grep -aqE "$1" "$LOGS.said" || fail "the block printed no line like: $1"
}
