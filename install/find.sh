# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the parts of install.sh share its variables
# Finds a Node.js or an executable that runs the program, finds or makes the build, and finds the criu that runtimes
# run and makes a gate for it.

inert='this CRIU is older than 4.0 and has no hook for it; use: ghostkeep checkpoint -- runc checkpoint …'

find_node() {
	local said version
	node=${NODE:-$(command -v node || command -v nodejs || true)}
	[ -n "$node" ] || fail 'node is missing: install Node.js 20 or later, or set NODE (in a source tree it is needed to see whether the build is current)'
	# The path may be a link or a version manager's wrapper; execPath is the program that it leads to.
	said=$("$node" -p 'process.execPath + "\n" + process.versions.node') || fail "cannot run Node.js as $node"
	node=${said%%$'\n'*}
	version=${said##*$'\n'}
	[ "${version%%.*}" -ge 20 ] ||
		fail "Node.js $version at $node is too old: 20 or later is needed (NODE=/path names another)"
	[[ ! $node =~ [\'\\] ]] || fail "cannot use a Node.js with a quote or backslash in its path: $node"
}

# Sets command, the quoted words that start the installed program, and node, which is empty if the executable is
# installed, which needs no Node.js. If NODE is set, the program is installed to run with that Node.js.
choose_program() {
	if [ -z "${NODE:-}" ] && executable_runs "$top/build/ghostkeep"; then
		node=''
		command="'$lib/build/ghostkeep'"
	else
		[ -n "${node:-}" ] || find_node
		command="'$node' '$lib/dist/ghostkeep.mjs'"
	fi
}

# Whether an executable is ghostkeep and runs here. One for another kind of machine does not start. One that strip(1)
# has cut is a plain Bun, and prints another version.
executable_runs() {
	[[ $(env -i "$1" --version 2>/dev/null) == 'ghostkeep '* ]]
}

# Runs read.cjs with Node.js or with the executable. The executable contains a Bun, which BUN_BE_BUN=1 makes it run as.
# The other options keep it from reading settings of the current folder.
read_file() {
	if [ -n "$node" ]; then
		"$node" "$top/install/read.cjs" "$@"
	else
		env -i BUN_BE_BUN=1 "$top/build/ghostkeep" --config=/dev/null --no-env-file "$top/install/read.cjs" "$@"
	fi
}

# Builds what is missing or out of date. A source tree knows whether its build was made from its sources, and needs
# Node.js for that. In the npm package, and in a copy without sources, dist/ is taken as it is, because the host may
# have no compiler and no npm. Only a native part that is missing or for another kind of machine is built there.
build_if_needed() {
	local setup
	if [ -d "$top/src" ]; then
		find_node
		setup=(env "PATH=${node%/*}:$PATH" sh "$top/scripts/setup")
		"${setup[@]}" --check 2>/dev/null || as_owner "${setup[@]}" || fail 'the build failed'
		return
	fi
	[ -f "$top/dist/ghostkeep.mjs" ] || fail 'there is no dist/ghostkeep.mjs, and no source to build it from'
	choose_program
	native_is_ready || build_native
}

# Runs the build as the owner of the tree. If root built in a user's tree, the user could not build there again.
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

# Whether all native parts are there, for the right kind of machine. The program loads the library, so the library must
# be for the same kind of machine as the program.
native_is_ready() {
	local part
	for part in libghostkeep.so ghostkeep.so ghostkeep-hook ghost-workload; do
		[ -e "$top/build/$part" ] || return 1
	done
	part=$top/build/libghostkeep.so
	[ "$(read_file machine "$part" 2>/dev/null)" = "$(read_file machine "${node:-$top/build/ghostkeep}")" ]
}

# Builds all native parts anew. make cannot tell which are out of date: they were made elsewhere, and npm gives files
# arbitrary times.
build_native() {
	can_compile ||
		fail "$top/build was not made for this machine, and making it needs cc and make: $why"
	say 'building for this machine'
	make -s --always-make -C "$top/native" BUILD="$top/build" >&2 || fail 'the build failed'
}

# Sets criu, criu_machine, hooks (how many plugin hooks that criu has) and gate (the path at which it loads the gate).
find_criu() {
	local facts directory
	criu=${CRIU:-$(first_criu)}
	gate='' hooks=0 criu_machine=''
	[ -n "$criu" ] || return 0
	facts=$(read_file criu "$criu") || fail "cannot read CRIU=$criu"
	read -r hooks criu_machine directory <<<"$facts"
	if [ -n "${CRIU_LIBS_DIR:-}" ] && [ -d "$destdir$CRIU_LIBS_DIR" ]; then
		directory=${CRIU_LIBS_DIR%/}
	fi
	[[ $directory == /* ]] ||
		fail "$criu names no plugin directory: set CRIU to the binary itself, or CRIU_LIBS_DIR to the directory"
	gate=$directory/ghostkeep.so
}

# Prints the criu that a runtime will find. The tree in DESTDIR may have a criu of its own.
first_criu() {
	local folder
	if [ -n "$destdir" ]; then
		for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
			[ ! -x "$destdir$folder/criu" ] || { echo "$destdir$folder/criu"; return; }
		done
	fi
	(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin && command -v criu) || true
}

# Sets gate_source, the gate to install, and builds one if needed: a gate starts its helper by a path that was compiled
# in, so another PREFIX needs another gate.
make_gate() {
	gate_source=$top/build/ghostkeep.so
	[ -n "$gate" ] || return 0
	if [ "$(read_file gate "$gate_source" "$launcher")" = other ]; then
		can_compile ||
			fail "PREFIX=$prefix needs a gate with $launcher compiled in, and that needs cc and make; PREFIX=/usr/local does not: $why"
		make -s -C "$top/native/gate" BUILD="$work/gate" HELPER="$launcher" >&2 || fail 'cannot build the gate'
		gate_source=$work/gate/ghostkeep.so
	fi
	[ "$(read_file machine "$gate_source")" = "$criu_machine" ] ||
		fail "the gate was built for another kind of machine than $criu"
}

# is_packaged PATH: whether a .deb or an .rpm has installed PATH. Such a file belongs to the package manager.
is_packaged() {
	[ -e "$destdir/usr/lib/ghostkeep/install/follow-criu.sh" ] && [ "$prefix" != /usr ] || return 1
	case $1 in
	"$CONFIG" | */hooks.d/ghostkeep-*.json) true ;;
	*/ghostkeep.so) [ "$(readlink "$destdir$1")" = /usr/lib/ghostkeep/build/ghostkeep.so ] ;;
	*) false ;;
	esac
}

# Whether native parts can be built here. If not, it sets why to the reason.
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
