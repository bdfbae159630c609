# shellcheck shell=bash
# containerd, started by the scenario itself, with what it keeps on the lab's disk. Its containers are started
# with `ctr`. pid_of and data_of find them under the runtime's name `containerd`.

CTR_IMAGE=localhost/ghost-workload:latest
CTR_NAMESPACE=${CONTAINERD_NAMESPACE:-default}
CONTAINERD_TEMP=$WORK/containerd-temp
CONTAINERD_TASKS=/run/containerd/io.containerd.runtime.v2.task/$CTR_NAMESPACE
CONTAINERD_WORK=$WORK/containerd/io.containerd.runtime.v2.task/$CTR_NAMESPACE

# CONTAINERD_TEMP is its temporary folder, in which CRIU writes.
with_containerd() {
	local config=$WORK/containerd.toml
	mkdir -p "$CONTAINERD_TEMP"
	containerd_config >"$config"
	TMPDIR=$CONTAINERD_TEMP setsid containerd --config "$config" </dev/null >"$WORK/containerd.log" 2>&1 &
	at_exit stop_containerd $!
	wait_for 20 containerd ctr_answers
}

CONTAINERD_PLUGINS=
containerd_config() {
	cat <<-CONF
	version = 2
	root = "$WORK/containerd"
	state = "/run/containerd"
	$CONTAINERD_PLUGINS
	CONF
}

stop_containerd() {
	keep_log "$WORK/containerd.log"
	kill "$1"
	wait "$1"
	rm -rf "$CONTAINERD_TEMP"
}

ctr_answers() {
	timeout 5 ctr version >/dev/null 2>&1
}

ctr_has_image() {
	timeout 10 ctr image ls -q | grep -xF "$1"
}

# import_image NAME MAKE_ROOTFS PROGRAM…: an image with one layer, filled by MAKE_ROOTFS, that runs PROGRAM.
import_image() {
	local layout=$WORK/layout name=$1
	! ctr_has_image "$name" || return 0
	rm -rf "$layout" "$WORK/layout-rootfs"
	"$2" "$WORK/layout-rootfs"
	make_layout "$layout" "$WORK/layout-rootfs" "$name" "${@:3}"
	tar -C "$layout" -cf "$WORK/layout.tar" .
	expect_ok ctr image import "$WORK/layout.tar"
}

# make_layout LAYOUT ROOTFS NAME PROGRAM…: makes an OCI image layout (image-layout.md) without any tool for it.
make_layout() {
	local layout=$1 rootfs=$2 name=$3 layer config manifest
	shift 3
	mkdir -p "$layout/blobs/sha256"
	tar -C "$rootfs" -cf "$layout/blob" .
	layer=$(add_blob "$layout" application/vnd.oci.image.layer.v1.tar)
	jq -n --args --argjson layer "$layer" '{
		architecture: "amd64", os: "linux", config: {Entrypoint: $ARGS.positional, Env: ["PATH=/"]},
		rootfs: {type: "layers", diff_ids: [$layer.digest]}
	}' "$@" >"$layout/blob"
	config=$(add_blob "$layout" application/vnd.oci.image.config.v1+json)
	jq -n --argjson layer "$layer" --argjson config "$config" '{
		schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", $config, layers: [$layer]
	}' >"$layout/blob"
	manifest=$(add_blob "$layout" application/vnd.oci.image.manifest.v1+json)
	jq -n --arg name "$name" --argjson manifest "$manifest" '{
		schemaVersion: 2, manifests: [$manifest + {annotations: {"io.containerd.image.name": $name}}]
	}' >"$layout/index.json"
	echo '{"imageLayoutVersion": "1.0.0"}' >"$layout/oci-layout"
}

# Moves the layout's file `blob` to its place and prints its descriptor.
add_blob() {
	local layout=$1 type=$2 sum size
	sum=$(sha256sum <"$layout/blob")
	sum=${sum%% *}
	size=$(stat -c %s "$layout/blob")
	mv "$layout/blob" "$layout/blobs/sha256/$sum"
	jq -nc --arg mediaType "$type" --arg digest "sha256:$sum" --argjson size "$size" '{$mediaType, $digest, $size}'
}

# ctr_run NAME KIND…: starts the workload. There is no cgroup controller for shares of the processor here, so
# none are asked for.
ctr_run() {
	local name=$1
	shift
	import_image "$CTR_IMAGE" make_rootfs /ghost-workload
	at_exit ctr_delete "$name"
	expect_ok ctr run -d --cpu-shares 0 --net-host "$CTR_IMAGE" "$name" /ghost-workload run /data "$@"
	note_pid "$name"
	wait_for 60 "ghosts in $name" data_has containerd "$name" ready
}

note_pid() {
	mkdir -p "$WORK/$1"
	timeout 10 ctr task ls | awk -v name="$1" '$1 == name { print $2 }' >"$WORK/$1/pid"
}

ctr_delete() {
	keep_log "$CONTAINERD_TASKS/$1/criu-dump.log" \
		"$CONTAINERD_WORK/$1/restore.log"
	timeout 30 ctr task rm -f "$1"
	timeout 30 ctr container rm "$1"
	rm -rf "${WORK:?}/$1"
}

# ctr_restore NAME CHECKPOINT: `ctr containers restore` cannot say what CRIU said, so its log is printed.
ctr_restore() {
	local name=$1 log=$CONTAINERD_WORK/$1/restore.log
	at_exit ctr_delete "$name"
	(expect_ok ctr containers restore --rw --live "$name" "$2") || {
		tail -n 30 "$log"
		fail "ctr containers restore failed: $(grep -a Error "$log" | head -n 1)"
	}
	note_pid "$name"
}

# unpack_checkpoint IMAGE FOLDER: takes CRIU's images out of containerd's content store.
unpack_checkpoint() {
	has_checkpoint "$1" || fail "the image $1 has no checkpoint in it"
	mkdir -p "$2"
	timeout 60 ctr content get "$(checkpoint_layer "$1")" | tar -C "$2" -xf -
}

has_checkpoint() {
	[ -n "$(checkpoint_layer "$1")" ]
}

# Prints the digest of the layer that CRIU's images are in, or nothing.
checkpoint_layer() {
	local index
	index=$(timeout 10 ctr image ls | awk -v name="$1" '$1 == name { print $3 }')
	timeout 10 ctr content get "$index" | jq -r '.manifests[]
		| select(.mediaType == "application/vnd.containerd.container.criu.checkpoint.criu.tar") | .digest'
}
