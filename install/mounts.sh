# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Mounts that nobody may write to, or start programs from.

# Sets hooks_d: HOOKS_D, or where an installation has its files, or /etc where /usr is read-only (immutable systems).
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

# Also root may not write there; who lacks a right on another mount is told that by what fails.
is_read_only() {
	local folder
	folder=$(folder_there "$destdir$1")
	[ ! -w "$folder" ] && [[ ,$(mount_of OPTIONS "$folder"), == *,ro,* ]]
}

# The folder itself, or the nearest one above that is there.
folder_there() {
	local folder=$1
	while [ ! -d "${folder:-/}" ]; do
		folder=${folder%/*}
	done
	echo "${folder:-/}"
}

# mount_of COLUMN PATH: what findmnt knows; nothing where it is missing.
mount_of() {
	findmnt -nro "$1" -T "$2" 2>/dev/null | tail -n 1 || true
}

# Why PATH cannot be written, where its mount is the reason, and which variable names another place.
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

# PATH is FOLDER, in it, or above it.
lies_on_the_way() {
	[[ $1 == "$2" || $1 == "$2"/* || $2 == "$1"/* ]]
}

# Node.js maps the library and runtimes start the hook: a mount with noexec takes the files, and Podman then starts no
# container. With DESTDIR they will run elsewhere.
need_exec() {
	local why
	[ -z "$destdir" ] || return 0
	why=$(why_not_run "$prefix")
	[ -z "$why" ] || fail "cannot install below PREFIX=$prefix$why"
}

# Why nothing below PATH can be started, where its mount is the reason.
why_not_run() {
	local folder
	folder=$(folder_there "$1")
	[[ ,$(mount_of OPTIONS "$folder"), == *,noexec,* ]] || return 0
	folder=$(mount_of TARGET "$folder")
	printf ': %s is mounted with noexec, and no program there can be started; choose another PREFIX, or run: %s' \
		"$folder" "mount -o remount,exec $folder"
}
