# shellcheck shell=bash
# weight: 195
# native: all
# The hooks that a runtime calls act only for containers that ask for them.

# Lists session records of a container, wherever they are below /run/ghostkeep.
records_of() {
	{
		grep -rl "$1" /run/ghostkeep || true
		find /run/ghostkeep -name "*$1*" || true
	} 2>/dev/null | sort -u
}

asked_for() {
	local runtime=$1 name=hooked-$1 id
	with_ghostkeep
	# shellcheck disable=SC2034 # for podman_run
	PODMAN_RUN_OPTIONS=(--annotation io.ghostkeep.enabled=true)
	start_container "$runtime" "$name" hole-1g-2m
	id=$(cat "$WORK/$name.id")
	[ -n "$(records_of "$id")" ] || fail "prestart made no session record below /run/ghostkeep"
	expect_ok podman container checkpoint "$name"
	expect_sealed "$(images_of "$runtime" "$name")"
	expect_ok podman container restore "$name"
	check_verdict "$runtime" "$name"
	expect_ok podman rm -f -t 0 "$name"
	[ -z "$(records_of "$id")" ] || fail "poststop left the session: $(records_of "$id")"
}

not_asked_for() {
	local runtime=$1 name=plain-$1
	with_ghostkeep
	start_container "$runtime" "$name" small
	[ -z "$(records_of "$(cat "$WORK/$name.id")")" ] || fail "there is a session record"
	expect_alive "$runtime" "$name"
}

# The program's own exit status comes through, with and without hooks.
exit_status_is_kept() {
	local runtime=/usr/bin/${1#podman-} annotation status
	with_ghostkeep
	podman_image
	for annotation in io.ghostkeep.enabled=true some.thing=else; do
		status=0
		bounded podman --runtime "$runtime" run --rm --annotation "$annotation" \
			"$IMAGE" nonsense || status=$?
		[ "$status" = 2 ] || fail "exit status $status with $annotation, not 2"
	done
}

a_bad_value_is_refused() {
	local runtime=/usr/bin/${1#podman-} said
	with_ghostkeep
	podman_image
	said=$WORK/bad-value.txt
	! bounded podman --runtime "$runtime" run --rm --annotation io.ghostkeep.enabled=true \
		--annotation io.ghostkeep.engine=teleport "$IMAGE" nonsense >"$said" 2>&1 ||
		fail "a container with a bad policy started"
	cat "$said"
	expect_line "$said" engine
	expect_line "$said" teleport
}

# with_stanza RUNTIME ANNOTATIONS: makes a bundle with our stanza in its config.json.
with_stanza() {
	local runtime=$1 name=stanza-$1
	make_bundle "$WORK/$name" run /data hole-1g-2m
	jq --argjson annotations "$2" '. + {$annotations}' "$WORK/$name/config.json" >"$WORK/$name/new.json"
	mv "$WORK/$name/new.json" "$WORK/$name/config.json"
	expect_ok ghostkeep register "$WORK/$name"
	start_bundle "$runtime" "$name"
	wait_for 60 "ghosts in $name" data_has "$runtime" "$name" ready
}

LIBEXEC=/usr/local/libexec/ghostkeep

# as_create_runtime FUNCTION RUNTIME: installs the hook for the stage createRuntime while FUNCTION runs.
as_create_runtime() {
	with_ghostkeep
	expect_ok bash /lab/install.sh --hook-stage createRuntime
	at_exit bash /lab/install.sh
	jq -e '.hooks | has("createRuntime") and (has("prestart") | not)' "$LIBEXEC/config-hooks.json" ||
		fail "the stanza is not for createRuntime alone"
	"$@"
}

# The container is checkpointed and restored. runc calls prestart at restore, too.
there_and_back() {
	local runtime=$1 name=stanza-$1 images
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	restore_container "$runtime" "$name" "$images"
	check_verdict "$runtime" "$name"
}

stanza_of_one_that_asks() {
	local runtime=$1 name=stanza-$1
	with_ghostkeep
	with_stanza "$runtime" '{"io.ghostkeep.verify": "digest"}'
	[ -n "$(records_of "$name")" ] || fail "prestart made no session record"
	there_and_back "$runtime"
	# At a checkpoint poststop has closed the session, and runc calls the hook again at restore.
	[ -n "$(records_of "$name")" ] || fail "the hook was not called at restore"
	delete_container "$runtime" "$name"
	[ -z "$(records_of "$name")" ] || fail "poststop left the session: $(records_of "$name")"
}

# The program that the hook in C would hand over to fails, because it must not be started.
stanza_of_one_that_does_not() {
	local runtime=$1 name=stanza-$1 stage
	with_ghostkeep
	for stage in prestart poststop; do
		cp -a "$LIBEXEC/$stage" "$WORK/$stage.away"
		at_exit mv "$WORK/$stage.away" "$LIBEXEC/$stage"
		printf '#!/bin/sh\necho %s >>%s/handed-over\nexit 1\n' "$stage" "$WORK" >"$LIBEXEC/$stage"
	done
	with_stanza "$runtime" '{"org.opencontainers.image.authors": "lab <lab@example.org>"}'
	there_and_back "$runtime"
	delete_container "$runtime" "$name"
	[ ! -e "$WORK/handed-over" ] || fail "started all the same: $(cat "$WORK/handed-over")"
}

check podman-crun "14 hooks of a container that asks" asked_for podman-crun
check podman-crun "14 a container that does not ask" not_asked_for podman-crun
check podman-crun "14 exit status is kept" exit_status_is_kept podman-crun
check podman-runc "14 hooks of a container that asks" asked_for podman-runc
check podman-runc "14 a bad policy is refused by name" a_bad_value_is_refused podman-runc
check runc "14 stanza of a container that asks" stanza_of_one_that_asks runc
check runc "14 stanza of a container that does not" stanza_of_one_that_does_not runc
check podman-crun "14 hooks as createRuntime" as_create_runtime asked_for podman-crun
check runc "14 stanza as createRuntime" as_create_runtime stanza_of_one_that_asks runc
check crun "14 stanza of a container that does not" stanza_of_one_that_does_not crun
