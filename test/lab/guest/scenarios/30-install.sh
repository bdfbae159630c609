# shellcheck shell=bash
# weight: 130
# native: all
# install.sh installs with the machine's own node, then again with the executable, and uninstalls without a
# trace. README.md and docs/install.md are run word for word, but for the place of the source tree.

# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

# Lists what must be the same afterwards.
host_files() {
	# An overlay gives a folder another size when something in it changes for the first time.
	find /usr /etc -xdev \( -type d -printf '%p %m\n' -o -printf '%p %s %m\n' \) | sort
}

installs_and_uninstalls() {
	local page
	if [ -e "$GATE" ] || [ -e "$AWAY" ]; then
		uninstall_ghostkeep
	fi
	host_files >"$WORK/before.txt"
	NODE=/usr/bin/node install_ghostkeep
	expect_ok ghostkeep --help
	for page in README.md docs/install.md; do
		run_block "$page" 1 's|\./install\.sh|/lab/install.sh|' || fail "the commands of $page failed"
		expect_said '^ok +gate '
	done
	host_files >"$WORK/after.txt"
	diff "$WORK/before.txt" "$WORK/after.txt" || fail "install and uninstall left something"
}

check - "install, again, check, uninstall" installs_and_uninstalls
