# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Writes files beside their places, then renames all of them, and keeps the record of the installation.

staged=()	# files written beside their places and not renamed yet
placed=()	# paths of this installation
sources=()	# the source of each path in placed, in the same order
made=()		# directories that this installation made

# place MODE SOURCE PATH: stage a copy, unless PATH already has that mode and content.
place() {
	local target=$destdir$3
	make_directory "${3%/*}"
	need_trusted "${target%/*}"
	[ ! -d "$target" ] || fail "$target is a directory"
	placed+=("$3")
	sources+=("$2")
	is_like "$1" "$2" "$target" || stage "$1" "$2" "$target"
}

is_like() {
	[ -f "$3" ] && [ ! -L "$3" ] && cmp -s "$2" "$3" && [ "$(stat -c %a "$3")" = "$1" ]
}

stage() {
	remove_leftovers "$3"
	staged+=("$3.new-$$")
	install -m "$1" -T "$2" "$3.new-$$" || fail "cannot write $3$(why_not_written "${3#"$destdir"}")"
}

# Removes leftovers of an installation that was killed.
remove_leftovers() {
	rm -f "$1".new-[0-9]*
}

make_directory() {
	[ ! -d "$destdir$1" ] || return 0
	case $1 in
	/*/*) make_directory "${1%/*}" ;;
	*) mkdir -p "$destdir/" || fail "cannot make $destdir" ;;
	esac
	mkdir "$destdir$1" || fail "cannot make $destdir$1$(why_not_written "$1")"
	made+=("$1")
}

# Renames the files in the order in which they were staged.
commit() {
	local new
	[ ${#staged[@]} -gt 0 ] || return 0
	sync "${staged[@]}"
	for new in "${staged[@]}"; do
		mv -fT "$new" "${new%.new-*}"
	done
	staged=()
}

# Removes the staged files and the new directories of an installation that did not finish, and the working folder.
clean_up() {
	local i
	[ ${#staged[@]} = 0 ] || rm -f "${staged[@]}"
	rm -f "$destdir$record.new-$$"
	for ((i = ${#made[@]} - 1; i >= 0; i--)); do
		rmdir "$destdir${made[i]}" 2>/dev/null || true
	done
	rm -rf "$work"
}

# Begins the record of the installation. It has a line for each file, `SHA256  PATH`, and for each directory that was
# made, `directory  PATH`. Until everything is in place it names both the old and the new files, so that an interrupted
# installation can be removed, too.
begin_record() {
	cp "$destdir$record" "$work/old-record" 2>/dev/null || : >"$work/old-record"
	new_record | sort -u >"$work/record"
	sort -u "$work/record" "$work/old-record" >"$work/journal"
	[ ${#staged[@]} = 0 ] || write_record "$work/journal"
	made=()
}

new_record() {
	local i hashes
	sha256sum -- "${sources[@]}" | sed 's/^\\//; s/ .*//' >"$work/hashes"
	mapfile -t hashes <"$work/hashes"
	recorded_directories "$work/old-record"
	[ ${#made[@]} = 0 ] || printf 'directory  %s\n' "${made[@]}"
	for i in "${!placed[@]}"; do
		printf '%s  %s\n' "${hashes[i]}" "${placed[i]}"
	done
	# A settings file from our earlier installation is recorded. One that was there before us is not.
	[[ " ${placed[*]} " == *" $CONFIG "* ]] || grep -F "  $CONFIG" "$work/old-record" || true
}

# Removes the files that the older version had and this version has not, then writes the final record.
finish_record() {
	local hash path
	declare -A current
	while read -r hash path; do
		current[$path]=$hash
	done <"$work/record"
	recorded_files "$work/old-record" >"$work/old-files"
	while read -r hash path; do
		[ -n "${current[$path]:-}" ] || starts_another "$path" || rm -f "$destdir$path"
	done <"$work/old-files"
	write_record "$work/record"
}

write_record() {
	local new=$destdir$record.new-$$
	! cmp -s "$1" "$destdir$record" || return 0
	install -m 644 -T "$1" "$new"
	sync "$new"
	mv -fT "$new" "$destdir$record"
}

recorded_directories() {
	grep '^directory  ' "$1" || true
}

recorded_files() {
	grep -v '^directory  ' "$1" || true
}
