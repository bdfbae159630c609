# shellcheck shell=sh disable=SC2034
# What the lab's machines are made of, one for each suite of Debian. The cache key of an
# image is the hash of the suite's name and this file: any change here makes new images, nothing else does.

# trixie is Debian 13. forky is the one after it and moves on: an image keeps what was there when
# it was built, and its file `versions` says what that was.
LAB_SUITES='trixie forky'
LAB_DISK_SIZE=6G

# criu and the three runtimes are what is tested; crit (python3-pycriu) decodes
# images; ssh and certificates are what ghosts are moved by; nfs-*, xfsprogs, btrfs-progs make the file systems that differ;
# rpm installs and upgrades our .rpm.
LAB_PACKAGES='
	linux-image-cloud-amd64 kmod udev initramfs-tools
	criu libcriu2 python3-pycriu
	runc crun podman conmon containerd
	nodejs jq busybox-static lsof strace
	nfs-kernel-server nfs-common xfsprogs btrfs-progs e2fsprogs fuse-overlayfs fuse3
	iproute2 procps util-linux openssh-server openssh-client openssl
	rpm
'

# Docker takes 130 MB, so one suite has it.
LAB_PACKAGES_TRIXIE='docker.io docker-cli'

# checkpointctl, which shows what is in a checkpoint, is not in trixie.
LAB_PACKAGES_FORKY=checkpointctl

# It has api.proto, by which kubelet talks to containerd. Only that file is taken, into LAB_CRI_API.
LAB_CRI_API_PACKAGE=golang-k8s-cri-api-dev
LAB_CRI_API=usr/share/cri-api

# Programs whose versions are worth a line in a report.
LAB_VERSIONS='criu runc crun podman containerd nodejs'

# The emulator, with its own loader and libraries, so that every host and every suite has the
# same one, Debian 13's. Debian 12's, 7.2, needs three times the processor for a fork, an
# exec or a mount, and for a scenario a third more.
LAB_EMULATOR_SUITE=trixie
LAB_EMULATOR='qemu-system-x86 seabios'

recipe_packages() {
	case $1 in
	trixie) echo "$LAB_PACKAGES $LAB_PACKAGES_TRIXIE" ;;
	forky) echo "$LAB_PACKAGES $LAB_PACKAGES_FORKY" ;;
	*) echo "$LAB_PACKAGES" ;;
	esac
}

# The machine has one disk controller and one root file system. An initrd
# with only their modules boots in a few seconds under emulation.
recipe_before_packages() {
	root=$1
	mkdir -p "$root/etc/initramfs-tools/conf.d"
	printf 'MODULES=list\nCOMPRESS=gzip\n' \
		>"$root/etc/initramfs-tools/conf.d/zz-lab"
	printf 'virtio_pci\nvirtio_blk\next4\ncrc32c\n' \
		>"$root/etc/initramfs-tools/modules"
}

recipe_after_packages() {
	root=$1
	suite=$2
	[ "$suite" != forky ] || recipe_cri_api "$root"
	# shellcheck disable=SC2016,SC2086 # dpkg-query's own variables; words
	dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${Package} ${Version}\n' \
		$LAB_VERSIONS >"$root/versions"
	rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* \
		"$root"/usr/share/locale/* "$root"/usr/share/info/* \
		"$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	echo ghostkeep-lab >"$root/etc/hostname"
	: >"$root/etc/resolv.conf"
	recipe_init >"$root/sbin/lab-init"
	chmod 755 "$root/sbin/lab-init"
}

# mmdebstrap tells its hooks by which configuration apt outside works for the tree.
recipe_cri_api() {
	mkdir -p "$1/$LAB_CRI_API/package"
	(
		cd "$1/$LAB_CRI_API" &&
		APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q download "$LAB_CRI_API_PACKAGE" &&
		dpkg-deb --extract "$LAB_CRI_API_PACKAGE"_*.deb package &&
		mv package/usr/share/gocode/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto .
	) || return 1
	rm -r "$1/$LAB_CRI_API/package" "$1/$LAB_CRI_API/$LAB_CRI_API_PACKAGE"_*.deb
}

# The disk's own init knows nothing: what runs comes with the second disk.
recipe_init() {
	cat <<-'INIT'
	#!/bin/sh
	mkdir -p /lab
	mount -t ext4 /dev/vdb /lab && exec /lab/test/lab/guest/init
	echo "lab-init: no second disk"
	echo o >/proc/sysrq-trigger
	sleep 60
	INIT
}
