# shellcheck shell=bash
# weight: 25
# native: all
# The image directory is too small for the ghost: the error says so clearly, and nothing is lost.

too_small() {
	local runtime=$1 name=space-$1 small=/run/lab/small-$1 images
	with_ghostkeep
	start_container "$runtime" "$name" dense
	images=$(images_of "$runtime" "$name")
	mkdir -p "$small" "$images"
	mount -t tmpfs -o size=6M small "$small"
	at_exit umount "$small"
	expect_fail bounded "$runtime" checkpoint --image-path "$small" \
		--work-path "$images" "$name"
	expect_reason "$images" "([Nn]o space|NO_SPACE)"
	[ ! -e "$small/ghostkeep-manifest.json" ] || fail "there is a manifest"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

check runc "11 image directory too small" too_small runc
check crun "11 image directory too small" too_small crun
