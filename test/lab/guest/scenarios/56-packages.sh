# shellcheck shell=bash
# weight: 60
# native: only
# needs: packages
# The packages, installed, upgraded and removed where CRIU uses the gate. docs/podman.md is run word for word, from the
# .deb to a restored container. The .rpm is installed by Debian's rpm, without the checks of what it requires, because
# no package of Debian's is in rpm's list.

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

rpm_file() {
	echo "/lab/build/ghostkeep-$1-1.x86_64.rpm"
}

erase_rpm() {
	! rpm -q ghostkeep >/dev/null 2>&1 || rpm -e --nodeps ghostkeep
	rm -rf /etc/ghostkeep
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

deb_upgrades() {
	without_install_sh
	at_exit purge_package
	package 0.0.1
	upgrades_during_checkpoints dpkg_up dpkg_down
}

dpkg_up() {
	dpkg --force-confold -i "/lab/build/ghostkeep_$(current)-1_amd64.deb"
}

dpkg_down() {
	dpkg --force-confold --force-downgrade -i /lab/build/ghostkeep_0.0.1-1_amd64.deb
}

# rpm keeps the older setting, which somebody has changed, and puts the one that the package brings beside it.
rpm_upgrades() {
	without_install_sh
	at_exit erase_rpm
	# Every system that has rpm has this folder, which rpm does not remove. The lab's tree has no manual pages.
	mkdir -p /usr/share/man/man1
	host_files >"$WORK/before.txt"
	expect_ok rpm -i --nodeps "$(rpm_file 0.0.1)"
	[ "$(readlink "$GATE")" = "$LINK" ] || fail "$GATE does not lead to $LINK"
	upgrades_during_checkpoints rpm_up rpm_down
	[ "$(rpm -q ghostkeep)" = "ghostkeep-$(current)-1.x86_64" ] || fail "after the upgrades, there is $(rpm -q ghostkeep)"
	[ "$(cat /etc/ghostkeep/config.json.rpmnew)" = '{}' ] || fail 'the settings of the newer package are not beside ours'
	expect_ok rpm -e --nodeps ghostkeep
	if [ -e "$GATE" ] || [ -L "$GATE" ]; then fail "$GATE is still there"; fi
	[ "$(cat /etc/ghostkeep/config.json.rpmsave)" = "$SETTING" ] || fail 'erasing took the settings, too'
	rm -r /etc/ghostkeep
	host_files >"$WORK/after.txt"
	diff "$WORK/before.txt" "$WORK/after.txt" || fail 'the package left something'
}

rpm_up() {
	rpm -U --nodeps "$(rpm_file "$(current)")"
}

rpm_down() {
	rpm -U --oldpackage --nodeps "$(rpm_file 0.0.1)"
}

SETTING='{"limit": "8G"}'

# upgrades_during_checkpoints UP DOWN: commands that upgrade from version 0.0.1, and back to it. The settings stay, and
# no checkpoint meets a gate that is not there.
upgrades_during_checkpoints() {
	local up=$1 down=$2 name=$1-container images n data status upgrades good=0 refused=0
	echo "$SETTING" >/etc/ghostkeep/config.json
	start_container runc "$name" dense-300m
	data=$(data_of runc "$name")
	{ for n in 1 2 3; do
		"$up" && "$down" || exit 1
	done; "$up"; } >"$LOGS.upgrades" 2>&1 &
	upgrades=$!
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
	wait $upgrades || fail "an upgrade failed: $(tail -n 1 "$LOGS.upgrades")"
	say "$good checkpoints during upgrades, $refused refused and the container ran on"
	[ "$((good + refused))" -gt 1 ] || fail 'the upgrades ended before a second checkpoint'
	[ "$(cat /etc/ghostkeep/config.json)" = "$SETTING" ] || fail 'the upgrade changed the settings'
	images=$WORK/upgraded-last
	expect_ok checkpoint_container runc "$name" "$images"
	expect_sealed "$images"
	restore_container runc "$name" "$images"
	check_verdict runc "$name"
	delete_container runc "$name"
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
check runc 'upgrades while checkpoints run' deb_upgrades
check runc 'upgrades of the .rpm while checkpoints run' rpm_upgrades
check - 'the package takes over from install.sh' replaces_install_sh
check podman-crun 'docs/podman.md from the package on' page
