# shellcheck shell=bash
# weight: 0
# native: only
# A checkpoint and a restore with the program for Node.js, which install.sh installs where NODE asks for it. All other
# scenarios run on the executable where the build made one.
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

by_node() {
	if [ -e "$GATE" ] || [ -e "$AWAY" ]; then
		uninstall_ghostkeep
	fi
	NODE=/usr/bin/node install_ghostkeep
	expect_line /usr/local/bin/ghostkeep "exec '.*node' '.*/dist/ghostkeep\.mjs'"
	survives runc by-node hole-64m-4m deleted-exe shared
	uninstall_ghostkeep
}

check runc "by Node.js: 64 MiB hole + 4 MiB, deleted executable, two processes" by_node
