#!/usr/bin/env bash
# shellcheck disable=SC2034,SC2154 # find.sh shares its variables
# follow-criu.sh [--remove]: links the gate of a package into the plugin directory of the criu that is installed, and
# takes the link away from where it was before. A package's scripts run it: CRIU may come later, go, or read another
# directory. It ends with status 0 even if there is no CRIU, or none that the gate fits, so that the package is
# installed all the same.
set -euo pipefail
umask 022

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lib=$top
launcher=${lib%/lib/ghostkeep}/bin/ghostkeep
destdir='' node=''
gate_source=$lib/build/ghostkeep.so
noted=/var/lib/ghostkeep/gate	# the path of the link; then `made`, if CRIU's plugin directory was not there before

# shellcheck source-path=SCRIPTDIR source=find.sh
. "$top/install/find.sh"

main() {
	before=$(head -n 1 "$noted" 2>/dev/null || true)
	gate=''
	if [ "${1:-}" != --remove ]; then
		if ! executable_runs "$top/build/ghostkeep"; then
			say "$top/build/ghostkeep does not run here, so CRIU gets no gate"
			return
		fi
		find_criu
	fi
	[ "$before" = "$gate" ] || remove_link "$before"
	if [ -z "$gate" ]; then
		rm -f "$noted"
		rmdir "${noted%/*}" 2>/dev/null || true
		[ "${1:-}" = --remove ] || say 'no criu found: the gate is put in its place when there is one'
		return
	fi
	make_link
	tell_about_criu
}

say() {
	printf 'ghostkeep: %s\n' "$*"
}

fail() {
	say "$*"
	exit 0
}

# Makes the link. At its place there may be the gate of an installation by install.sh. A rename replaces that gate in
# one step, so that CRIU finds a gate at any moment.
make_link() {
	[ "$(read_file machine "$gate_source")" = "$criu_machine" ] || fail "the gate is for another kind of machine than $criu"
	note_link
	mkdir -p "${gate%/*}"
	[ "$(readlink "$gate" || true)" != "$gate_source" ] || return 0
	ln -sfT "$gate_source" "$gate.new"
	mv -fT "$gate.new" "$gate"
}

# Notes the path of the link. This is done before the link is made, so that an interrupted run leaves no unknown link.
note_link() {
	mkdir -p "${noted%/*}"
	if [ "$before" != "$gate" ]; then
		printf '%s\n' "$gate" >"$noted.new"
		[ -d "${gate%/*}" ] || echo made >>"$noted.new"
		mv -f "$noted.new" "$noted"
	fi
}

# Removes the link at a path, if it is ours: an installation by install.sh may have put its gate there since.
remove_link() {
	[ -n "$1" ] && [ "$(readlink "$1" || true)" = "$gate_source" ] || return 0
	rm -f "$1"
	! grep -qx made "$noted" || rmdir "${1%/*}" 2>/dev/null || true
}

main "$@"
