# shellcheck shell=bash
# Pods by containerd's CRI, called as kubelet calls it (programs/cri.ts). CRI_NAME stands for the only container
# of the pod; pid_of and data_of find it as `containerd CRI_NAME`.

export CONTAINERD_NAMESPACE=k8s.io
# shellcheck source-path=SCRIPTDIR source=containerd.sh
. "$GUEST/containerd.sh"
# shellcheck source-path=SCRIPTDIR source=python.sh
. "$GUEST/python.sh"

CRI_IMAGE=localhost:5000/python-and-workload:1
CRI_PAUSE=localhost/pause:1

# The lab may not lower oom_score_adj (it has no CAP_SYS_RESOURCE), and has no cgroup controllers.
with_cri() {
	make_runc_without_resources
	# shellcheck disable=SC2034 # for containerd.sh
	CONTAINERD_PLUGINS="[plugins.\"io.containerd.grpc.v1.cri\"]
	  sandbox_image = \"$CRI_PAUSE\"
	  restrict_oom_score_adj = true
	[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]
	  runtime_type = \"io.containerd.runc.v2\"
	[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]
	  BinaryName = \"$RUNC_WITHOUT_RESOURCES\""
	with_containerd
	import_image "$CRI_PAUSE" make_pause_rootfs /busybox sleep 1000000
	with_registry
	cri PullImage "$(jq -nc --arg image "$CRI_IMAGE" '{image: {$image}}')" || fail "cannot pull $CRI_IMAGE"
}

# CreateContainer pulls the image of a checkpoint anew by its digest, so there has to be a registry.
with_registry() {
	local layout=$WORK/registry
	if [ ! -e "$layout" ]; then
		make_pod_rootfs "$WORK/registry-rootfs"
		make_layout "$layout" "$WORK/registry-rootfs" "$CRI_IMAGE"
	fi
	python3 "$GUEST/programs/registry.py" 5000 "$layout" </dev/null >"$WORK/registry.log" 2>&1 &
	at_exit kill $!
	wait_for 20 registry timeout 1 bash -c ': </dev/tcp/127.0.0.1/5000' 2>/dev/null
}

# The CRI gives every pod a share of the processor, which runc cannot set here. So it is taken out of the
# bundle's config.json before runc reads it.
RUNC_WITHOUT_RESOURCES=/usr/local/bin/runc-without-resources
make_runc_without_resources() {
	cat >"$RUNC_WITHOUT_RESOURCES" <<-'SCRIPT'
	#!/bin/bash
	for ((i = 1; i < $#; i++)); do
		[ "${!i}" = --bundle ] || continue
		next=$((i + 1))
		config=${!next}/config.json
		jq 'del(.linux.resources.cpu)' "$config" >"$config.new" && mv "$config.new" "$config"
	done
	exec runc "$@"
	SCRIPT
	chmod 755 "$RUNC_WITHOUT_RESOURCES"
}

make_pause_rootfs() {
	make_rootfs "$1"
	cp /bin/busybox "$1/"
}

make_pod_rootfs() {
	make_python_rootfs "$1"
	cp "$WORKLOAD" "$1/ghost-workload"
}

# cri METHOD REQUEST
cri() {
	timeout 310 node /lab/build/cri.cjs "$@"
}

# The namespaces are those of kubelet for a pod in the host's network, because there is no other network here.
CRI_LINUX='{"security_context": {"namespace_options": {"network": "NODE", "pid": "CONTAINER", "ipc": "POD"}}}'

pod_config() {
	jq -nc --arg name "$1" --arg logs "$WORK/$1.logs" --argjson linux "$CRI_LINUX" '{
		metadata: {name: $name, uid: $name, namespace: "lab"}, log_directory: $logs, $linux
	}'
}

# container_config IMAGE PROGRAM…: a container of that pod. Bytes are base64 in JSON.
container_config() {
	jq -nc --arg image "$1" --argjson linux "$CRI_LINUX" --args '{
		metadata: {name: "worker"}, image: {image: $image}, $linux, command: $ARGS.positional, log_path: "worker.log",
		envs: [{key: "PATH", value: ("/usr/bin" | @base64)}, {key: "LANG", value: ("C.UTF-8" | @base64)}],
		mounts: [{container_path: "/usr", host_path: "/usr", readonly: true}]
	}' -- "${@:2}"
}

# start_in_pod NAME IMAGE PROGRAM…: IMAGE may be a checkpoint. The CRI asks for a program then, too, and does not
# run it.
start_in_pod() {
	create_in_pod "$@"
	cri StartContainer "$(about_container "$1")" || fail "cannot start the container in $1"
	timeout 10 ctr task ls | awk -v id="$(cat "$WORK/$1.container")" '$1 == id { print $2 }' >"$WORK/$1/pid"
}

create_in_pod() {
	local name=$1 pod container
	mkdir -p "$WORK/$name"
	pod=$(cri RunPodSandbox "$(jq -nc --argjson config "$(pod_config "$name")" '{$config}')" | jq -r .pod_sandbox_id)
	[ -n "$pod" ] || fail "no pod $name"
	echo "$pod" >"$WORK/$name.pod"
	at_exit remove_pod "$name"
	container=$(cri CreateContainer "$(jq -nc --arg pod "$pod" --argjson config "$(container_config "${@:2}")" \
		--argjson pod_config "$(pod_config "$name")" \
		'{pod_sandbox_id: $pod, $config, sandbox_config: $pod_config}')" | jq -r .container_id)
	[ -n "$container" ] || fail "no container in $name"
	echo "$container" >"$WORK/$name.container"
}

about_container() {
	jq -nc --arg container_id "$(cat "$WORK/$1.container")" '{$container_id}'
}

remove_pod() {
	local pod
	[ -e "$WORK/$1.pod" ] || return 0
	[ ! -e "$WORK/$1.container" ] || keep_log "$CONTAINERD_TASKS/$(cat "$WORK/$1.container")/criu-dump.log"
	pod=$(jq -nc --arg pod_sandbox_id "$(cat "$WORK/$1.pod")" '{$pod_sandbox_id}')
	cri StopPodSandbox "$pod"
	cri RemovePodSandbox "$pod"
	rm -rf "${WORK:?}/$1" "$WORK/$1".*
}

# checkpoint_in_pod NAME TAR
checkpoint_in_pod() {
	cri CheckpointContainer "$(about_container "$1" | jq -c --arg location "$2" '. + {$location}')"
}

# make_bundle_of TAR_FOLDER NAME SHM: makes a bundle of what is in the unpacked tar, as if there were no
# containerd: the image's rootfs, what the container has changed in it, and its specification. What lay in the
# pod's own folders comes from the bundle, and /dev/shm is SHM.
make_bundle_of() {
	local from=$1 bundle=$WORK/$2 file
	make_pod_rootfs "$bundle/rootfs"
	tar -C "$bundle/rootfs" -xf "$from/rootfs-diff.tar"
	for file in hostname hosts resolv.conf; do
		: >"$bundle/$file"
	done
	jq --arg bundle "$bundle" --arg shm "$3" '
		del(.linux.cgroupsPath)
		| .linux.namespaces |= map(if .type == "network" then .path = "/proc/1/ns/net" else del(.path) end)
		| .mounts |= map(
			if .destination == "/dev/shm" then .source = $shm
			elif (.source | contains("/sandboxes/")) then .source = "\($bundle)/\(.source | split("/") | last)"
			else . end)' "$from/spec.dump" >"$bundle/config.json"
}
