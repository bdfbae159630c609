# shellcheck shell=bash
# weight: 40
# native: all
# A sealed image is what CRIU itself would have written. The same container is dumped by CRIU alone and
# through ghostkeep, and both images are decoded and compared.

# Makes damage that the comparison and the check must both notice.
flip_last_byte() {
	local last=$(($(stat -c %s "$1") - 1)) byte
	byte=$(od -An -tu1 -j "$last" -N 1 "$1")
	printf '%b' "\\x$(printf %02x $((byte ^ 255)))" |
		dd of="$1" bs=1 seek="$last" conv=notrunc status=none
}

same_images() {
	local runtime=$1 name=same-$1 alone=$WORK/same-$1.alone ours=$WORK/same-$1.ours
	without_gate
	start_container "$runtime" "$name" small tail-odd tail-hole hole-1g-8k mapped
	expect_ok checkpoint_container "$runtime" "$name" "$alone" --leave-running
	with_ghostkeep
	expect_ok checkpoint_container "$runtime" "$name" "$ours" --leave-running
	expect_sealed "$ours"
	expect_ok python3 "$GUEST/compare-images.py" "$alone" "$ours"
	flip_last_byte "$ours"/ghost-file-*.img
	expect_fail python3 "$GUEST/compare-images.py" "$alone" "$ours"
}

check runc "12 decoded images are equal" same_images runc
check crun "12 decoded images are equal" same_images crun
