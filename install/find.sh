# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Finds Node.js, the build and the criu that runtimes run, and makes a gate for it.

inert='this CRIU is older than 4.0 and has no hook for it; use: ghostkeep checkpoint -- runc checkpoint …'

find_node() {
	local said version
	node=${NODE:-$(command -v node || command -v nodejs || true)}
	[ -n "$node" ] || fail 'node is missing: install Node.js 20 or later, or set NODE'
	# The path may be a link or a version manager's wrapper; execPath is the program that it leads to.
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

# A source tree knows whether its build was made from its sources. The npm package, and a copy without
# sources, are taken as they are, because the host may have no compiler and no npm.
build_if_needed() {
	local setup=(env "PATH=${node%/*}:$PATH" sh "$top/scripts/setup")
	if [ -d "$top/src" ]; then
		"${setup[@]}" --check 2>/dev/null || as_owner "${setup[@]}" || fail 'the build failed'
		return
	fi
	[ -f "$top/dist/ghostkeep.mjs" ] || fail 'there is no dist/ghostkeep.mjs, and no source to build it from'
	native_is_ready || build_native
}

# Builds as the owner of the tree. If root built in a user's tree, the user could not build it again.
as_owner() {
	local owner home
	owner=$(stat -c %u "$top/package.json")
	if [ "$(id -u)" != 0 ] || [ "$owner" = 0 ] || ! command -v setpriv >/dev/null; then
		"$@"
		return
	fi
	home=$(getent passwd "$owner" | cut -d: -f6)
	setpriv --reuid "$owner" --regid "$(stat -c %g "$top/package.json")" --clear-groups env HOME="$home" "$@"
}

# The library is loaded into Node.js, so both must be for the same kind of machine.
native_is_ready() {
	local part
	for part in libghostkeep.so ghostkeep.so ghostkeep-hook ghost-workload; do
		[ -e "$top/build/$part" ] || return 1
	done
	part=$top/build/libghostkeep.so
	[ "$(read_with_node machine "$part" 2>/dev/null)" = "$(read_with_node machine "$node")" ]
}

# Builds everything anew: the existing files were made elsewhere, and npm gives files arbitrary times.
build_native() {
	can_compile ||
		fail "$top/build was not made for this machine, and making it needs cc and make: $why"
	say 'building for this machine'
	make -s --always-make -C "$top/native" BUILD="$top/build" >&2 || fail 'the build failed'
}

# Sets criu, hooks (how many plugin hooks it has) and gate (where it reads the gate).
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

# Prints the criu that a runtime will find. A tree in DESTDIR may have its own.
first_criu() {
	local folder
	if [ -n "$destdir" ]; then
		for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
			[ ! -x "$destdir$folder/criu" ] || { echo "$destdir$folder/criu"; return; }
		done
	fi
	(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin && command -v criu) || true
}

# The gate starts its helper by a path that was compiled in, so another PREFIX needs another gate.
make_gate() {
	gate_source=$top/build/ghostkeep.so
	[ -n "$gate" ] || return 0
	if [ "$(read_with_node gate "$gate_source" "$launcher")" = other ]; then
		can_compile ||
			fail "PREFIX=$prefix needs a gate with $launcher compiled in, and that needs cc and make; PREFIX=/usr/local does not: $why"
		make -s -C "$top/native/gate" BUILD="$work/gate" HELPER="$launcher" >&2 || fail 'cannot build the gate'
		gate_source=$work/gate/ghostkeep.so
	fi
	[ "$(read_with_node machine "$gate_source")" = "$criu_machine" ] ||
		fail "the gate was built for another kind of machine than $criu"
}

# Sets why.
can_compile() {
	why="there is no $top/native/can-compile"
	[ -f "$top/native/can-compile" ] && why=$(sh "$top/native/can-compile")
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
