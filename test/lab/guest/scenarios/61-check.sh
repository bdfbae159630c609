# shellcheck shell=bash
# weight: 40
# native: all
# `ghostkeep check` and CRIU agree: CRIU refuses a container that has a ramfs mounted, which only the checkpoint
# would tell; `check` says so before. Without one both find nothing wrong.

check_then_checkpoint() {
	local runtime=$1 name=check-$1 images said=$WORK/check-$1.json log
	with_ghostkeep
	make_bundle "$WORK/$name" run /data hole-64m-4m
	jq '.mounts += [{destination: "/own", type: "ramfs", source: "ramfs"}]' "$WORK/$name/config.json" >"$WORK/$name/new.json"
	mv "$WORK/$name/new.json" "$WORK/$name/config.json"
	start_bundle "$runtime" "$name"
	wait_for 60 "ghosts in $name" data_has "$runtime" "$name" ready
	images=$(images_of "$runtime" "$name")

	! ghostkeep check --container "$name" -D "$images" --json >"$said" || fail "check found nothing to refuse"
	cat "$said"
	[ "$(jq -c '[.refusals[] | [.code, .subject]]' "$said")" = '[["MOUNT_REFUSED","/own"]]' ] || fail "other reasons"
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images"/*.log
	log=("$images"/*.log)
	expect_line "${log[0]}" 'Error .*unsupported'
	expect_alive "$runtime" "$name"
}

a_good_one() {
	local runtime=$1 name=fine-$1 images
	with_ghostkeep
	start_container "$runtime" "$name" hole-64m-4m
	images=$(images_of "$runtime" "$name")
	expect_ok ghostkeep check --container "$name" -D "$images"
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
}

for runtime in runc crun; do
	check "$runtime" 'what check refuses, CRIU refuses' check_then_checkpoint "$runtime"
	check "$runtime" 'what check finds good can be checkpointed' a_good_one "$runtime"
done
