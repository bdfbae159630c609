# shellcheck shell=bash
# weight: 130
# native: all
# install.sh installs with the machine's own node, then again with the executable, and uninstalls without a
# trace.

# Lists what must be the same afterwards.
host_files() {
	# An overlay gives a folder another size when something in it changes for the first time.
	find /usr /etc -xdev \( -type d -printf '%p %m\n' -o -printf '%p %s %m\n' \) | sort
}

installs_and_uninstalls() {
	if [ -e "$GATE" ] || [ -e "$AWAY" ]; then
		uninstall_ghostkeep
	fi
	host_files >"$WORK/before.txt"
	NODE=/usr/bin/node install_ghostkeep
	expect_ok ghostkeep --help
	install_ghostkeep
	expect_ok bash /lab/install.sh --check
	uninstall_ghostkeep
	host_files >"$WORK/after.txt"
	diff "$WORK/before.txt" "$WORK/after.txt" || fail "install and uninstall left something"
}

check - "install, again, check, uninstall" installs_and_uninstalls
