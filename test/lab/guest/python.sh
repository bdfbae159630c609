# shellcheck shell=bash
# Makes containers that run one of programs/ with the machine's own Python: /usr is bind-mounted into an
# otherwise empty rootfs.

PYTHON_IMAGE=localhost/python

make_python_rootfs() {
	mkdir -p "$1/data" "$1/tmp" "$1/proc" "$1/dev" "$1/sys" "$1/etc" "$1/usr"
	ln -sfn usr/bin "$1/bin"
	ln -sfn usr/lib "$1/lib"
	ln -sfn usr/lib64 "$1/lib64"
	cp "$GUEST"/programs/*.py "$1/"
}

python_image() {
	podman image exists "$PYTHON_IMAGE" && return 0
	make_python_rootfs "$WORK/python-rootfs"
	tar -C "$WORK/python-rootfs" -c . | expect_ok podman import - "$PYTHON_IMAGE"
}

# start_python RUNTIME NAME FILE 'PROGRAM ARGUMENT…' [HOST:CONTAINER]: FILE appears in /data when the program
# is ready. A folder of the host may be mounted; where HOST is tmpfs, runc and crun make one for this container.
start_python() {
	local runtime=$1 name=$2 file=$3 words volume=${5:-}
	read -ra words <<<"$4"
	words=(/usr/bin/python3 "/${words[0]}" "${words[@]:1}")
	if is_podman "$runtime"; then
		python_image
		STARTED+=("$runtime $name")
		expect_ok podman --runtime "/usr/bin/${runtime#podman-}" run -d --name "$name" \
			-v /usr:/usr:ro ${volume:+-v "$volume"} "$PYTHON_IMAGE" "${words[@]}" |
			tee "$WORK/$name.run"
		tail -n 1 "$WORK/$name.run" >"$WORK/$name.id"
	else
		make_python_bundle "$WORK/$name" "$volume" "${words[@]}"
		start_bundle "$runtime" "$name"
	fi
	wait_for 60 "$file of $name" data_has "$runtime" "$name" "$file"
}

make_python_bundle() {
	local bundle=$1 volume=$2
	shift 2
	make_bundle "$bundle"
	make_python_rootfs "$bundle/rootfs"
	jq --arg volume "$volume" '
		.process.args = $ARGS.positional
		| .process.env = ["PATH=/usr/bin", "LANG=C.UTF-8"]
		| .mounts += [{destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"]}]
		| if $volume == "" then . else
			($volume | split(":")) as [$from, $to]
			| .mounts += [if $from == "tmpfs" then {destination: $to, type: "tmpfs", source: "shm", options: ["mode=1777"]}
				else {destination: $to, type: "bind", source: $from, options: ["bind", "rw"]} end]
		  end' "$bundle/config.json" --args "$@" >"$bundle/config.new"
	mv "$bundle/config.new" "$bundle/config.json"
}
