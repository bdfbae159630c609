# shellcheck shell=bash
# ghostkeep in the machine: installed, removed, asked.

GATE=/usr/lib/criu/ghostkeep.so
AWAY=$WORK/gate.away

# Installing takes its time under emulation: once a machine is enough.
with_ghostkeep() {
	[ ! -e "$AWAY" ] || mv "$AWAY" "$GATE"
	[ ! -e "$GATE" ] || return 0
	install_ghostkeep
}

# For cases that are about what happens while all is frozen.
without_warm_pass() {
	mkdir -p /etc/ghostkeep
	echo '{"warm": false}' >/etc/ghostkeep/config.json
	at_exit rm /etc/ghostkeep/config.json
}

install_ghostkeep() {
	[ -f /lab/install.sh ] || fail "the working tree has no install.sh"
	expect_ok bash /lab/install.sh
	[ -e "$GATE" ] || fail "install.sh did not install $GATE"
}

# CRIU as it is without us: nothing of ours but the gate is seen by CRIU.
without_gate() {
	[ ! -e "$GATE" ] || mv "$GATE" "$AWAY"
}

uninstall_ghostkeep() {
	with_ghostkeep
	expect_ok bash /lab/install.sh --uninstall
	[ ! -e "$GATE" ] || fail "$GATE is still there"
	[ ! -e /usr/local/bin/ghostkeep ] || fail "the program is still there"
}

# A line of ours in CRIU's log that says what went wrong.
expect_reason() {
	expect_line "$1/dump.log" "[Gg]hostkeep.*$2"
}

# A sealed image: our manifest says so, and ghostkeep itself agrees.
expect_sealed() {
	[ -f "$1/ghostkeep-manifest.json" ] || fail "$1 has no manifest"
	expect_flat "$1"
	expect_ok ghostkeep verify -D "$1"
}

# containerd's CRI creates each entry as a file: no folder, nothing but names of its own.
expect_flat() {
	local odd
	odd=$(find "$1" -mindepth 1 \( ! -type f -o -links +1 \))
	[ -z "$odd" ] || fail "not only regular files: $odd"
}
