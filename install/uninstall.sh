# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Removes what the record names, and nothing else.

uninstall_all() {
	local hash path
	if [ ! -f "$destdir$record" ]; then
		say "nothing is installed under $destdir$prefix"
		return
	fi
	need_root uninstall
	need_trusted "$destdir$lib"	# the record decides what is removed
	recorded_files "$destdir$record" | gate_and_hooks_first >"$work/files"
	recorded_directories "$destdir$record" | sort -ru >"$work/directories"
	while read -r hash path; do
		remove_file "$hash" "$path"
	done <"$work/files"
	# The record is removed after the files, because a second try must find it if the first one fails.
	remove_leftovers "$destdir$record"
	rm -f "$destdir$record"
	while read -r hash path; do
		rmdir "$destdir$path" 2>/dev/null || true
	done <"$work/directories"
	say "removed from $destdir$prefix; /var/log/ghostkeep.log and /run/ghostkeep stay"
	say 'a bundle that still names our hooks does not start: take them out of its config.json'
}

remove_file() {
	local target=$destdir$2
	if [ "$2" = "$CONFIG" ] && [ -e "$target" ] && [ "$(hash_of "$target")" != "$1" ]; then
		say "$target was changed: it stays"
		return
	fi
	if is_packaged "$2"; then
		say "$target belongs to the package ghostkeep: it stays"
		return
	fi
	if starts_another "$2"; then
		say "$target starts $program of another installation: it stays"
		return
	fi
	remove_leftovers "$target"
	rm -f "$target" || fail "cannot remove $target"
}

# Whether the file at a path starts a program of another installation, and sets program to that. All installations share
# one hooks.d and one plugin directory, and the last one that was installed has its files there.
starts_another() {
	case $1 in
	*/ghostkeep-prestart.json | */ghostkeep-poststop.json) program=$(sed -n 's/.*"path": "\([^"]*\)".*/\1/p' "$destdir$1") ;;
	*/ghostkeep.so) program=$(grep -azxm1 '/.*/bin/ghostkeep' "$destdir$1" | tr -d '\0') ;;
	*) return 1 ;;
	esac 2>/dev/null
	! is_ours "$program" && [[ -x $destdir$program && ! -d $destdir$program ]]
}

# Whether a path is the launcher or a hook of this installation. This compares the files, and not only the names,
# because the path to this installation may have a symbolic link in it.
is_ours() {
	[[ $1 = "$launcher" || $1 = "$libexec"/* || $destdir$1 -ef $destdir$launcher ||
		$destdir${1%/*} -ef $destdir$libexec ]]
}

# Sorts the files: those by which CRIU and runtimes start us (gate and hooks.d files) come before all others.
gate_and_hooks_first() {
	awk '
		/\/ghostkeep(-prestart\.json|-poststop\.json|\.so)$/ { print; next }
		{ rest[++n] = $0 }
		END { for (i = 1; i <= n; i++) print rest[i] }'
}

hash_of() {
	sha256sum <"$1" | cut -d' ' -f1
}
