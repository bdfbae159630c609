# shellcheck shell=bash
# Functions that install, hide and remove ghostkeep on the machine that runs the scenario, and functions that
# check the images and logs that it has written.

GATE=/usr/lib/criu/ghostkeep.so
AWAY=$WORK/gate.away

# Installing takes long under emulation, so once per machine is enough.
with_ghostkeep() {
	[ ! -e "$AWAY" ] || mv "$AWAY" "$GATE"
	[ ! -e "$GATE" ] || return 0
	install_ghostkeep
}

# For cases about what happens while the container is frozen.
without_warm_pass() {
	mkdir -p /etc/ghostkeep
	echo '{"warm": false}' >/etc/ghostkeep/config.json
	at_exit rm /etc/ghostkeep/config.json
}

install_ghostkeep() {
	[ -f /lab/install.sh ] || fail "the working tree has no install.sh"
	expect_ok bash /lab/install.sh
	[ -e "$GATE" ] || fail "install.sh did not install $GATE"
	[ -n "${NODE:-}" ] || [ ! -e /lab/build/ghostkeep ] ||
		expect_line /usr/local/bin/ghostkeep "exec '.*/build/ghostkeep'"
}

# Hides ghostkeep from CRIU. Hiding the gate is enough, because CRIU sees nothing else of ours.
without_gate() {
	[ ! -e "$GATE" ] || mv "$GATE" "$AWAY"
}

uninstall_ghostkeep() {
	with_ghostkeep
	expect_ok bash /lab/install.sh --uninstall
	[ ! -e "$GATE" ] || fail "$GATE is still there"
	[ ! -e /usr/local/bin/ghostkeep ] || fail "the program is still there"
}

# Our line in CRIU's log that says what went wrong.
expect_reason() {
	expect_line "$1/dump.log" "[Gg]hostkeep.*$2"
}

# Checks that an image is sealed: our manifest says so, and ghostkeep itself agrees.
expect_sealed() {
	[ -f "$1/ghostkeep-manifest.json" ] || fail "$1 has no manifest"
	expect_flat "$1"
	expect_ok ghostkeep verify -D "$1"
}

# containerd's CRI creates each entry as a file, so no folder and only our own file names may be there.
expect_flat() {
	local odd
	odd=$(find "$1" -mindepth 1 \( ! -type f -o -links +1 \))
	[ -z "$odd" ] || fail "not only regular files: $odd"
}
