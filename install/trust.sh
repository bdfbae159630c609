# shellcheck shell=bash
# shellcheck disable=SC2154 # the parts of install.sh share its variables
# Checks who may write to our folders. CRIU and runtimes run as root what is in them, so anybody else who may write
# there could replace a program that root runs.

declare -gA trusted=()	# folders that were checked

# Fails when somebody else may write to FOLDER or to one above it. With DESTDIR, only folders below that
# count. A group may have write permission: that is the owner's choice, and Debian's /usr/local belongs to
# root:staff, which may write.
need_trusted() {
	local folder top_folder folders owner mode
	[ -z "${trusted[$1]:-}" ] || return 0
	folder=$(realpath -e -- "$1") || fail "cannot find $1"
	top_folder=$(realpath -m -- "${destdir:-/}")
	folders=()
	folders_to "$folder"
	while read -r owner mode folder; do
		[[ $folder/ == "${top_folder%/}/"* ]] || continue
		if [ "$owner" != 0 ] && [ "$owner" != "$EUID" ] || is_open "$mode"; then
			fail "$folder belongs to somebody else, or anybody may write to it, and root would run what they put there: correct its owner and mode (chown root, chmod o-w), or choose another place"
		fi
		! is_closed "$mode" || break
	done < <(stat -c '%u %a %n' -- "${folders[@]}")
	trusted[$1]=yes
}

# Fails when anybody may write to the tree that is installed from. A tree that belongs to a user is trusted, because
# root has chosen it.
need_trusted_tree() {
	local folder folders mode found
	[ "$EUID" = 0 ] || return 0
	folders=()
	folders_to "$(realpath -e -- "$top")"
	while read -r mode folder; do
		! is_open "$mode" || fail_of_tree "$folder"
		! is_closed "$mode" || return 0
	done < <(stat -c '%a %n' -- "${folders[@]}")
	found=$(find -H "$top" -name .git -prune -o ! -type l -perm -0002 -print -quit)
	[ -z "$found" ] || fail_of_tree "$found"
}

fail_of_tree() {
	fail "anybody may write to $1, so what would be installed may be theirs: use a fresh copy that only its owner may write to"
}

# folders_to PATH: appends / and every further folder down to PATH to the array folders.
folders_to() {
	local above=${1%/*}
	[ "$1" = / ] || folders_to "${above:-/}"
	folders+=("$1")
}

# is_open MODE: whether anybody may replace what is in a folder. In a folder like /tmp the sticky bit keeps others from
# renaming our files.
is_open() {
	(((8#$1 & 8#1002) == 2))
}

# is_closed MODE: whether users who are neither owner nor group cannot reach what is in a folder.
is_closed() {
	(((8#$1 & 1) == 0))
}
