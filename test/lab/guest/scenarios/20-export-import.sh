# shellcheck shell=bash
# weight: 85
# native: all
# Checkpoints made with ghostkeep are restored on a host without it: the store is empty, and only the archives
# and the image travel.

TRAVEL=$WORK/travel

export_here() {
	local runtime=$1 name=import-$1
	with_ghostkeep
	mkdir -p "$TRAVEL"
	start_container "$runtime" "$name" hole-64m-4m hole-1g-2m alternate-8m shared
	counter_of "$runtime" "$name" >"$TRAVEL/$name.counter"
	expect_ok podman container checkpoint --export "$TRAVEL/$name.tar.zst" "$name"
	[ -e "$TRAVEL/image.tar" ] ||
		expect_ok podman save --quiet --output "$TRAVEL/image.tar" "$IMAGE"
	cp "$WORK/$name.id" "$TRAVEL/"
}

# podman writes the store's paths into the archive, so the other host is another store at the same paths.
become_other_host() {
	uninstall_ghostkeep
	mkdir -p "$WORK/other/lib" "$WORK/other/run"
	mount --bind "$WORK/other/lib" /var/lib/containers
	mount --bind "$WORK/other/run" /run/containers
	expect_ok podman load --quiet --input "$TRAVEL/image.tar"
}

become_this_host() {
	umount -l /var/lib/containers /run/containers
	rm -rf "$WORK/other" "$TRAVEL"
}

import_there() {
	local runtime=$1 name=import-$1
	cp "$TRAVEL/$name.id" "$WORK/"
	STARTED+=("$runtime $name")
	expect_ok podman --runtime "/usr/bin/${runtime#podman-}" container restore \
		--import "$TRAVEL/$name.tar.zst"
	expect_continued "$runtime" "$name" "$(cat "$TRAVEL/$name.counter")"
	check_verdict "$runtime" "$name"
}

check podman-crun "7 export" export_here podman-crun
check podman-runc "7 export" export_here podman-runc
check - "7 another host, uninstalled" become_other_host
check podman-crun "7 import without ghostkeep" import_there podman-crun
check podman-runc "7 import without ghostkeep" import_there podman-runc
become_this_host
