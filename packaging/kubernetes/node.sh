#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the container of the DaemonSet, by busybox: installs ghostkeep on the node whose / is mounted at /host, and
# removes it when the pod ends. Everything that decides is install.sh, which runs on the node. An installation that
# somebody else has made is left alone.
set -eu

host=${HOST:-/host}
lib=/usr/local/lib/ghostkeep
# What is unpacked on the node while install.sh runs, and the note that the installation is ours.
source=/var/lib/ghostkeep/daemonset
note=$host/var/lib/ghostkeep/installed-by-daemonset
ready=${READY:-/tmp/ready}

say() {
	echo "ghostkeep on $(on_node uname -n): $*"
}

on_node() {
	chroot "$host" "$@"
}

main() {
	trap leave TERM INT
	[ -x "$host/bin/bash" ] || [ -x "$host/usr/bin/bash" ] || give_up 'the node has no bash, which install.sh needs'
	if is_foreign; then
		say 'ghostkeep is installed by a package or by hand: nothing is changed'
	else
		install_on_node || give_up 'install.sh failed, and the reason is above'
	fi
	: >"$ready"
	while :; do
		wait_seconds 60
		follow_criu
	done
}

is_foreign() {
	[ ! -e "$note" ] || return 1
	[ -e "$host$lib/installed" ] || [ -e "$host/usr/lib/ghostkeep" ]
}

# The files are written beside their place, so that install.sh never runs from a half of them.
install_on_node() {
	mkdir -p "$host$source"
	rm -rf "${host:?}$source"
	cp -a /ghostkeep "$host$source.new"
	mv "$host$source.new" "$host$source"
	: >"$note"
	if on_node /bin/bash "$source/install.sh"; then
		rm -rf "${host:?}$source"
		criu_before=$(criu_now)
		return 0
	fi
	rm -rf "${host:?}$source"
	return 1
}

# An upgrade of criu may bring another plugin directory, or a CRIU that uses the gate.
follow_criu() {
	[ -e "$note" ] || return 0
	[ "$(criu_now)" != "$criu_before" ] || return 0
	say 'criu has changed: installing again'
	install_on_node || say 'install.sh failed, and is run again when criu changes'
}

criu_before=
criu_now() {
	# shellcheck disable=SC2016 # the node's shell expands it
	on_node /bin/sh -c 'PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; stat -Lc "%n %s %Y" "$(command -v criu)" 2>/dev/null || echo none'
}

leave() {
	rm -f "$ready"
	if [ -e "$note" ]; then
		if [ ! -e "$host$lib/install.sh" ] || on_node /bin/bash "$lib/install.sh" --uninstall; then
			rm -f "$note"
			rmdir "$host/var/lib/ghostkeep" 2>/dev/null || true
		fi
	fi
	exit 0
}

# A signal ends the wait, where a sleep in the foreground would delay it.
wait_seconds() {
	sleep "$1" &
	wait $! || true
}

# The pod starts again after a while, with the reason in its log.
give_up() {
	say "$*" >&2
	exit 1
}

main
