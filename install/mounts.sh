# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Recognizes mounts that nobody may write to, or start programs from, and says so.

# Sets hooks_d, the hooks.d folder: HOOKS_D if that is set, else the folder in which the present installation has its
# files, else the one below /usr, or the one below /etc if /usr is mounted read-only (immutable systems).
choose_hooks_d() {
	local has
	hooks_d=${HOOKS_D:-}
	hooks_d=${hooks_d%/}
	if [ -n "$hooks_d" ]; then
		[[ $hooks_d =~ ^(/[A-Za-z0-9._+-]+)+$ ]] ||
			fail "HOOKS_D must be an absolute path of letters, digits and . _ + - (it is '$hooks_d')"
		return
	fi
	has=$(sed -n 's,^[0-9a-f]*  \(/.*\)/ghostkeep-prestart\.json$,\1,p' "$destdir$record" 2>/dev/null | head -n 1 || true)
	hooks_d=${has:-$HOOKS_D_USR}
	[ -n "$has" ] || ! is_read_only "$hooks_d" || hooks_d=$HOOKS_D_OVER
}

# Whether a path is on a read-only mount, where not even root may write. If only a permission is missing, this is false,
# and the command that fails says so.
is_read_only() {
	local folder
	folder=$(folder_there "$destdir$1")
	[ ! -w "$folder" ] && [[ ,$(mount_of OPTIONS "$folder"), == *,ro,* ]]
}

# Prints the folder itself, or the nearest folder above that exists.
folder_there() {
	local folder=$1
	while [ ! -d "${folder:-/}" ]; do
		folder=${folder%/*}
	done
	echo "${folder:-/}"
}

# mount_of COLUMN PATH: prints this column of findmnt(8) for the mount that PATH is on; nothing if there is no findmnt.
mount_of() {
	findmnt -nro "$1" -T "$2" 2>/dev/null | tail -n 1 || true
}

# why_not_written PATH: if PATH is on a read-only mount, prints that, and which variable can name another place.
why_not_written() {
	local variable
	is_read_only "$1" || return 0
	if lies_on_the_way "$1" "$prefix"; then
		variable=PREFIX
	elif lies_on_the_way "$1" "$hooks_d"; then
		variable=HOOKS_D
	elif lies_on_the_way "$1" "${gate%/*}"; then
		variable='CRIU_LIBS_DIR, a directory that is there and that CRIU is run with'
	fi
	printf ': %s is mounted read-only' "$(mount_of TARGET "$(folder_there "$destdir$1")")"
	[ -z "${variable:-}" ] || printf '; name another place with %s' "$variable"
}

# lies_on_the_way PATH FOLDER: whether PATH is FOLDER, in it, or above it.
lies_on_the_way() {
	[[ $1 == "$2" || $1 == "$2"/* || $2 == "$1"/* ]]
}

# Fails if PREFIX is on a mount with noexec. The files could be written there, but Node.js could not map the library,
# and Podman would start no container, because the hook does not start. With DESTDIR the files will run elsewhere.
need_exec() {
	local why
	[ -z "$destdir" ] || return 0
	why=$(why_not_run "$prefix")
	[ -z "$why" ] || fail "cannot install below PREFIX=$prefix$why"
}

# why_not_run PATH: if PATH is on a mount with noexec, prints that nothing below can be started, and the way out.
why_not_run() {
	local folder
	folder=$(folder_there "$1")
	[[ ,$(mount_of OPTIONS "$folder"), == *,noexec,* ]] || return 0
	folder=$(mount_of TARGET "$folder")
	printf ': %s is mounted with noexec, and no program there can be started; choose another PREFIX, or run: %s' \
		"$folder" "mount -o remount,exec $folder"
}
