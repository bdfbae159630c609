# shellcheck shell=bash
# weight: 150
# native: all
# This is 25-as-criu-would with the ghosts on other file systems: a container whose /data is a bind mount is
# dumped by CRIU alone and through ghostkeep. Only ids and padding may differ. The ghosts' dev is the mount's
# device, also on btrfs.

# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"
# shellcheck source-path=SCRIPTDIR source=../bind-data.sh
. "$GUEST/bind-data.sh"

same_images_on() {
	local filesystem=$1 name=same-$1 alone=$WORK/same-$1.alone ours=$WORK/same-$1.ours
	without_gate
	start_on "$filesystem" "$name" small tail-odd tail-hole hole-1g-8k mapped
	# It is dumped twice: CRIU maps the first page of each file to look for a build id. On tmpfs that
	# fault fills the hole there, which the next dump sees.
	expect_ok checkpoint_container runc "$name" "$alone" --leave-running
	rm -rf "$alone"
	expect_ok checkpoint_container runc "$name" "$alone" --leave-running
	with_ghostkeep
	expect_ok checkpoint_container runc "$name" "$ours"
	expect_sealed "$ours"
	expect_ok python3 "$GUEST/compare-images.py" "$alone" "$ours"
	# On tmpfs the workload would miss the hole that CRIU has filled.
	[ "$filesystem" != tmpfs ] || return 0
	restore_container runc "$name" "$ours"
	check_verdict runc "$name"
}

for filesystem in ext4 xfs btrfs btrfs-subvolume tmpfs overlay-upper; do
	check "$filesystem" "12 decoded images are equal" same_images_on "$filesystem"
done
