# shellcheck shell=bash
# The same functions for four runtimes: start, checkpoint, restore, delete, and where a container's /data is.
# RUNTIME is runc, crun, podman-crun or podman-runc; NAME names a container.

# shellcheck disable=SC2034 # for scenarios
RUNTIMES='runc crun podman-crun podman-runc'
WORKLOAD=/lab/build/ghost-workload
IMAGE=localhost/ghost-workload

is_podman() {
	[ "${1#podman-}" != "$1" ]
}

# start_container RUNTIME NAME KIND…
start_container() {
	local runtime=$1 name=$2
	shift 2
	if is_podman "$runtime"; then
		podman_run "$runtime" "$name" "$@"
	else
		make_bundle "$WORK/$name" run /data "$@"
		start_bundle "$runtime" "$name"
	fi
	wait_for 60 "ghosts in $name" data_has "$runtime" "$name" ready
}

# Go programs start slowly under emulation, so the answer of podman is kept.
declare -ga PODMAN_RUN_OPTIONS=()
podman_run() {
	local runtime=$1 name=$2
	shift 2
	podman_image
	STARTED+=("$runtime $name")
	expect_ok podman --runtime "/usr/bin/${runtime#podman-}" run -d \
		"${PODMAN_RUN_OPTIONS[@]}" --name "$name" "$IMAGE" run /data "$@" |
		tee "$WORK/$name.run"
	tail -n 1 "$WORK/$name.run" >"$WORK/$name.id"
}

# The host's standard streams would be files that CRIU cannot find.
start_bundle() {
	local runtime=$1 name=$2 log=$WORK/$2/runtime.log
	STARTED+=("$runtime $name")
	bounded "$runtime" --log "$log" run -d --bundle "$WORK/$name" \
		--pid-file "$WORK/$name/pid" "$name" </dev/null >/dev/null 2>&1 ||
		fail "$runtime run failed: $(tail -n 1 "$log")"
}

# checkpoint_container RUNTIME NAME IMAGES [OPTION…]; podman ignores IMAGES and chooses the place.
checkpoint_container() {
	local runtime=$1 name=$2 images=$3
	shift 3
	if is_podman "$runtime"; then
		bounded podman container checkpoint "$@" "$name"
	else
		mkdir -p "$images"
		bounded "$runtime" checkpoint --image-path "$images" --work-path "$images" "$@" "$name"
	fi
}

declare -ga RESTORE_OPTIONS=()
# restore_container RUNTIME NAME IMAGES [BUNDLE]
restore_container() {
	local runtime=$1 name=$2 images=$3 bundle=${4:-$WORK/$2}
	if is_podman "$runtime"; then
		expect_ok podman container restore "$name"
		return
	fi
	STARTED+=("$runtime $name")
	say "\$ $runtime restore -d --bundle $bundle --image-path $images $name"
	bounded "$runtime" --log "$bundle/restore.log" restore -d --bundle "$bundle" --image-path "$images" \
		--work-path "$images" --pid-file "$bundle/pid" "${RESTORE_OPTIONS[@]}" "$name" \
		</dev/null >/dev/null 2>&1 || {
		tail -n 30 "$images/restore.log" "$bundle/restore.log"
		fail "$runtime restore failed: $(grep -a Error "$images/restore.log" | head -n 1)"
	}
	[ "$bundle" = "$WORK/$name" ] || cp "$bundle/pid" "$WORK/$name/pid"
}

# These print where CRIU's images of this checkpoint are, where its logs are, and the process's id.
images_of() {
	if is_podman "$1"; then
		echo "$(userdata_of "$2")/checkpoint"
	else
		echo "$WORK/$2.images"
	fi
}

logs_of() {
	if is_podman "$1"; then
		userdata_of "$2"
	else
		images_of "$1" "$2"
	fi
}

userdata_of() {
	echo "/var/lib/containers/storage/overlay-containers/$(cat "$WORK/$1.id")/userdata"
}

pid_of() {
	if is_podman "$1"; then
		echo "$(<"/run/containers/storage/overlay-containers/$(<"$WORK/$2.id")/userdata/pidfile")"
	else
		echo "$(<"$WORK/$2/pid")"
	fi
}

# Prints the path of the container's /data from outside, while it runs.
data_of() {
	echo "/proc/$(pid_of "$1" "$2")/root/data"
}

data_has() {
	[ -e "$(data_of "$1" "$2")/$3" ]
}

delete_container() {
	if is_podman "$1"; then
		timeout 60 podman rm -f -t 0 "$2" >/dev/null 2>&1
	else
		timeout 30 "$1" delete -f "$2" >/dev/null 2>&1
		rm -rf "${WORK:?}/$2" "${WORK:?}/$2".*
	fi
}

# at_exit COMMAND…: runs COMMAND at the end of the case, however it ends.
STARTED=()
UNDO=()
at_exit() {
	UNDO=("$(printf '%q ' "$@")" "${UNDO[@]}")
}

cleanup() {
	local entry
	set +e
	for entry in "${STARTED[@]}"; do
		# shellcheck disable=SC2086 # two words
		keep_log "$(logs_of $entry)"/*.log
		# shellcheck disable=SC2086
		delete_container $entry
	done
	for entry in "${UNDO[@]}"; do
		eval "$entry"
	done
	remove_cgroups
}

# A restore by CRIU makes the container's cgroups in all hierarchies, and a runtime removes those that it knows
# of. The others would be dumped with the next container (test/lab/native).
remove_cgroups() {
	[ ! -d /run/lab/cgroups ] || find /run/lab/cgroups -mindepth 2 -depth -type d -exec rmdir {} + 2>/dev/null
}

# make_bundle DIR ARGUMENT…: makes a rootfs with one program in it, and config.json.
make_bundle() {
	local bundle=$1
	shift
	make_rootfs "$bundle/rootfs"
	jq -n --args '
	{
	  ociVersion: "1.0.2",
	  process: {
	    terminal: false, user: {uid: 0, gid: 0}, cwd: "/",
	    args: (["/ghost-workload"] + $ARGS.positional), env: ["PATH=/"],
	    capabilities: {
	      bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"]
	    }
	  },
	  root: {path: "rootfs", readonly: false},
	  hostname: "lab",
	  mounts: [
	    {destination: "/proc", type: "proc", source: "proc"},
	    {destination: "/dev", type: "tmpfs", source: "tmpfs",
	     options: ["nosuid", "strictatime", "mode=755", "size=65536k"]},
	    {destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]}
	  ],
	  linux: {
	    namespaces: [{type: "pid"}, {type: "ipc"}, {type: "uts"}, {type: "mount"}]
	  }
	}' "$@" >"$bundle/config.json"
}

make_rootfs() {
	mkdir -p "$1/data" "$1/tmp" "$1/proc" "$1/dev" "$1/sys" "$1/etc"
	cp "$WORKLOAD" "$1/ghost-workload"
}

# The image is made once per boot, without a network.
podman_image() {
	podman image exists "$IMAGE" && return 0
	make_rootfs "$WORK/image-rootfs"
	tar -C "$WORK/image-rootfs" -c . |
		expect_ok podman import --change 'ENTRYPOINT ["/ghost-workload"]' - "$IMAGE"
}

# Checks that the workload runs: its counter moves.
expect_alive() {
	local data before
	data=$(data_of "$1" "$2")
	before=$(cat "$data/alive")
	wait_for 10 "heartbeat of $2" counter_moved "$data" "$before"
}

counter_moved() {
	[ "$(<"$1/alive")" \> "$2" ]
}

# Checks that the workload goes on from where it was: its counter has not started again.
expect_continued() {
	local now
	now=$(cat "$(data_of "$1" "$2")/alive")
	[ ! "$now" \< "$3" ] || fail "the workload started anew: counter $now, $3 before"
}

counter_of() {
	cat "$(data_of "$1" "$2")/alive"
}

# The workload examines its own ghosts, and every line must be ok.
check_verdict() {
	local runtime=$1 name=$2 data
	data=$(data_of "$runtime" "$name")
	rm -f "$data/verdict"
	: >"$data/verify"
	wait_for 60 "verdict of $name" test -e "$data/verdict"
	cat "$data/verdict"
	[ "$(tail -n 1 "$data/verdict")" = end ] || fail "$name: the verdict has no end"
	grep -q '^ok ' "$data/verdict" || fail "$name: the verdict is empty"
	! grep -m 1 '^not ok' "$data/verdict" >"$LOGS.not-ok" ||
		fail "$name: $(cat "$LOGS.not-ok")"
	rm -f "$LOGS.not-ok"
}
