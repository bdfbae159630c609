# shellcheck shell=bash
# weight: 140
# native: all
# --leave-running: the container goes on with its ghosts, and the checkpoint is complete and can be restored
# elsewhere, later.

# Elsewhere means another bundle with a copy of the rootfs, and another id.
copy_bundle() {
	mkdir -p "$WORK/$2"
	cp -a "$WORK/$1/rootfs" "$WORK/$1/config.json" "$WORK/$2/"
}

goes_on_and_restores_later() {
	local runtime=$1 name=leave-$1 later=later-$1 images counter
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m shared tail-odd
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images" --leave-running
	counter=$(counter_of "$runtime" "$name")
	expect_sealed "$images"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
	copy_bundle "$name" "$later"
	timeout 30 "$runtime" delete -f "$name"

	restore_container "$runtime" "$later" "$images"
	[ ! "$(counter_of "$runtime" "$later")" \> "$counter" ] ||
		say "its counter is already past the other's"
	expect_alive "$runtime" "$later"
	check_verdict "$runtime" "$later"
}

podman_goes_on() {
	local runtime=$1 name=leave-$1 archive=/var/lib/lab/leave-$1.tar.zst
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m shared tail-odd
	expect_ok podman container checkpoint --leave-running --export "$archive" "$name"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
	delete_container "$runtime" "$name"
	expect_ok podman container restore --import "$archive" | tee "$WORK/$name.run"
	tail -n 1 "$WORK/$name.run" >"$WORK/$name.id"
	check_verdict "$runtime" "$name"
	rm -f "$archive"
}

check runc "8 --leave-running" goes_on_and_restores_later runc
check crun "8 --leave-running" goes_on_and_restores_later crun
check podman-crun "8 --leave-running" podman_goes_on podman-crun
check podman-runc "8 --leave-running" podman_goes_on podman-runc
