# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shares its variables with packaging/build and the parts of install.sh
# Makes the tree that both packages carry, in $work/tree, by the functions that install.sh uses.

stage_tree() {
	source=$top
	cross=''
	sh "$top/scripts/setup" >&2
	if [ "$arch" != "$(dpkg --print-architecture)" ]; then
		source=$work/source
		cross_build "$source"
	fi
	[ -x "$source/build/ghostkeep" ] || fail "there is no executable for $arch: npm has no Bun for it"
	(place_tree "$source")
	add_documents
}

# In a subshell, because the parts of install.sh have variables and a trap of their own.
place_tree() {
	local part
	top=$1 destdir=$work/tree prefix=/usr start_stage=prestart
	lib=$prefix/lib/ghostkeep libexec=$prefix/libexec/ghostkeep launcher=$prefix/bin/ghostkeep
	hooks_d=/usr/share/containers/oci/hooks.d
	CONFIG=/etc/ghostkeep/config.json
	record=$lib/installed
	for part in find mounts trust parts place; do
		# shellcheck source=/dev/null
		. "$top/install/$part.sh"
	done
	node='' command="'$lib/build/ghostkeep'"
	# shellcheck disable=SC2317 # install/ calls it
	read_file() { "$(command -v node || command -v nodejs)" "$top/install/read.cjs" "$@"; }
	make -s -C "$top/native/gate" BUILD="$work/gate" HELPER="$launcher" ${cross:+CC="$cross"} >&2
	place_program
	place_hooks
	place_config
	place 755 "$work/gate/ghostkeep.so" "$lib/build/ghostkeep.so"
	place 644 "$here/logrotate" /etc/logrotate.d/ghostkeep
	commit
	leave_out
}

# What a package of glibc's kind does not need: dpkg and rpm install and check it, in place of install.sh, koffi's build for
# musl is not loaded, and nobody debugs the native parts by their symbols. The executable must not be stripped.
leave_out() {
	rm -r "$destdir$lib/install.sh" "$destdir$lib/installed-from" "$destdir$lib"/node_modules/@koromix/koffi-linux-*/musl_*
	"${cross:+${cross%gcc}}strip" --strip-unneeded "$destdir$lib"/build/{*.so,*.node,ghost-workload,ghostkeep-hook} \
		"$destdir$libexec/hook"
}

# The executable, the native parts and koffi for ARCH, beside what is the same for all machines.
cross_build() {
	local source=$1 entry
	cross=aarch64-linux-gnu-gcc
	command -v $cross >/dev/null || fail "$cross is missing (Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"
	mkdir -p "$source/build"
	for entry in dist hooks schemas install install.sh native package.json package-lock.json LICENSE src; do
		cp -a "$top/$entry" "$source/"
	done
	(cd "$source" && npm ci --silent --ignore-scripts --os=linux --cpu=arm64 --libc=glibc) >&2
	make -s -C "$source/native" BUILD="$source/build" CC=$cross >&2
	node "$top/scripts/build.mjs" executable "$source" arm64
}

add_documents() {
	local share=$work/tree/usr/share doc=$work/tree/usr/share/doc/ghostkeep
	mkdir -p "$doc" "$share"/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
	ghostkeep man | gzip -9n >"$share/man/man1/ghostkeep.1.gz"
	ghostkeep completion bash >"$share/bash-completion/completions/ghostkeep"
	ghostkeep completion zsh >"$share/zsh/vendor-completions/_ghostkeep"
	ghostkeep completion fish >"$share/fish/vendor_completions.d/ghostkeep.fish"
	gzip -9nc "$top/CHANGELOG.md" >"$doc/changelog.gz"
	cp -a "$top/examples" "$doc/"
	cp -a "$top/docs/policy.md" "$top/docs/errors.md" "$top/docs/restore.md" "$top/SECURITY.md" "$doc/"
	find "$work/tree" -exec touch -hd "@$(date_of_change)" {} +
}

ghostkeep() {
	"$(command -v node || command -v nodejs)" "$top/dist/ghostkeep.mjs" "$@"
}
