# shellcheck shell=bash
# weight: 60
# native: only
# `ghostkeep doctor` on a host that is in order, and on the same host after each of twelve breakages. Each time the line of
# that breakage is broken, every other line is as before, and the command that the line names mends it.
# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

# Debian's criu and one of its libraries, as they are installed here, and an older criu, as packages that apt finds
# without a network. A second repository has the older one alone, as Debian 12 does.
make_repository() {
	local repository=$WORK/repository old=$WORK/old-repository
	use_repository "$repository"
	[ ! -e "$old/Packages" ] || return 0
	mkdir -p "$old"
	unpack criu "$repository/tree"
	add_package "$repository/tree" "$repository" criu.deb
	sed -i 's/^Version: .*/Version: 3.19-3/' "$repository/tree/DEBIAN/control"
	printf '#!/bin/sh\necho Version: 3.19\n' >"$repository/tree/usr/sbin/criu"
	add_package "$repository/tree" "$old" criu-3.19.deb
	rm -r "$repository/tree"
	unpack libnl-3-200 "$repository/tree"
	add_package "$repository/tree" "$repository" libnl.deb
	rm -r "$repository/tree"
	expect_ok apt-get update
}

# unpack PACKAGE TREE: the installed files of PACKAGE, and its control file.
unpack() {
	local package=$1 tree=$2 file
	mkdir -p "$tree/DEBIAN"
	dpkg -L "$package" | while read -r file; do
		if [ -f "$file" ] || [ -L "$file" ]; then cp -a --parents "$file" "$tree"; fi
	done
	dpkg-query --status "$package" | sed '/^Status:/d; /^Conffiles:/,/^[^ ]/{/^Conffiles:/d; /^ /d}' >"$tree/DEBIAN/control"
}

add_package() {
	local tree=$1 repository=$2 name=$3
	dpkg-deb -Zxz -z0 -b "$tree" "$repository/$name"
	{
		cat "$tree/DEBIAN/control"
		printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$name" "$(stat -c %s "$repository/$name")" \
			"$(sha256sum <"$repository/$name" | cut -d' ' -f1)"
	} >>"$repository/Packages"
}

use_repository() {
	echo "deb [trusted=yes] file:$1 ./" >"$WORK/sources.list"
	cat >/etc/apt/apt.conf.d/99lab <<-CONF
	APT::Get::Assume-Yes "true";
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Dir::Etc::SourceList "$WORK/sources.list";
	Dir::Etc::SourceParts "-";
	CONF
	at_exit rm /etc/apt/apt.conf.d/99lab
}

# Podman's files are on a disk here, and the folders of the other engines, too.
set_up() {
	with_ghostkeep
	mkdir -p "$WORK/tmp" /var/lib/kubelet/checkpoints
	mount --bind "$WORK/tmp" /tmp
	at_exit umount /tmp
	at_exit rm -rf /var/lib/kubelet
	if [ ! -e "$WORK/healthy" ]; then
		bounded ghostkeep doctor --clean || true	# of scenarios before this one
		expect_healthy
	fi
	rm -f "$WORK/healthy"
}

# ask COMMAND…: runs a doctor, whose exit status is STATUS, and keeps what it says.
ask() {
	STATUS=0
	bounded "$@" doctor --json >"$LOGS.json" 2>"$LOGS.stderr" || STATUS=$?
	jq -r '.findings[] | "\(.status)\t\(.name)\t\(.says)\t\(.command // "")"' "$LOGS.json"
}

expect_healthy() {
	ask ghostkeep
	jq -e '.ok and all(.findings[]; .status == "ok")' "$LOGS.json" >/dev/null || fail "not all is ok"
	[ "$STATUS" = 0 ] || fail "all is ok, and the exit status is $STATUS"
	: >"$WORK/healthy"	# the next case begins with this host, and need not ask again
}

# expect_broken NAME PATTERN COMMAND…: only the line NAME is broken, and matches. Sets COMMAND to the one that it names.
expect_broken() {
	local name=$1 pattern=$2 others
	shift 2
	ask "$@"
	[ "$STATUS" = 1 ] || fail "something is broken, and the exit status is $STATUS"
	[ "$(jq -r '[.findings[] | select(.status == "broken") | .name] | unique | join(",")' "$LOGS.json")" = "$name" ] ||
		fail "other lines than $name are broken"
	jq -e --arg pattern "$pattern" 'any(.findings[]; .status == "broken" and (.says | test($pattern)))' "$LOGS.json" \
		>/dev/null || fail "the line does not say: $pattern"
	others=$(jq -r --arg name "$name" '[.findings[] | select(.name != $name and .status != "ok") | .name] | join(",")' \
		"$LOGS.json")
	[ -z "$others" ] || fail "lines that have nothing to do with it are not ok: $others"
	COMMAND=$(jq -r 'first(.findings[] | select(.status == "broken") | .command)' "$LOGS.json")
}

# Runs the command that the line names, and asks again.
mend() {
	say "\$ $COMMAND"
	bounded bash -c "$COMMAND" < <(yes) || fail "\`$COMMAND\` failed"
	expect_healthy
}

criu_is_missing() {
	set_up
	make_repository
	dpkg --purge --force-depends criu
	expect_broken criu 'not installed' ghostkeep
	mend
}

criu_is_too_old() {
	set_up
	make_repository
	dpkg -i --force-downgrade "$WORK/old-repository/criu-3.19.deb"
	expect_broken criu '3.19 cannot use the gate.*ghostkeep checkpoint' ghostkeep
	mend
}

# As on Debian 12: apt has no CRIU that the gate can use, so no command of apt is named.
criu_of_apt_is_too_old() {
	set_up
	make_repository
	dpkg -i --force-downgrade "$WORK/old-repository/criu-3.19.deb"
	use_repository "$WORK/old-repository"
	expect_ok apt-get update
	expect_broken criu 'needs CRIU 4.0 or later.*package of this system is CRIU 3.19, too old.*Debian 13.*criu.org' ghostkeep
	[ "$COMMAND" = null ] || fail "the command $COMMAND would not mend it"
	use_repository "$WORK/repository"	# as when the host is upgraded
	expect_ok apt-get update
	expect_broken criu '3.19 cannot use the gate' ghostkeep
	mend
}

criu_does_not_start() {
	local library
	set_up
	make_repository
	library=$(ldconfig -p | sed -n 's/.* => \(.*libnl-3\.so\.200\)$/\1/p' | head -n 1)
	rm "$library" "$(readlink -f "$library")"
	expect_broken criu 'criu cannot be started: .*libnl-3.so.200: cannot open shared object file' ghostkeep
	mend
	dpkg --purge --force-depends libnl-3-200
	expect_broken criu 'cannot be started: .*libnl-3.so.200' ghostkeep
	mend
	printf '\267' | dd of=/usr/sbin/criu bs=1 seek=18 conv=notrunc status=none
	expect_broken criu 'cannot be started: it is for another kind of machine' ghostkeep
	mend
	chmod 644 /usr/sbin/criu
	expect_broken criu 'cannot be started: it is not executable' ghostkeep
	mend
}

gate_is_absent() {
	set_up
	rm "$GATE"
	expect_broken gate 'not there' ghostkeep
	! run_block docs/doctor.md 1 || fail 'the exit status is 0'
	expect_said '^broken +gate +.* would load .*, which is not there$'
	expect_said '^1 broken$'
	expect_fail bash /usr/local/lib/ghostkeep/install.sh --check
	expect_line "$LOGS.log" 'FAIL .*ghostkeep doctor says above'
	mend
	expect_ok bash /usr/local/lib/ghostkeep/install.sh --check
}

gate_is_for_another_machine() {
	set_up
	printf '\267' | dd of="$GATE" bs=1 seek=18 conv=notrunc status=none
	expect_broken gate 'another kind of machine' ghostkeep
	mend
}

hooks_file_is_malformed() {
	set_up
	mkdir -p /etc/containers/oci/hooks.d
	at_exit rm -rf /etc/containers/oci
	echo '{"version": "1.0.0", "hook": {' >/etc/containers/oci/hooks.d/of-others.json
	expect_fail podman run --rm --network none --rootfs /lab true
	expect_broken hooks.d 'podman starts no container.*of-others.json' ghostkeep
	mend
	echo '{"version": "1.0.0"}' >/usr/share/containers/oci/hooks.d/ghostkeep-poststop.json
	expect_broken hooks.d 'ghostkeep-poststop.json' ghostkeep
	mend
}

# The images that nobody uses any more take the room.
disk_is_full() {
	set_up
	rm -f "$WORK/small.disk"
	truncate -s 800M "$WORK/small.disk"
	mke2fs -q -F -t ext4 -m 0 "$WORK/small.disk"
	mount -o loop "$WORK/small.disk" /var/lib/containers
	at_exit rm -f "$WORK/small.disk"
	at_exit umount -l /var/lib/containers
	at_exit podman system reset --force
	mkdir -p "$WORK/unused"
	head -c 230M /dev/zero >"$WORK/unused/data"
	tar -C "$WORK/unused" -c . | expect_ok podman import - localhost/unused
	echo >"$WORK/unused/data"
	tar -C "$WORK/unused" -c . | expect_ok podman import - localhost/unused
	fallocate -l $(($(stat -f -c '%a * %S' /var/lib/containers) - 40 * 1048576)) /var/lib/containers/filled
	expect_broken images 'podman: /var/lib/containers/storage on ext4 is full' ghostkeep
	mend
}

without_capabilities() {
	capsh --drop=cap_checkpoint_restore,cap_sys_admin -- -c 'ghostkeep "$@"' bash "$@"
}

capability_is_missing() {
	set_up
	expect_broken capabilities 'not all of CAP_CHECKPOINT_RESTORE.*still has them' without_capabilities
	mend
}

filesystem_has_no_fiemap() {
	set_up
	[ "$(stat -f -c %T /var/lib/kubelet/checkpoints)" = overlayfs ] || fail 'the folder is not on the overlay'
	mkdir -p /etc/ghostkeep
	echo '{"engine": "fiemap"}' >/etc/ghostkeep/config.json
	at_exit rm -f /etc/ghostkeep/config.json
	expect_broken images 'fiemap, and overlay has no FIEMAP' ghostkeep
	mend
	[ "$(jq -r .engine /etc/ghostkeep/config.json)" = auto ] || fail 'the settings are not mended'
}

leftovers_are_stale() {
	local pid tables=/run/ghostkeep/moves/0123456789abcdef0123456789abcdef
	set_up
	rm -f "$WORK/held.ready"
	bash -c 'exec 7<>"$1"; rm "$1"; head -c 8M /dev/urandom >&7; : >"$1.ready"; exec sleep 600' bash "$WORK/held" &
	pid=$!
	wait_for 10 'a ghost' test -e "$WORK/held.ready"
	at_exit rm -rf "$WORK/held.ready" "$WORK/bases"
	expect_ok ghostkeep pre-dump --pid "$pid" -D "$WORK/bases"
	expect_healthy
	kill -KILL "$pid"
	wait "$pid" || true
	mkdir -m 700 /var/tmp/ghostkeep-try-abcdef
	touch -d '2 hours ago' /var/tmp/ghostkeep-try-abcdef
	mkdir -p -m 700 /run/ghostkeep/moves "$tables"
	touch -d '8 days ago' "$tables"
	expect_broken leftovers '1 base in .*nobody comes' ghostkeep
	expect_broken leftovers "moves that nobody .*$tables" ghostkeep
	mend
	if [ -e /var/tmp/ghostkeep-try-abcdef ] || [ -e "$WORK/bases/ghostkeep" ] || [ -e "$tables" ]; then fail 'something is left'; fi
}

# CRIU's names are shown, and never removed by us: a checkpoint may need the first.
names_of_criu() {
	local layer=/var/lib/containers/storage/overlay/made-up/diff name
	set_up
	mkdir -p "$layer/data"
	at_exit rm -rf "${layer%/diff}"
	ln -s /etc "$layer/followed"
	touch "$layer/data/link_remap.7" "$layer/data/log.cr.1f.ghost"
	ask ghostkeep
	[ "$STATUS" = 0 ] || fail "the exit status is $STATUS"
	for name in link_remap.7 log.cr.1f.ghost; do
		COMMAND=$(jq -r --arg name "$name" '.findings[] | select(.status == "warning" and .name == "leftovers" and
			(.says | contains($name))) | .command' "$LOGS.json")
		[ "$COMMAND" = "rm $layer/data/$name" ] || fail "the command is $COMMAND"
	done
	bounded ghostkeep doctor --clean --json >"$LOGS.clean"
	[ -e "$layer/data/link_remap.7" ] || fail '--clean has removed a file that a checkpoint may need'
	COMMAND="rm $layer/data/link_remap.7 $layer/data/log.cr.1f.ghost"
	mend
}

settings_are_unreadable() {
	set_up
	mkdir -p /etc/ghostkeep
	echo '{"engine": "warp"}' >/etc/ghostkeep/config.json
	at_exit rm -f /etc/ghostkeep/config.json /etc/ghostkeep/config.json.away
	expect_broken settings 'engine is "warp"' ghostkeep
	mend
	mkdir -p /etc/criu/runc.conf
	at_exit rm -rf /etc/criu
	expect_broken 'criu options' 'runc.conf.*(directory|regular file)' ghostkeep
	mend
}

options_are_shown() {
	set_up
	mkdir -p /etc/criu
	at_exit rm -rf /etc/criu
	printf '# a comment\nghost-limit 1G\nlog-file=dump.log # another\n' >/etc/criu/default.conf
	echo file-validation filesize >/etc/criu/runc.conf
	echo tcp-close >"$WORK/named.conf"
	CRIU_CONFIG_FILE=$WORK/named.conf ask ghostkeep
	jq -r '.findings[] | select(.name == "criu options") | .says' "$LOGS.json" >"$LOGS.options"
	expect_line "$LOGS.options" 'ghost-limit 1G, log-file dump.log \(/etc/criu/default.conf, read by CRIU\)'
	expect_line "$LOGS.options" 'tcp-close \(.*/named.conf, read by CRIU, by CRIU_CONFIG_FILE\)'
	expect_line "$LOGS.options" 'file-validation filesize \(/etc/criu/runc.conf, read by CRIU under runc\)'
}

# The runtime never comes to its checkpoint, and ghostkeep is killed meanwhile.
container_is_left_paused() {
	local pid runtime name=left-paused
	set_up
	start_container runc "$name" small
	mkdir -p "$WORK/slow"
	cat >"$WORK/slow/runc" <<-'SH'
	#!/bin/bash
	for word; do [ "$word" != checkpoint ] || exec sleep 600; done
	exec /usr/bin/runc "$@"
	SH
	chmod 755 "$WORK/slow/runc"
	ghostkeep checkpoint -- "$WORK/slow/runc" checkpoint --image-path "$WORK/$name.images" "$name" &
	pid=$!
	wait_for 20 'the runtime' pgrep -P "$pid" -x sleep
	runtime=$(pgrep -P "$pid" -x sleep)
	kill -KILL "$pid" "$runtime"
	wait "$pid" || true
	is_paused "$name" || fail 'the container is not paused'
	expect_broken paused "container $name is paused" ghostkeep
	is_paused "$name" || fail 'doctor has resumed it without being told to'
	mend
	expect_alive runc "$name"
}

is_paused() {
	[ "$(runc state "$1" | jq -r .status)" = paused ]
}

# One that is started as a hook, and the program itself, which then cannot say anything.
executable_is_damaged() {
	local program=/usr/local/lib/ghostkeep/build/ghostkeep
	set_up
	printf x | dd of=/usr/local/libexec/ghostkeep/hook bs=1 seek=5000 conv=notrunc status=none
	expect_broken ghostkeep 'not as they were installed: /usr/local/libexec/ghostkeep/hook' ghostkeep
	mend
	truncate -s 1M "$program"
	expect_fail bash /lab/install.sh --check
	expect_line "$LOGS.log" "FAIL .*executable: $program does not run"
	COMMAND='bash /lab/install.sh'
	mend
}

# Whoever is not root learns what was not looked at, and nothing is called broken.
as_a_user() {
	set_up
	ask setpriv --reuid 1000 --regid 1000 --clear-groups ghostkeep
	[ "$STATUS" = 0 ] || fail "the exit status is $STATUS"
	jq -e 'any(.findings[]; .status == "warning" and .name == "gate" and (.says | test("root")))' "$LOGS.json" >/dev/null ||
		fail 'it does not say that the gate was not tried'
}

nothing_is_left() {
	set_up
	find /var/tmp /var/lib /root /tmp -xdev -name 'ghostkeep-try-*' >"$LOGS.left"
	[ ! -s "$LOGS.left" ] || fail "left: $(head -n 1 "$LOGS.left")"
	! pgrep -f 'ghost-workload run .*/ghostkeep-try-' || fail 'a process is left'
}

check criu 'doctor: CRIU is missing' criu_is_missing
check criu 'doctor: CRIU is too old' criu_is_too_old
check criu 'doctor: CRIU is too old, and so is that of apt' criu_of_apt_is_too_old
check criu 'doctor: CRIU does not start' criu_does_not_start
check - 'doctor: the gate is absent' gate_is_absent
check - 'doctor: the gate is for another machine' gate_is_for_another_machine
check podman 'doctor: a hooks.d file is malformed' hooks_file_is_malformed
check podman "doctor: the images' disk is full" disk_is_full
check - 'doctor: CAP_CHECKPOINT_RESTORE is missing' capability_is_missing
check - 'doctor: a file system has no FIEMAP' filesystem_has_no_fiemap
check - 'doctor: leftovers are stale' leftovers_are_stale
check podman 'doctor: names of CRIU are left' names_of_criu
check - 'doctor: settings are unreadable' settings_are_unreadable
check - 'doctor: options of CRIU are shown' options_are_shown
check runc 'doctor: a container is left paused' container_is_left_paused
check - 'doctor: an executable is damaged' executable_is_damaged
check - 'doctor: by a user who is not root' as_a_user
check - 'doctor leaves nothing' nothing_is_left
