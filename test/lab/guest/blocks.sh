# shellcheck shell=bash
# Runs the commands that a page shows, word for word. The page names the scenario above each block that it runs. Root
# does not type sudo.

# block PAGE NUMBER: prints the commands of the NUMBERth block of PAGE that names this scenario.
block() {
	awk -v scenario="/$SCENARIO.sh" -v wanted="$2" '
		/^<!-- run by / && index($0, scenario) { at++ }
		/^```$/ { if (inside && at == wanted) exit; inside = 0 }
		inside && at == wanted { print }
		/^```sh$/ { inside = 1 }
	' "/lab/$1"
}

# run_block PAGE NUMBER [SCRIPT]: SCRIPT is one of sed that changes the commands. What they print is kept in
# $LOGS.said.
run_block() {
	local commands
	commands=$(block "$1" "$2" | sed "${3:-}")
	[ -n "$commands" ] || fail "$1 has no block $2 for $SCENARIO"
	cd "$WORK" || fail "cannot enter $WORK"
	DEADLINE=300 bounded bash -euxo pipefail -c "sudo() { \"\$@\"; }; $commands" | tee "$LOGS.said"
}

expect_said() {
	grep -aqE "$1" "$LOGS.said" || fail "the block printed no line like: $1"
}
