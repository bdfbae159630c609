# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Places the files of the installation, in the order in which they become visible: each file comes after the files
# that it needs, and the gate comes last.

place_program() {
	place_files "$top" run_time_files
	place_files "$(read_file above-koffi "$top")" koffi_files
	place 755 "$top/install.sh" "$lib/install.sh"
	place 755 "$top/build/ghost-workload" "$lib/build/ghost-workload"
	place 755 "$top/build/ghostkeep-hook" "$lib/build/ghostkeep-hook"	# for try-hooks and pre-dump
	place 644 "$top/dist/ghostkeep.mjs" "$lib/dist/ghostkeep.mjs"
	[ -n "$node" ] || place_executable
	printf '%s\n' "$top" >"$work/installed-from"	# if files are missing later, doctor names this tree to install from
	place 644 "$work/installed-from" "$lib/installed-from"
	printf '#!/bin/sh\n%sexec %s "$@"\n' "$forget" "$command" >"$work/ghostkeep"
	place 755 "$work/ghostkeep" "$launcher"
	place_checkpointctl_plugin
}

# Makes `checkpointctl ghosts CHECKPOINT` work. checkpointctl runs every checkpointctl-NAME in PATH, and first asks each
# for a line that describes it, for which it waits half a second. A shell script is quick enough for that. Exit status
# 42 says that the line is an answer. Source: checkpointctl-plugin(1).
place_checkpointctl_plugin() {
	cat >"$work/checkpointctl-ghosts" <<-TEXT
	#!/bin/sh
	if [ "\${1:-}" = --plugin-description ]; then
	    echo 'Show the deleted files that a checkpoint holds (ghostkeep)'
	    exit 42
	fi
	exec $launcher show "\$@"
	TEXT
	place 755 "$work/checkpointctl-ghosts" "${launcher%/*}/checkpointctl-ghosts"
}

# Places the manual page and the completions in the folders below PREFIX in which man and the shells look by themselves.
place_printed() {
	local file words
	mkdir "$work/printed"
	while read -r file words; do
		# shellcheck disable=SC2086 # a list of words
		print_by_program $words >"$work/printed/${file##*/}" || fail "cannot print: ghostkeep $words"
		place 644 "$work/printed/${file##*/}" "$prefix/share/$file"
	done <<-'LIST'
		man/man1/ghostkeep.1 man
		bash-completion/completions/ghostkeep completion bash
		zsh/site-functions/_ghostkeep completion zsh
		fish/vendor_completions.d/ghostkeep.fish completion fish
	LIST
}

# Runs the program of this tree, because the installed one is not in its place yet.
print_by_program() {
	if [ -n "$node" ]; then
		env -i "$node" "$top/dist/ghostkeep.mjs" "$@"
	else
		env -i "$top/build/ghostkeep" "$@"
	fi
}

# The launcher keeps the current folder and the environment of the user. Only for the executable it unsets the variables
# that make a Bun run other code or report a crash. The gate starts the launcher with no variables, and the hooks start
# the program with those that begin with GHOSTKEEP_.
forget=''
place_executable() {
	place 644 "$top/build/koffi.node" "$lib/build/koffi.node"
	place 755 "$top/build/ghostkeep" "$lib/build/ghostkeep"
	forget='unset BUN_BE_BUN BUN_OPTIONS BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO BUN_ENABLE_CRASH_REPORTING
'
}

# place_files FOLDER FUNCTION: place the files of FOLDER that FUNCTION lists.
place_files() {
	local file
	[ -n "$1" ] || fail 'koffi is not there, and loads the native library: run npm ci, or install the npm package again'
	(cd "$1" && "$2") >"$work/files"
	while IFS= read -r file; do
		place 644 "$1/$file" "$lib/$file"
	done <"$work/files"
}

run_time_files() {
	printf '%s\n' build/libghostkeep.so package.json
	[ ! -f LICENSE ] || echo LICENSE
	find dist hooks schemas install -type f ! -name '*.map' ! -path dist/ghostkeep.mjs | sort
}

# Lists the files of koffi that Node.js loads, and the licences. koffi's sources and documentation are its larger part,
# and are left out. npm may place koffi beside our package instead of inside.
koffi_files() {
	find -H node_modules/koffi node_modules/@koromix/koffi-linux-* \( -name vendor -o -name doc \) -prune -o \
		-type f \( -name '*.js' -o -name '*.cjs' -o -name '*.node' -o -name package.json -o -name 'LICENSE*' \) \
		! -name cnoke.cjs -print | sort
}

# Places the hooks. The programs come before the hooks.d files, because Podman starts no container while a hooks.d file
# names a program that is missing.
place_hooks() {
	local stage
	mkdir "$work/hooks"
	place 755 "$top/build/ghostkeep-hook" "$libexec/hook"
	for stage in prestart poststop; do
		place_filled 755 "$stage" "$libexec/$stage"
	done
	place_filled 644 config-hooks.json "$libexec/config-hooks.json"
	for stage in prestart poststop; do
		place_filled 644 "$stage.json" "$hooks_d/ghostkeep-$stage.json"
		read_file json hooks-d "$work/hooks/$stage.json" ||
			fail "hooks/$stage.json does not make a valid hooks.d file: nothing is installed"
	done
}

place_filled() {
	local text
	text=$(<"$top/hooks/$2")
	text=${text//@COMMAND@/"$command"}
	text=${text//@STAGE@/"$start_stage"}
	printf '%s\n' "${text//@PREFIX@/"$prefix"}" >"$work/hooks/$2"
	place "$1" "$work/hooks/$2" "$3"
}

# Places a config.json without settings, if nothing is there: a file or link of the administrator is never touched.
place_config() {
	echo '{}' >"$work/config.json"
	[ -e "$destdir$CONFIG" ] || [ -L "$destdir$CONFIG" ] || place 644 "$work/config.json" "$CONFIG"
}

place_gate() {
	[ -z "$gate" ] || place 755 "$gate_source" "$gate"
}
