# shellcheck shell=bash
# weight: 60
# suites: forky
# native: only
# needs: image
# The DaemonSet's container, started by containerd's CRI from the image that was made without an engine: it installs
# ghostkeep on the node (this machine), kubelet's checkpoint call works, and nothing stays when the pod is removed.
# shellcheck source-path=SCRIPTDIR source=../cri.sh
. "$GUEST/cri.sh"
# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

NODE_IMAGE=localhost/ghostkeep:$(jq -r .version /lab/package.json)
NOTE=/var/lib/ghostkeep/installed-by-daemonset

image_tar() {
	echo "/lab/build/ghostkeep-$(jq -r .version /lab/package.json)-amd64.$1.tar"
}

# The container of packaging/kubernetes/daemonset.yaml, as kubelet asks the CRI for it.
container_config() {
	if [ "$1" != "$NODE_IMAGE" ]; then
		worker_config "$@"
		return
	fi
	jq -nc --arg image "$1" --argjson linux "$CRI_LINUX" '{
		metadata: {name: "worker"}, image: {image: $image}, command: ["/bin/sh", "/node"], log_path: "worker.log",
		linux: ($linux * {security_context: {run_as_user: {value: 0}, no_new_privs: true, capabilities:
			{drop_capabilities: ["ALL"], add_capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SYS_CHROOT"]}}}),
		mounts: [{container_path: "/host", host_path: "/"}]
	}'
}

worker_config() {
	jq -nc --arg image "$1" --argjson linux "$CRI_LINUX" --args '{
		metadata: {name: "worker"}, image: {image: $image}, $linux, command: $ARGS.positional, log_path: "worker.log",
		envs: [{key: "PATH", value: ("/usr/bin" | @base64)}],
		mounts: [{container_path: "/usr", host_path: "/usr", readonly: true}]
	}' -- "${@:2}"
}

host_files() {
	find /usr /etc /var/lib -xdev -path /var/lib/lab -prune -o -path /var/lib/containers -prune -o -path /etc/ld.so.cache -o \
		\( -type d -printf '%p %m\n' -o -printf '%p %s %m %l\n' \) | sort
}

node_says() {
	cat "$WORK/node.logs/worker.log" 2>/dev/null
}

on_the_node() {
	local said=$WORK/node.logs/worker.log sum
	[ ! -e /usr/local/lib/ghostkeep/installed ] || uninstall_ghostkeep
	with_cri
	run_block docs/kubernetes.md 1 "s|import |import /lab/build/|"
	host_files >"$WORK/before.txt"
	start_in_pod node "$NODE_IMAGE"
	wait_for 120 "ghostkeep on the node" nsenter_test /proc/"$(cat "$WORK/node/pid")"/root/tmp/ready
	keep_log "$said"
	[ -e "$NOTE" ] || fail 'there is no note on the node'
	expect_ok /usr/local/bin/ghostkeep --version
	[ -e "$GATE" ] || fail "there is no gate at $GATE"

	start_in_pod kept "$CRI_IMAGE" /usr/bin/sh -c "exec /ghost-workload run /data dense-64m deleted-exe"
	wait_for 60 "ghosts in kept" data_has containerd kept ready
	expect_ok checkpoint_in_pod kept "$WORK/kept.tar"
	mkdir "$WORK/kept.unpacked"
	tar -C "$WORK/kept.unpacked" -xf "$WORK/kept.tar"
	expect_ok ghostkeep verify "$WORK/kept.unpacked/checkpoint"
	[ "$(jq '.ghosts | length' "$WORK/kept.unpacked/checkpoint/ghostkeep-manifest.json")" = 2 ] || fail 'not two ghosts'
	expect_alive containerd kept
	remove_pod kept

	# kubelet stops the container before it removes the pod.
	cri StopContainer "$(about_container node | jq -c '. + {timeout: 60}')"
	host_files >"$WORK/after.txt"
	diff "$WORK/before.txt" "$WORK/after.txt" || fail 'the DaemonSet left something on the node'
	sum=$(node_says | grep -c 'is installed')
	[ "$sum" = 1 ] || fail "install.sh ran $sum times"
}

nsenter_test() {
	[ -e "$1" ]
}

# Whoever has installed ghostkeep keeps it.
foreign_installation() {
	with_ghostkeep
	with_cri
	ctr_has_image "$NODE_IMAGE" || expect_ok ctr image import "$(image_tar oci)"
	start_in_pod node "$NODE_IMAGE"
	wait_for 120 "the pod" nsenter_test /proc/"$(cat "$WORK/node/pid")"/root/tmp/ready
	[ ! -e "$NOTE" ] || fail 'it took an installation of somebody else for its own'
	cri StopContainer "$(about_container node | jq -c '. + {timeout: 60}')"
	expect_ok /usr/local/bin/ghostkeep --version
	[ -e "$GATE" ] || fail 'the gate is gone'
}

podman_imports() {
	expect_ok podman import "$(image_tar rootfs)" localhost/ghostkeep-rootfs:1
	at_exit podman rmi localhost/ghostkeep-rootfs:1
	[ "$(bounded podman run --rm --network none localhost/ghostkeep-rootfs:1 /bin/busybox ls /ghostkeep/install.sh)" = /ghostkeep/install.sh ] ||
		fail 'the image has no install.sh'
}

check containerd "installs on the node, and kubelet's checkpoint call works" on_the_node
check containerd "leaves the installation of somebody else alone" foreign_installation
check podman-runc "podman takes the same root" podman_imports
