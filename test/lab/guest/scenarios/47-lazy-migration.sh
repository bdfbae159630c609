# shellcheck shell=bash
# weight: 40
# In a lazy migration `criu dump --lazy-pages` ends, and with it the gate seals, only when the restored
# processes have all their memory. An image handed on before that is sealed by its receiver: by `ghostkeep
# seal` on the copy, which docs/left-to-criu.md shows, or by the target's gate.

# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

PORT=27182

# Starts the workload without a container, in /data here.
start_alone() {
	local name=$1
	mkdir -p "$WORK/$name" /data
	cp "$WORKLOAD" "$WORK/$name/"
	STARTED+=("criu $name")
	setsid "$WORK/$name/ghost-workload" run /data hole-64m-4m shared tail-odd </dev/null >/dev/null 2>&1 &
	echo $! >"$WORK/$name/pid"
	at_exit rm -rf /data
	at_exit kill -9 $!
	wait_for 60 "ghosts in $name" data_has criu "$name" ready
}

# CRIU writes a zero byte when its page server listens.
lazy_dump() {
	local name=$1 images=$2
	mkdir "$images"
	mkfifo "$WORK/$name/status"
	say "\$ criu dump --lazy-pages --status-fd"
	timeout --kill-after=5 300 criu dump --tree "$(pid_of criu "$name")" --images-dir "$images" \
		--log-file dump.log --lazy-pages --address 127.0.0.1 --port "$PORT" --status-fd 5 \
		5>"$WORK/$name/status" </dev/null &
	DUMP=$!
	at_exit kill "$DUMP"
	IFS= read -r -d '' -t 180 _ <"$WORK/$name/status" || fail "CRIU did not come to its page server"
	[ -f "$images/ghostkeep/journal.json" ] || fail "it is sealed before it is handed on: say so in README.md"
}

# A PID namespace stands for the other machine, because the dumped processes are still there, frozen.
lazy_restore() {
	local name=$1 images=$2 lazy
	say "\$ criu lazy-pages, criu restore --lazy-pages in $images"
	timeout --kill-after=5 300 criu lazy-pages --images-dir "$images" --log-file lazy.log \
		--page-server --address 127.0.0.1 --port "$PORT" </dev/null &
	lazy=$!
	at_exit kill "$lazy"
	wait_for 60 "socket of lazy-pages" test -S "$images/lazy-pages.socket"
	# shellcheck disable=SC2016 # for the shell in there
	unshare --pid --fork --kill-child --mount-proc bash -c '
		criu restore -d --images-dir "$1" --log-file restore.log --lazy-pages
		echo $? >"$2.new"
		mv "$2.new" "$2"
		exec sleep 1000' restore "$images" "$WORK/$name/restored" </dev/null >/dev/null 2>&1 &
	echo $! >"$WORK/$name/pid"
	at_exit kill -9 $!
	wait_for 180 "end of criu restore" test -e "$WORK/$name/restored"
	[ "$(cat "$WORK/$name/restored")" = 0 ] || {
		tail -n 20 "$images/restore.log"
		fail "criu restore: $(grep -a Error "$images/restore.log" | tail -n 1)"
	}
	wait "$lazy" || fail "criu lazy-pages ended with $?"
	# CRIU leaves its socket behind, and a sealed directory holds only regular files otherwise.
	rm -f "$images/lazy-pages.socket"
	wait "$DUMP" || fail "criu dump ended with $?"
}

# migrate cp|tar|none stock|gate: says how the images get there, and who restores them.
migrate() {
	local way=$1 receiver=$2 name=lazy-$1-$2 images copy counter image
	images=$WORK/$name.images
	copy=$images
	with_ghostkeep
	start_alone "$name"
	counter=$(counter_of criu "$name")
	lazy_dump "$name" "$images"
	[ "$way" = none ] || copy=$WORK/$name.copy
	case $way in
	cp) run_block docs/left-to-criu.md 1 "s|DIR|$images|; s|COPY|$copy|g" || fail 'no sealed copy is made' ;;
	tar) mkdir "$copy" && tar -C "$images" -c . | expect_ok tar -C "$copy" -x ;;
	esac
	[ "$receiver" = gate ] || without_gate
	lazy_restore "$name" "$copy"
	keep_log "$images/dump.log" "$copy"/{restore,lazy}.log
	expect_continued criu "$name" "$counter"
	check_verdict criu "$name"
	# The dump ends with the page server, so the original is sealed now.
	expect_sealed "$copy"
	expect_sealed "$images"
	! grep -a 'NOT SEALED' "$images/dump.log" || fail "the gate says that the original is not sealed"
	[ "$copy" != "$images" ] || return 0
	for image in "$images"/ghost-file-*.img; do
		expect_ok cmp "$image" "$copy/${image##*/}"
	done
}

check criu "a copy by cp, sealed by ghostkeep seal, restored by CRIU alone" migrate cp stock
check criu "a copy by tar, sealed by the gate of the target" migrate tar gate
check criu "no copy: one directory for both, sealed by the gate of the target" migrate none gate
