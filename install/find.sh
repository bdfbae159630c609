# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# What is there: Node.js, the build, the criu that runtimes run, a gate for it.

inert='this CRIU is older than 4.0 and has no hook for it; use: ghostkeep checkpoint -- runc checkpoint …'

find_node() {
	local said version
	node=${NODE:-$(command -v node || command -v nodejs || true)}
	[ -n "$node" ] || fail 'node is missing: install Node.js 20 or later, or set NODE'
	# execPath: where a link or a version manager's wrapper in PATH leads.
	said=$("$node" -p 'process.execPath + "\n" + process.versions.node') || fail "cannot run Node.js as $node"
	node=${said%%$'\n'*}
	version=${said##*$'\n'}
	[ "${version%%.*}" -ge 20 ] ||
		fail "Node.js $version at $node is too old: 20 or later is needed (NODE=/path names another)"
	[[ ! $node =~ [\'\\] ]] || fail "cannot use a Node.js with a quote or backslash in its path: $node"
}

read_with_node() {
	"$node" "$top/install/read.cjs" "$@"
}

# A finished tree is taken as it is: the host may have no compiler and no npm.
build_if_needed() {
	local part missing=()
	for part in dist/ghostkeep.mjs build/libghostkeep.so build/ghostkeep.so build/ghostkeep-hook build/ghost-workload \
		node_modules/koffi; do
		[ -e "$top/$part" ] || missing+=("$part")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ -f "$top/scripts/setup" ] || fail "this tree has no ${missing[*]} and no scripts/ to build with"
	say "no ${missing[*]}: building"
	env PATH="${node%/*}:$PATH" sh "$top/scripts/setup" || fail 'the build failed'
}

# Sets criu, how many plugin hooks it has, and where it reads the gate.
find_criu() {
	local facts directory
	criu=${CRIU:-$(first_criu)}
	gate='' hooks=0 criu_machine=''
	[ -n "$criu" ] || return 0
	facts=$(read_with_node criu "$criu") || fail "cannot read CRIU=$criu"
	read -r hooks criu_machine directory <<<"$facts"
	if [ -n "${CRIU_LIBS_DIR:-}" ] && [ -d "$destdir$CRIU_LIBS_DIR" ]; then
		directory=${CRIU_LIBS_DIR%/}
	fi
	[[ $directory == /* ]] ||
		fail "$criu names no plugin directory: set CRIU to the binary itself, or CRIU_LIBS_DIR to the directory"
	gate=$directory/ghostkeep.so
}

# The one that a runtime will find; a tree in DESTDIR may have its own.
first_criu() {
	local folder
	if [ -n "$destdir" ]; then
		for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
			[ ! -x "$destdir$folder/criu" ] || { echo "$destdir$folder/criu"; return; }
		done
	fi
	(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin && command -v criu) || true
}

# The gate starts its helper by a path that was compiled in.
make_gate() {
	gate_source=$top/build/ghostkeep.so
	[ -n "$gate" ] || return 0
	if [ "$(read_with_node gate "$gate_source" "$launcher")" = other ]; then
		can_compile ||
			fail "PREFIX=$prefix needs a gate with $launcher compiled in, and that needs cc and make: install them, or use PREFIX=/usr/local"
		make -s -C "$top/native/gate" BUILD="$work/gate" HELPER="$launcher" >&2 || fail 'cannot build the gate'
		gate_source=$work/gate/ghostkeep.so
	fi
	[ "$(read_with_node machine "$gate_source")" = "$criu_machine" ] ||
		fail "the gate was built for another kind of machine than $criu"
}

can_compile() {
	[ -f "$top/native/gate/Makefile" ] && command -v make >/dev/null && command -v "${CC:-cc}" >/dev/null
}

tell_about_criu() {
	if [ -z "$criu" ]; then
		say 'no criu found: the gate is not installed; run this again when there is one'
	elif [ "$hooks" -ge 12 ]; then
		say "gate: $gate; $criu loads it from now on"
	else
		say "gate: $gate, inert: $inert"
	fi
}
