# shellcheck shell=bash
# weight: 60
# native: only
# needs: packages
# The Debian package, installed, upgraded, removed and purged where CRIU uses the gate. docs/podman.md is run word for
# word, from the package to a restored container.

# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

LINK=/usr/lib/ghostkeep/build/ghostkeep.so

# The scenarios before this one have installed from the source tree.
without_install_sh() {
	[ ! -e /usr/local/lib/ghostkeep/installed ] || uninstall_ghostkeep
}

package() {
	expect_ok dpkg -i /lab/build/ghostkeep_"$1"-1_amd64.deb
	[ "$(readlink "$GATE")" = "$LINK" ] || fail "$GATE does not lead to $LINK"
}

current() {
	jq -r .version /lab/package.json
}

purge_package() {
	! dpkg -s ghostkeep >/dev/null 2>&1 || dpkg -P ghostkeep
}

host_files() {
	find /usr /etc -xdev -not -path /etc/ld.so.cache \( -type d -printf '%p %m\n' -o -printf '%p %s %m %l\n' \) | sort
}

installs_and_purges() {
	without_install_sh
	at_exit purge_package
	host_files >"$WORK/before.txt"
	package "$(current)"
	expect_ok env -i /usr/bin/ghostkeep scan --pid $$
	[ -z "$(dpkg --verify ghostkeep)" ] || fail "installed otherwise than packed: $(dpkg --verify ghostkeep)"
	expect_ok dpkg -r ghostkeep
	if [ -e "$GATE" ] || [ -L "$GATE" ]; then fail "$GATE is still there"; fi
	[ -e /etc/ghostkeep/config.json ] || fail 'removing took the settings, too'
	expect_ok dpkg -P ghostkeep
	host_files >"$WORK/after.txt"
	diff "$WORK/before.txt" "$WORK/after.txt" || fail 'the package left something'
}

# The settings stay, and no checkpoint meets a gate that is not there.
upgrades_during_checkpoints() {
	local name=upgraded images n data status good=0 refused=0
	without_install_sh
	at_exit purge_package
	package 0.0.1
	echo '{"limit": "8G"}' >/etc/ghostkeep/config.json
	start_container runc "$name" dense-300m
	data=$(data_of runc "$name")
	{ for n in 1 2 3; do
		dpkg --force-confold -i "/lab/build/ghostkeep_$(current)-1_amd64.deb"
		dpkg --force-confold --force-downgrade -i /lab/build/ghostkeep_0.0.1-1_amd64.deb
	done; dpkg --force-confold -i "/lab/build/ghostkeep_$(current)-1_amd64.deb"; } >"$LOGS.dpkg" 2>&1 &
	for ((n = 0; n < 60; n++)); do
		images=$WORK/upgraded-$n
		status=0
		checkpoint_container runc "$name" "$images" --leave-running || status=$?
		counter=$(counter_of runc "$name")
		if [ $status = 0 ]; then
			expect_sealed "$images"
			good=$((good + 1))
		else
			wait_for 10 "heartbeat after a refusal" counter_moved "$data" "$counter"
			expect_line "$images/dump.log" '[Gg]hostkeep|Error'
			refused=$((refused + 1))
		fi
		rm -rf "$images"
		jobs -r | grep -q . || break
	done
	wait
	say "$good checkpoints during upgrades, $refused refused and the container ran on"
	[ "$(cat /etc/ghostkeep/config.json)" = '{"limit": "8G"}' ] || fail 'the upgrade changed the settings'
	images=$WORK/upgraded-last
	expect_ok checkpoint_container runc "$name" "$images"
	expect_sealed "$images"
	restore_container runc "$name" "$images"
	check_verdict runc "$name"
}

# Both have a gate, hooks.d files and settings at the same places.
replaces_install_sh() {
	at_exit purge_package
	with_ghostkeep
	package "$(current)"
	expect_ok bash /usr/local/lib/ghostkeep/install.sh --uninstall
	[ -z "$(dpkg --verify ghostkeep)" ] || fail "install.sh took something of the package: $(dpkg --verify ghostkeep)"
	[ "$(readlink "$GATE")" = "$LINK" ] || fail "install.sh took the gate"
	expect_fail bash /lab/install.sh
	expect_line "$LOGS.log" 'the package ghostkeep has installed'
}

page() {
	local number
	without_install_sh
	at_exit purge_package
	at_exit podman rm -f -t 0 ghosts
	at_exit podman rm -f -t 0 moving
	cp "/lab/build/ghostkeep_$(current)-1_amd64.deb" "$WORK/"
	rm -rf "$WORK/rootfs"
	run_block docs/podman.md 1
	expect_said "gate: $GATE; .* loads it from now on"
	run_block docs/podman.md 2
	expect_said '300 MiB .* ghostkeep +unlinked '
	run_block docs/podman.md 3
	for number in 4 5; do
		run_block docs/podman.md $number
		expect_said '^ok dense-300m'
		expect_said '^end$'
	done
}

check - 'the package installs, removes and purges' installs_and_purges
check runc 'upgrades while checkpoints run' upgrades_during_checkpoints
check - 'the package takes over from install.sh' replaces_install_sh
check podman-crun 'docs/podman.md from the package on' page
