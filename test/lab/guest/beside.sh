# shellcheck shell=bash
# Another suite's tree is at /beside (test/lab/native), as if it were another host. It has its own /run, /tmp
# and programs, and the same disk for containers and their images. SUITE-runc and SUITE-crun start its
# runtimes.

BESIDE_GATE=/beside/usr/lib/criu/ghostkeep.so
BESIDE_AWAY=/beside/usr/lib/criu.away

# enter_beside PROGRAM ARGUMENT…: PROGRAM sees only that tree. Processes are shared, so a restored one can be
# looked at from here.
ENTER=/usr/local/bin/enter-beside
make_beside() {
	local suite=$1 runtime place
	[ ! -e "$ENTER" ] || return 0
	for place in lab var/lib/lab dev sys proc run tmp host; do
		mkdir -p "/beside/$place"
	done
	mount --bind /lab /beside/lab
	mount --bind "$WORK" "/beside/$WORK"
	mount --rbind /dev /beside/dev
	mount --rbind /sys /beside/sys
	mount --bind /proc /beside/proc
	mount -t tmpfs -o mode=755 run /beside/run
	mount -t tmpfs tmp /beside/tmp
	for runtime in runc crun; do
		printf '#!/bin/sh\nexec %s %s "$@"\n' "$ENTER" "$runtime" >"/usr/local/bin/$suite-$runtime"
		chmod 755 "/usr/local/bin/$suite-$runtime"
	done
	cat >"$ENTER" <<-'SCRIPT'
	#!/bin/sh
	exec unshare --mount sh -c 'cd /beside && pivot_root . host && cd / && umount -l /host && exec "$@"' beside "$@"
	SCRIPT
	chmod 755 "$ENTER"
}

# Installs ghostkeep with the Node.js of that suite's Debian.
with_ghostkeep_beside() {
	[ ! -e "$BESIDE_AWAY" ] || mv "$BESIDE_AWAY" "$BESIDE_GATE"
	[ ! -e "$BESIDE_GATE" ] || return 0
	expect_ok "$ENTER" bash /lab/install.sh
	[ -e "$BESIDE_GATE" ] || fail "install.sh did not install $BESIDE_GATE"
}

without_gate_beside() {
	[ ! -e "$BESIDE_GATE" ] || mv "$BESIDE_GATE" "$BESIDE_AWAY"
}
