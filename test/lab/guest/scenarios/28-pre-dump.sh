# shellcheck shell=bash
# weight: 100
# native: and again
# A runtime dumps the memory ahead, while the container runs on, and then only what has changed. CRIU finds out
# what has changed by the kernel's soft-dirty bits. Debian's own kernel has them. Where the kernel has none,
# every runtime must refuse, or do without, exactly as it does without ghostkeep.
# shellcheck source-path=SCRIPTDIR source=../rounds.sh
. "$GUEST/rounds.sh"

tracks_memory() {
	bounded criu check --feature mem_dirty_track >/dev/null 2>&1
}

# pre_dump RUNTIME NAME: prints what the runtime says and, last, its exit status.
pre_dump() {
	local runtime=$1 name=$2 status=0
	if is_podman "$runtime"; then
		bounded podman container checkpoint --pre-checkpoint "$name" || status=$?
	else
		mkdir -p "$WORK/$name.parent"
		bounded "$runtime" checkpoint --pre-dump --image-path "$WORK/$name.parent" \
			--work-path "$WORK/$name.parent" "$name" || status=$?
	fi
	echo "exit status $status"
}

# What changes from call to call is the time and the container's name.
said_by_pre_dump() {
	pre_dump "$1" "$2" 2>&1 | sed -E "s/$2|[0-9a-f]{64}/NAME/g; s/time=\"[^\"]*\"//; s/^[0-9T:.-]+Z?//"
}

refused_as_alone() {
	local runtime=$1 name=pre-$1 alone ours
	without_gate
	start_container "$runtime" "$name-alone" small
	alone=$(said_by_pre_dump "$runtime" "$name-alone")
	say "without ghostkeep: $alone"
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m small
	ours=$(said_by_pre_dump "$runtime" "$name")
	say "with ghostkeep: $ours"
	[ "$alone" = "$ours" ] || fail "$runtime says something else with ghostkeep: $ours"
	goes_on "$runtime" "$name"
}

goes_on() {
	local runtime=$1 name=$2
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
}

# ghostkeep does nothing in a runtime's pre-dump, so the bases of a round are there for the checkpoint behind it.
round_of_our_own() {
	expect_ok ghostkeep pre-dump --container "$1" -D "$WORK/$1.bases"
}

dumped_ahead() {
	local runtime=$1 name=pre-$1 images counter
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m shared tail-odd
	is_podman "$runtime" || round_of_our_own "$name"
	pre_dump "$runtime" "$name" | tee "$WORK/$name.said"
	[ "$(tail -n 1 "$WORK/$name.said")" = 'exit status 0' ] || fail "the pre-dump failed"
	goes_on "$runtime" "$name"
	counter=$(counter_of "$runtime" "$name")
	images=$(images_of "$runtime" "$name")
	if is_podman "$runtime"; then
		expect_ok podman container checkpoint --with-previous "$name"
	else
		expect_ok checkpoint_container "$runtime" "$name" "$images" --parent-path "../$name.parent"
	fi
	expect_ok ghostkeep verify -D "$images"
	is_podman "$runtime" || expect_base_used "$images" 4194304
	[ -e "$images/parent/" ] || fail "the checkpoint does not build on the pre-dump"
	crit show "$images/pagemap-1.img" >"$LOGS.pagemap"
	expect_line "$LOGS.pagemap" PE_PARENT
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	check_verdict "$runtime" "$name"
}

# Under emulation, where each takes half a minute, two of them show it.
[ "$LAB_PART" = native ] || RUNTIMES='runc podman-crun'
for runtime in $RUNTIMES; do
	if tracks_memory; then
		check "$runtime" "memory dumped ahead, then the rest" dumped_ahead "$runtime"
	else
		check "$runtime" "memory dumped ahead: no soft-dirty bits here, as without ghostkeep" \
			refused_as_alone "$runtime"
	fi
done
