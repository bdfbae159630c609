# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Checks each part of an installation, and prints a line for each.

check_all() {
	bad=0 executable=''
	if [ ! -f "$destdir$record" ]; then
		report FAIL "nothing is installed under $destdir$prefix"
		exit 1
	fi
	check_folders
	check_files
	check_interpreter
	check_program
	check_hook
	check_hooks_d
	check_config
	check_gate
	check_host
	exit $bad
}

report() {
	printf '%-5s %s\n' "$1" "$2"
	[ "$1" != FAIL ] || bad=1
}

# If others may write to the folders of the installation, the program may be theirs. Then nothing of it is started.
check_folders() {
	local said
	said=$(need_trusted "$destdir$lib" 2>&1) && said=$(need_trusted "$destdir${launcher%/*}" 2>&1) && return
	report FAIL "${said#install.sh: }"
	exit 1
}

# config.json belongs to the administrator and is not compared.
check_files() {
	local hash path right=0 wrong=0
	recorded_files "$destdir$record" >"$work/files"
	while read -r hash path; do
		if [ "$path" = "$CONFIG" ]; then
			continue
		elif [ ! -f "$destdir$path" ]; then
			report FAIL "$path is missing"
		elif [ "$(hash_of "$destdir$path")" != "$hash" ]; then
			report FAIL "$path is not what was installed"
		else
			right=$((right + 1))
			continue
		fi
		wrong=1
	done <"$work/files"
	[ $wrong = 1 ] || report ok "files: $right as they were installed (not compared: ${CONFIG##*/}, and $record, which lists them)"
}

# Checks the executable or the Node.js that the launcher and the hooks name. That need not be the Node.js in PATH.
check_interpreter() {
	local version
	node=$(sed -n "s/^exec '\([^']*\)' .*/\1/p" "$destdir$launcher" 2>/dev/null || true)
	if [ "$node" = "$lib/build/ghostkeep" ]; then
		check_executable
	elif version=$(env -i "${node:-/none}" --version 2>/dev/null); then
		report ok "interpreter: $node, $version"
	elif [ -n "$destdir" ] && [ -x "$destdir$node" ]; then
		report ok "interpreter: $node, in $destdir"
		find_node
	else
		report FAIL "interpreter: ${node:-(none)} does not run; install again with one that stays where it is (NODE=/path)"
		find_node
	fi
}

# Checks the installed executable, and chooses what reads the other parts: the executable of this tree, or a Node.js.
check_executable() {
	executable=$destdir$lib/build/ghostkeep
	node=''
	if executable_runs "$executable"; then
		report ok "executable: $lib/build/ghostkeep, which needs no Node.js"
	else
		report FAIL "executable: $lib/build/ghostkeep does not run, or is not ghostkeep any more$(why_not_run "$destdir$lib")"
	fi
	executable_runs "$top/build/ghostkeep" || find_node
}

check_program() {
	local said start=("$launcher")
	if [ -n "$executable" ]; then
		start=("$executable")
	elif [ -n "$destdir" ]; then
		start=("$node" "$destdir$lib/dist/ghostkeep.mjs")
	fi
	if said=$(env -i "${start[@]}" --version 2>&1) && [[ $said == 'ghostkeep '* ]]; then
		report ok "program: $launcher, $said"
	else
		report FAIL "program: $launcher does not run: ${said##*$'\n'}$(why_not_run "$destdir$lib")"
	fi
	if said=$(load_library 2>&1); then
		report ok "library: $lib/build/libghostkeep.so"
	else
		report FAIL "library: ${said%%$'\n'*}$(why_not_run "$destdir$lib")"
	fi
}

# Loads the library as the program does.
load_library() {
	if [ -n "$executable" ]; then
		env -i "$executable" scan --pid $$
	else
		read_file library "$destdir$lib"
	fi
}

# Starts the hook with an empty state. It ends at once, because that is no container of ours.
check_hook() {
	local said
	if said=$(env -i "$destdir$libexec/hook" prestart /none 2>&1 <<<'{}'); then
		report ok "hook: $libexec/hook"
	else
		report FAIL "hook: $libexec/hook does not run: $said$(why_not_run "$destdir$libexec")"
	fi
}

check_hooks_d() {
	local stage file said
	for stage in prestart poststop; do
		file=ghostkeep-$stage.json
		if ! said=$(read_file json hooks-d "$destdir$hooks_d/$file" 2>&1); then
			report FAIL "hooks.d: ${said%%$'\n'*}"
		elif [ "$hooks_d" != "$HOOKS_D_OVER" ] && [ -e "$destdir$HOOKS_D_OVER/$file" ]; then
			report note "hooks.d: $HOOKS_D_OVER/$file hides ours"
		else
			report ok "hooks.d: $hooks_d/$file, stage $(stage_of "$hooks_d/$file")"
		fi
	done
	find_second_starts
}

stage_of() {
	sed -n 's/.*"stages": \["\([^"]*\)"\].*/\1/p' "$destdir$1"
}

# Finds hooks.d files that somebody else has written and that start our prestart hook, in whatever stage.
find_second_starts() {
	local file
	for file in "$destdir$HOOKS_D_USR"/*.json "$destdir$HOOKS_D_OVER"/*.json; do
		[ "${file##*/}" != ghostkeep-prestart.json ] || continue
		grep -qsF "\"$libexec/prestart\"" "$file" || continue
		report note "hooks.d: ${file#"$destdir"} starts our prestart hook as well, so runtimes may start it twice"
	done
}

check_config() {
	local said
	if [ ! -e "$destdir$CONFIG" ]; then
		report ok "settings: no $CONFIG, so every one is the default"
	elif said=$(read_file json policy "$destdir$CONFIG" 2>&1); then
		report ok "settings: $CONFIG"
	else
		report FAIL "settings: ${said%%$'\n'*}"
	fi
}

check_gate() {
	find_criu
	if [ -z "$criu" ]; then
		report note 'gate: no criu on this host; run install.sh again when there is one'
	elif [ ! -e "$destdir$gate" ]; then
		report FAIL "gate: $criu would load $gate, which is not there; run install.sh again"
	elif [ "$(read_file machine "$destdir$gate")" != "$criu_machine" ]; then
		report FAIL "gate: $gate was built for another kind of machine than $criu"
	elif [ "$(read_file gate "$destdir$gate" "$launcher")" != same ]; then
		report FAIL "gate: $gate starts another program than $launcher"
	elif [ "$hooks" -ge 12 ]; then
		report ok "gate: $gate, active: $criu has $hooks plugin hooks and calls it when all processes are frozen"
	else
		report note "gate: $gate, inert: $inert"
	fi
}

# Checks the host by `ghostkeep doctor`: whether CRIU can really dump and restore, engines, room, and leftovers. With
# DESTDIR the installation is for another host, so nothing is checked.
check_host() {
	local said status=0
	[ -z "$destdir" ] || return 0
	said=$("$launcher" doctor 2>&1) || status=$?
	printf '\n%s\n' "$said"
	if [ $status != 0 ]; then
		printf '\n'
		report FAIL 'host: ghostkeep doctor says above what is broken, and how it is mended'
	fi
}
