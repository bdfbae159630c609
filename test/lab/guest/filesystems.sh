# shellcheck shell=bash
# The file systems of docs/filesystems.md. Each is made when it is first asked for: loop devices, mounts over
# them, and NFS exports of this same machine.

FS=/srv/fs
ROOM=/dev/vdd	# run-lab --extents: for millions
# shellcheck disable=SC2034 # for scenarios
FILESYSTEMS='ext4 ext4-inline xfs btrfs btrfs-subvolume btrfs-zstd tmpfs
	overlay-upper overlay-copied-up overlay-lower fuse-overlayfs
	nfs3 nfs3-squash nfs4.2 nfs4.2-squash'
[ -z "${LAB_FILESYSTEMS:-}" ] || FILESYSTEMS=${LAB_FILESYSTEMS//,/ }

# make_filesystem NAME: mounts the file system on $FS/NAME, unless that is done already.
make_filesystem() {
	local name=$1
	[ ! -e "$FS/$name.made" ] || return 0
	mkdir -p "$FS/$name"
	case $name in
	ext4) loop_mount ext4 mkfs.ext4 -q -O ^inline_data ;;
	ext4-inline) loop_mount ext4-inline mkfs.ext4 -q -O inline_data -I 256 ;;
	xfs) loop_mount xfs mkfs.xfs -q -m reflink=1 ;;
	btrfs) loop_mount btrfs mkfs.btrfs -q ;;
	btrfs-subvolume) mount_subvolume ;;
	btrfs-zstd) loop_mount btrfs-zstd mkfs.btrfs -q
		mount -o remount,compress=zstd "$FS/btrfs-zstd" ;;
	tmpfs) mount -t tmpfs -o size=900M fs "$FS/tmpfs" ;;
	overlay-*) make_filesystem ext4	# before its layers are made on it
		overlay_mount "$name" "lowerdir=$(layer "$name" lower)" ;;
	fuse-overlayfs) fuse_mount ;;
	nfs3) nfs_mount nfs3 no_root_squash vers=3,nolock ;;
	nfs3-squash) nfs_mount nfs3-squash root_squash vers=3,nolock ;;
	nfs4.2) nfs_mount nfs4.2 no_root_squash vers=4.2 ;;
	nfs4.2-squash) nfs_mount nfs4.2-squash root_squash vers=4.2 ;;
	esac || fail "cannot make $name"
	mountpoint -q "$FS/$name" || fail "$name is not mounted"
	: >"$FS/$name.made"
}

# loop_mount NAME MKFS…
loop_mount() {
	local name=$1 size=1G disk
	shift
	disk=$WORK/$name.disk
	if [ -b "$ROOM" ]; then
		mountpoint -q "$FS/room" || { mkfs.xfs -q "$ROOM" && mkdir -p "$FS/room" && mount "$ROOM" "$FS/room"; }
		disk=$FS/room/$name.disk
		size=20G
	fi
	truncate -s "$size" "$disk"
	"$@" "$disk" && mount -o loop "$disk" "$FS/$name"
}

# A subvolume is mounted by itself, so that stat shows another device than the mount has.
mount_subvolume() {
	make_filesystem btrfs
	btrfs -q subvolume create "$FS/btrfs/volume" &&
		mount -o subvol=volume "$(findmnt -no SOURCE --nofsroot "$FS/btrfs")" "$FS/btrfs-subvolume"
}

# image_arguments NAME: prints the arguments for engine-cases. Over NFS to this same machine every byte costs
# two, so images, which have a case of their own there, go onto a disk. A million extents are made on the
# server's side, because their writes alone would take half an hour over NFS.
image_arguments() {
	case $1 in
	nfs*) echo --images "$(layer "$1" images)"
		[ ! -b "$ROOM" ] || echo --lower "$(layer "$1" export)" ;;
	esac
}

layer() {
	mkdir -p "$FS/ext4/$1/$2"
	echo "$FS/ext4/$1/$2"
}

overlay_mount() {
	mount -t overlay overlay "$FS/$1" \
		-o "$2,upperdir=$(layer "$1" upper),workdir=$(layer "$1" work)"
}

fuse_mount() {
	make_filesystem ext4
	fuse-overlayfs -o "lowerdir=$(layer fuse lower),upperdir=$(layer fuse upper),workdir=$(layer fuse work)" \
		"$FS/fuse-overlayfs"
}

# nfs_mount NAME SQUASH OPTIONS: mounts an export of its own, which belongs to the user whom the server takes
# root for.
nfs_mount() {
	local name=$1 folder
	make_filesystem ext4
	folder=$(layer "$name" export)
	chmod 1777 "$folder"
	[ "$2" != root_squash ] || chown nobody:nogroup "$folder"
	start_nfs_server
	exportfs -o "rw,no_subtree_check,insecure,$2,fsid=$(cksum <<<"$name" | cut -c1-4)" \
		"127.0.0.1:$folder" &&
		timeout 60 mount -t nfs -o "$3,proto=tcp,soft,timeo=100" "127.0.0.1:$folder" "$FS/$name"
}

# There is no systemd, so this starts what its units would start.
start_nfs_server() {
	[ ! -e /run/nfs-server ] || return 0
	modprobe nfsd
	mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
	mkdir -p /run/rpcbind /var/lib/nfs/rpc_pipefs /var/lib/nfs/v4recovery
	rpcbind -w 2>/dev/null || rpcbind || return
	rpc.mountd || return
	rpc.nfsd -G 10 -L 10 4 || rpc.nfsd 4 || return
	: >/run/nfs-server
}
