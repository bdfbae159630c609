# shellcheck shell=bash
# weight: 240
# native: all
# Podman's other ways to checkpoint: into an image, compressed in each way, several containers of a pod, and files
# of the image itself, which lie in a lower layer. 28-pre-dump and 21-leave-running have those options.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"

GHOSTS='hole-64m-4m hole-1g-2m alternate-8m shared deleted-exe'

# restored RUNTIME NAME COUNTER OPTION…: podman makes the container anew. It restores only by the runtime that the
# checkpoint names: an archive names it as it was given, an image by its name.
restored() {
	local runtime=$1 name=$2 counter=$3
	shift 3
	expect_ok podman --runtime "$runtime" container restore "$@" | tee "$WORK/$name.run"
	tail -n 1 "$WORK/$name.run" >"$WORK/$name.id"
	expect_continued "podman-${runtime##*/}" "$name" "$counter"
	check_verdict "podman-${runtime##*/}" "$name"
}

through_an_image() {
	local runtime=$1 name=into-image-$1 image=localhost/checkpoint-$1 counter
	with_ghostkeep
	# shellcheck disable=SC2086 # words
	start_container "$runtime" "$name" $GHOSTS
	counter=$(counter_of "$runtime" "$name")
	at_exit podman rmi -f "$image"
	expect_ok podman --runtime "${runtime#podman-}" container checkpoint --create-image "$image" "$name"
	delete_container "$runtime" "$name"
	restored "${runtime#podman-}" "$name" "$counter" "$image"
}

compressed() {
	local runtime=$1 way=$2 magic=$3 name=$2-$1 archive=$WORK/$2-$1.tar counter
	with_ghostkeep
	# shellcheck disable=SC2086 # words
	start_container "$runtime" "$name" $GHOSTS
	counter=$(counter_of "$runtime" "$name")
	at_exit rm -f "$archive"
	expect_ok podman container checkpoint --compress "$way" --export "$archive" "$name"
	[ "$(od -An -tx1 -N "$((${#magic} / 2))" "$archive" | tr -d ' ')" = "$magic" ] || fail "$archive is not $way"
	delete_container "$runtime" "$name"
	restored "/usr/bin/${runtime#podman-}" "$name" "$counter" --import "$archive"
}

# The pod's own container runs the workload as well, because Debian's podman brings no pause program. Podman does
# not checkpoint that one.
in_a_pod() {
	local runtime=$1 pod=pod-$1 name counters=()
	with_ghostkeep
	podman_image
	at_exit podman pod rm -f -t 0 "$pod"
	expect_ok podman --runtime "/usr/bin/${runtime#podman-}" pod create --name "$pod" --network host \
		--share ipc,uts --infra-image "$IMAGE" --infra-command '/ghost-workload run /data small'
	# shellcheck disable=SC2034 # for podman_run
	PODMAN_RUN_OPTIONS=(--pod "$pod")
	start_container "$runtime" "$pod-a" hole-64m-4m shared
	start_container "$runtime" "$pod-b" hole-1g-2m deleted-exe
	for name in "$pod-a" "$pod-b"; do
		counters+=("$(counter_of "$runtime" "$name")")
	done
	expect_ok podman container checkpoint "$pod-a" "$pod-b"
	for name in "$pod-a" "$pod-b"; do
		expect_sealed "$(images_of "$runtime" "$name")"
	done
	expect_ok podman container restore "$pod-a" "$pod-b"
	expect_continued "$runtime" "$pod-a" "${counters[0]}"
	expect_continued "$runtime" "$pod-b" "${counters[1]}"
	check_verdict "$runtime" "$pod-a"
	check_verdict "$runtime" "$pod-b"
}

lower_image() {
	local rootfs=$WORK/lower-rootfs
	make_python_rootfs "$rootfs"
	mkdir -p "$rootfs/lower"
	head -c 5000000 /dev/urandom >"$rootfs/lower/file"
	head -c 3000000 /dev/urandom >"$rootfs/lower/library"
	cp "$WORKLOAD" "$rootfs/lower/program"
	truncate -s 2M "$rootfs/lower/program"
	head -c 1500000 /dev/urandom >>"$rootfs/lower/program"
	tar -C "$rootfs" -c . | expect_ok podman import - "$1"
	rm -rf "$rootfs"
}

# from_lower_layer RUNTIME stock|gate: says who restores them.
from_lower_layer() {
	local runtime=$1 by=$2 name=lower-$2-$1 images PYTHON_IMAGE=localhost/lower
	with_ghostkeep
	podman image exists "$PYTHON_IMAGE" || lower_image "$PYTHON_IMAGE"
	start_python "$runtime" "$name" ready lower.py
	expect_same "$runtime" "$name"
	images=$(images_of "$runtime" "$name")
	expect_ok podman container checkpoint --keep "$name"
	expect_sealed "$images"
	expect_ok ghostkeep show -v -D "$images" | tee "$LOGS.show"
	for ghost in file library program; do
		expect_line "$LOGS.show" "unlinked .* /lower/$ghost\$"
	done
	[ "$by" = gate ] || without_gate
	restore_container "$runtime" "$name" "$images"
	expect_same "$runtime" "$name"
}

expect_same() {
	local runtime=$1 name=$2 data
	data=$(data_of "$runtime" "$name")
	rm -f "$data/seen"
	: >"$data/look"
	wait_for 60 "look of $name" test -e "$data/seen"
	cat "$data/seen"
	[ "$(grep -c '^same ' "$data/seen")" = "$(wc -l <"$data/seen")" ] || fail "$name: $(grep -m 1 other "$data/seen")"
}

for runtime in podman-crun podman-runc; do
	check "$runtime" "into an image and back" through_an_image "$runtime"
	check "$runtime" "--compress zstd" compressed "$runtime" zstd 28b52ffd
	check "$runtime" "--compress gzip" compressed "$runtime" gzip 1f8b
	check "$runtime" "two containers of a pod" in_a_pod "$runtime"
	check "$runtime" "files of a lower layer, restored by the gate" from_lower_layer "$runtime" gate
	check "$runtime" "files of a lower layer, restored by CRIU alone" from_lower_layer "$runtime" stock
done
