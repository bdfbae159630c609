# shellcheck shell=bash
# shellcheck disable=SC2154 # shares its variables with packaging/build
# Makes the container image of the DaemonSet without a container engine: a tar of its root, for `podman import`, and
# the same as an OCI image layout, for `ctr images import` and `podman load`. In it are what install.sh needs, busybox, and node.sh.
# Source: OCI image-spec, image-layout.md, config.md, manifest.md.

make_image() {
	local root=$work/rootfs layout=$work/layout stem=$out/ghostkeep-$version-$arch
	mkdir -p "$root"/{bin,host,tmp,ghostkeep/build,ghostkeep/node_modules}
	find_busybox "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	install -m 755 -T "$here/kubernetes/node.sh" "$root/node"
	copy_what_installs "$root/ghostkeep"
	find "$root" -exec touch -hd "@$(date_of_change)" {} +
	tar --sort=name --owner=0 --group=0 --numeric-owner -C "$root" -cf "$stem.rootfs.tar" .
	echo "$stem.rootfs.tar"
	make_layout "$layout" "$stem.rootfs.tar"
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime "@$(date_of_change)" -C "$layout" -cf "$stem.oci.tar" .
	echo "$stem.oci.tar"
}

# The parts that install.sh takes on a host without a compiler and without Node.js.
copy_what_installs() {
	local to=$1 part
	for part in dist hooks schemas install install.sh package.json LICENSE; do
		cp -a "$source/$part" "$to/"
	done
	for part in ghostkeep koffi.node libghostkeep.so ghostkeep.so ghostkeep-hook ghost-workload; do
		cp -a "$source/build/$part" "$to/build/"
	done
	cp -a "$source/node_modules/koffi" "$source/node_modules/@koromix" "$to/node_modules/"
	rm -rf "$to"/node_modules/@koromix/koffi-linux-*/musl_* "$to"/node_modules/koffi/{vendor,doc,src}
	find "$to" -name '*.map' -delete
}

# find_busybox FILE: this host's, if it is static and for ARCH, else Debian's package.
find_busybox() {
	local package
	if [ "$arch" = "$(dpkg --print-architecture)" ] && [ -x /bin/busybox ] && ! readelf -l /bin/busybox | grep -q INTERP; then
		cp /bin/busybox "$1"
		return
	fi
	mkdir -p "$work/apt"/{state,cache}
	: >"$work/apt/status"
	(
		cd "$work/apt"
		set -- -q -o Dir::State="$work/apt/state" -o Dir::State::status="$work/apt/status" -o Dir::Cache="$work/apt/cache" \
			-o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Sandbox::User=root
		apt-get "$@" update && apt-get "$@" download busybox-static
	) >&2 || fail "cannot download busybox-static for $arch from Debian"
	package=$(find "$work/apt" -name 'busybox-static_*.deb')
	dpkg-deb --fsys-tarfile "$package" | tar -xOf - --wildcards './*bin/busybox' >"$1"
	chmod 755 "$1"
}

# make_layout FOLDER TAR: an image with TAR as its only layer, which runs /node.
make_layout() {
	local layout=$1 layer config manifest plain
	mkdir -p "$layout/blobs/sha256"
	plain=$(sha256sum <"$2")
	gzip -6nc "$2" >"$layout/blob"
	layer=$(add_blob "$layout" application/vnd.oci.image.layer.v1.tar+gzip)
	printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/bin/sh","/node"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$arch" "${plain%% *}" >"$layout/blob"
	config=$(add_blob "$layout" application/vnd.oci.image.config.v1+json)
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
		"$config" "$layer" >"$layout/blob"
	manifest=$(add_blob "$layout" application/vnd.oci.image.manifest.v1+json)
	printf '{"schemaVersion":2,"manifests":[%s,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
		"${manifest%\}}" "localhost/ghostkeep:$version" "$version" >"$layout/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
}

# Moves the layout's file `blob` to its place and prints its descriptor.
add_blob() {
	local layout=$1 type=$2 sum
	sum=$(sha256sum <"$layout/blob")
	sum=${sum%% *}
	printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$type" "$sum" "$(stat -c %s "$layout/blob")"
	mv "$layout/blob" "$layout/blobs/sha256/$sum"
}
