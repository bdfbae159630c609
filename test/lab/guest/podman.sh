# shellcheck shell=bash
# Settings of podman for a machine without systemd: it keeps its cgroups by itself and logs to files. It sets a
# limit of processes only where cgroup v2 has that controller.
configure_podman() {
	mkdir -p /etc/containers
	cat >/etc/containers/containers.conf <<-CONF
	[engine]
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	[containers]
	netns = "host"
	log_driver = "k8s-file"
	$(grep -qw pids /sys/fs/cgroup/cgroup.controllers || echo pids_limit = 0)
	CONF
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
}
