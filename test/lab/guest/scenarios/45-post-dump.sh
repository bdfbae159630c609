# shellcheck shell=bash
# weight: 25
# native: all
# CRIU runs alone, without a runtime, with an action script that sends the images away at post-dump. CRIU ends
# its plugins after such scripts, so the sent image is complete but not sealed. The receiver's restore seals
# it, or `ghostkeep seal`.

# start_alone NAME KIND…: starts the workload without a container, in /data here.
start_alone() {
	local name=$1
	shift
	mkdir -p "$WORK/$name" /data
	cp "$WORKLOAD" "$WORK/$name/"
	STARTED+=("criu $name")
	setsid "$WORK/$name/ghost-workload" run /data "$@" </dev/null >/dev/null 2>&1 &
	echo $! >"$WORK/$name/pid"
	at_exit rm -rf /data
	at_exit kill -9 $!
	wait_for 60 "ghosts in $name" data_has criu "$name" ready
}

sender() {
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ] || cp -r "$CRTOOLS_IMAGE_DIR/." %s\n' "$1"
}

# sent_away stock|gate: says who restores the sent image.
sent_away() {
	local receiver=$1 name=sent-$1 images=$WORK/sent-$1.images sent=$WORK/sent-$1.sent counter
	with_ghostkeep
	start_alone "$name" hole-64m-4m shared tail-odd
	sender "$sent" >"$WORK/$name/send"
	chmod +x "$WORK/$name/send"
	mkdir "$images"
	counter=$(counter_of criu "$name")
	expect_ok criu dump --tree "$(pid_of criu "$name")" --images-dir "$images" --log-file dump.log \
		--action-script "$WORK/$name/send"
	[ -f "$sent/ghostkeep/journal.json" ] || fail "the script did not see an unsealed dump"
	rm -rf "$images"
	# By the receiver's clock the image was written an hour before it was dumped.
	find "$sent" -exec touch -d '1 hour ago' {} +
	if [ "$receiver" = stock ]; then
		expect_ok ghostkeep seal -D "$sent"
		without_gate
	fi
	expect_ok criu restore -d --images-dir "$sent" --log-file restore.log
	expect_sealed "$sent"
	expect_continued criu "$name" "$counter"
	check_verdict criu "$name"
}

check criu "sent away at post-dump, sealed by the receiver's gate" sent_away gate
check criu "sent away at post-dump, sealed by ghostkeep seal" sent_away stock
