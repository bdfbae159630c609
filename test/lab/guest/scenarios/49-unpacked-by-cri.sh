# shellcheck shell=bash
# weight: 60
# native: all
# kubelet and crictl checkpoint through containerd's CRI. When it unpacks a checkpoint, it creates each entry of
# the image directory as a file, so a folder in it would not come back. This scenario shows that a sealed
# directory has none and can be restored after such an unpacking.

# unpack TAR FOLDER: does what containerd's internal/cri/server/container_checkpoint_linux.go does. It refuses
# names with `..`. For every entry, of whatever type, it creates a file and copies the content. It makes no
# folders, and links have no content.
unpack_as_cri() {
	local name
	mkdir -p "$2"
	tar -tf "$1" | while read -r name; do
		[[ $name != *..* ]] || fail "$name has .. in it"
		tar -xOf "$1" "$name" >"$2/$name" || fail "$name cannot be created as a file"
	done
}

after_cri() {
	local runtime=$1 name=cri-$1 images counter
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m alternate-8m shared
	images=$(images_of "$runtime" "$name")
	counter=$(counter_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	(cd "$images" && find . -mindepth 1 -printf '%P\n') | tar -C "$images" --no-recursion -cf "$WORK/$name.tar" -T -
	rm -r "$images"
	unpack_as_cri "$WORK/$name.tar" "$images"
	expect_sealed "$images"
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

check runc "15 unpacked by containerd's CRI" after_cri runc
check crun "15 unpacked by containerd's CRI" after_cri crun
