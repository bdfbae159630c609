#!/usr/bin/env bash
# Installs ghostkeep on this host, checks an installation, or removes it. The steps are in install/.

# `sh install.sh` may be another shell, which reads no further than this, or bash that keeps to POSIX.
if [ -z "${BASH_VERSION:-}" ]; then
	command -v bash >/dev/null || {
		echo 'install.sh: bash is missing, and runs this: install it (Debian: apt-get install bash)' >&2
		exit 1
	}
	exec bash "$0" "$@"
fi
set +o posix
set -euo pipefail
umask 022

usage() {
	cat <<-'TEXT'
	usage: install.sh              install, or bring an installation up to date
	       install.sh --hook-stage prestart|createRuntime
	                               the same; runtimes start our hook at this stage (prestart)
	       install.sh --check      a line for each part of an installation; exit status 1 if one is wrong
	       install.sh --uninstall  remove what was installed, and nothing else
	From the environment, all optional:
	  PREFIX         where the program goes (/usr/local)
	  DESTDIR        a directory that stands for / while files are written
	  NODE           the Node.js, 20 or later, that will run it, in place of the executable in build/, which needs
	                 none (without an executable: node in PATH)
	  CRIU           the criu binary whose plugin directory gets the gate (criu in PATH)
	  CRIU_LIBS_DIR  that plugin directory, where CRIU is run with this variable
	  HOOKS_D        where the hooks.d files go (/usr/share/containers/oci/hooks.d; where that is read-only,
	                 /etc/containers/oci/hooks.d, which Podman and CRI-O read as well)
	TEXT
}

HOOKS_D_USR=/usr/share/containers/oci/hooks.d	# Podman and CRI-O read this folder
HOOKS_D_OVER=/etc/containers/oci/hooks.d	# and this one: its files hide those of the same name in the other
CONFIG=/etc/ghostkeep/config.json

main() {
	top=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
	load_parts
	case ${1:-} in
	'') prepare; install_all ;;
	--hook-stage) choose_start_stage "${2:-}"; prepare; install_all ;;
	--check) prepare; check_all ;;
	--uninstall) prepare; uninstall_all ;;
	--help | -h) usage ;;
	*) usage >&2; exit 2 ;;
	esac
}

load_parts() {
	# shellcheck source=install/find.sh
	. "$top/install/find.sh"
	# shellcheck source=install/mounts.sh
	. "$top/install/mounts.sh"
	# shellcheck source=install/trust.sh
	. "$top/install/trust.sh"
	# shellcheck source=install/parts.sh
	. "$top/install/parts.sh"
	# shellcheck source=install/place.sh
	. "$top/install/place.sh"
	# shellcheck source=install/uninstall.sh
	. "$top/install/uninstall.sh"
	# shellcheck source=install/check.sh
	. "$top/install/check.sh"
}

# Both stages are the same moment, and a runtime that is given both starts the hook twice. So the file in hooks.d
# has one name for both, and has the stage of the last installation.
start_stage=prestart
choose_start_stage() {
	case $1 in
	prestart | createRuntime) start_stage=$1 ;;
	*) usage >&2; exit 2 ;;
	esac
}

prepare() {
	set_paths
	work=$(mktemp -d)
	trap clean_up EXIT
}

say() {
	printf 'install.sh: %s\n' "$*"
}

fail() {
	say "$*" >&2
	exit 1
}

need_root() {
	[ -n "$destdir" ] || [ "$(id -u)" = 0 ] || fail "only root can $1 on this host (DESTDIR=/some/where needs no root)"
}

set_paths() {
	destdir=${DESTDIR:-}
	prefix=${PREFIX:-}
	# The installed copy of this script works on its own installation.
	if [ -z "$prefix$destdir" ] && [ -f "$top/installed" ]; then
		prefix=${top%/lib/ghostkeep}
	fi
	prefix=${prefix:-/usr/local}
	prefix=${prefix%/}
	destdir=${destdir%/}
	# The prefix is written into JSON, C and shell programs without quoting.
	[[ $prefix =~ ^(/[A-Za-z0-9._+-]+)+$ && ! $prefix =~ /\.\.?(/|$) ]] ||
		fail "PREFIX must be an absolute path of letters, digits and . _ + - (it is '$prefix')"
	[[ -z $destdir || ( $destdir == /* && $destdir != *$'\n'* ) ]] ||
		fail "DESTDIR must be an absolute path (it is '$destdir')"
	lib=$prefix/lib/ghostkeep
	libexec=$prefix/libexec/ghostkeep
	launcher=$prefix/bin/ghostkeep
	record=$lib/installed
	choose_hooks_d
}

install_all() {
	[ ! -f "$top/installed" ] ||
		fail 'this is the installed copy: it knows --check and --uninstall; install from a source tree'
	need_root install
	! is_packaged "$CONFIG" ||
		fail 'the package ghostkeep has installed it on this host: upgrade that package, or remove it first'
	need_trusted_tree
	need_exec
	build_if_needed
	choose_program
	find_criu
	make_gate

	! starts_another "$hooks_d/ghostkeep-prestart.json" ||
		say "runtimes and CRIU start this installation from now on, not that of $program"

	# Each file is first written beside its place. All are renamed when the last one is written.
	place_program
	place_printed
	place_hooks
	place_config
	place_gate
	begin_record
	commit
	finish_record

	if [ -z "$destdir" ]; then
		say "$launcher is installed"
	else
		say "$destdir$launcher is written; it runs only after all in $destdir is moved to /"
	fi
	[ "$hooks_d" = "$HOOKS_D_USR" ] || say "hooks.d: $hooks_d"
	[ "$start_stage" = prestart ] || say "hooks.d: runtimes start the hook at the stage $start_stage"
	tell_about_criu
}

# main is a function, and exit follows it, because --uninstall may remove this file while bash reads it.
main "$@"
exit
