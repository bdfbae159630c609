# shellcheck shell=bash
# weight: 0
# suites: trixie
# beside: forky
# native: only
# A checkpoint made by one Debian's runtime, CRIU and ghostkeep is restored by another's, in both directions:
# with the gate, and by CRIU alone. First it is tried without ghostkeep whether CRIU can carry a container
# over at all.
# shellcheck source-path=SCRIPTDIR source=../beside.sh
. "$GUEST/beside.sh"

GHOSTS='hole-64m-4m hole-1g-2m alternate-8m deleted-exe shared mapped small tail-odd'

# The runtimes that make checkpoints and restore them, here and beside, with the gate or without.
gates() {
	case $1 in
	with)
		with_ghostkeep
		with_ghostkeep_beside ;;
	without)
		without_gate
		without_gate_beside ;;
	esac
}

# restored_alone FROM TO: CRIU alone restores ghosts that it has dumped itself. Where it cannot, this notes
# what it said.
restored_alone() {
	local from=$1 to=$2 name=$1-$2-alone images
	images=$(images_of "$from" "$name")
	gates without
	start_container "$from" "$name" small tail-odd hole-1g-8k
	expect_ok checkpoint_container "$from" "$name" "$images"
	if (STARTED=() && restore_container "$to" "$name" "$images"); then
		check_verdict "$to" "$name"
		return
	fi
	timeout 30 "$to" delete -f "$name" || true
	reason_of "$images" >"$WORK/alone.$from-$to"
	say "CRIU alone cannot: $(cat "$WORK/alone.$from-$to")"
	[ "$3" = try ] || fail "CRIU alone cannot: $(cat "$WORK/alone.$from-$to")"
	restore_container "$from" "$name" "$images"
	check_verdict "$from" "$name"
}

# Prints the last error before CRIU gave up. Errors before it do not stop a restore, such as a limit that only
# CAP_SYS_RESOURCE raises. That a process exited is written at the same time as its own reason, in either order.
reason_of() {
	grep -a ' Error ' "$1/restore.log" | grep -avE 'Restorer fail|Restoring FAILED|cgroupd|exited, status=' | tail -n 1 |
		sed 's/.*Error ([^)]*): //'
}

# carried FROM TO with|without: TO restores FROM's checkpoint, with the gate installed or without.
carried() {
	local from=$1 to=$2 name=$1-$2-$3 images counter
	images=$(images_of "$from" "$name")
	gates with
	# shellcheck disable=SC2086 # words
	start_container "$from" "$name" $GHOSTS
	counter=$(counter_of "$from" "$name")
	expect_ok checkpoint_container "$from" "$name" "$images"
	expect_sealed "$images"
	gates "$3"
	if [ -e "$WORK/alone.$from-$to" ]; then
		refused_as_alone "$from" "$to" "$name"
		to=$from
	fi
	restore_container "$to" "$name" "$images"
	case $3 in
	with) expect_line "$images/restore.log" 'Plugin "ghostkeep"' ;;
	without) ! grep -a 'Plugin "ghostkeep"' "$images/restore.log" || fail "the gate was there" ;;
	esac
	expect_continued "$to" "$name" "$counter"
	expect_alive "$to" "$name"
	check_verdict "$to" "$name"
}

# CRIU refuses what ghostkeep has made for the same reason as its own. Every byte is there all the same, and
# where it was made it is restored afterwards.
refused_as_alone() {
	local from=$1 to=$2 name=$3 images status=0
	images=$(images_of "$from" "$name")
	(STARTED=() && restore_container "$to" "$name" "$images") || status=$?
	[ "$status" != 0 ] || fail "$to restored it, and CRIU alone did not"
	timeout 30 "$to" delete -f "$name" || true
	[ "$(reason_of "$images")" = "$(cat "$WORK/alone.$from-$to")" ] ||
		fail "CRIU refuses it for another reason: $(reason_of "$images")"
	expect_sealed "$images"
	expect_ok ghostkeep restore -D "$images" --to "$WORK/$name.restored"
	[ -n "$(ls "$WORK/$name.restored")" ] || fail "ghostkeep restore made nothing"
}

make_beside forky
# must: a newer CRIU has to restore what an older one wrote. Nobody promises the other direction, so it is
# only tried.
both_ways() {
	local runtime=$1 from to need
	while read -r from to need; do
		check "$runtime" "$from to $to, CRIU alone, small ghosts" restored_alone "$from" "$to" "$need"
		check "$runtime" "$from to $to, the gate there" carried "$from" "$to" with
		check "$runtime" "$from to $to, CRIU alone there" carried "$from" "$to" without
	done <<-WAYS
		$runtime forky-$runtime must
		forky-$runtime $runtime try
	WAYS
}

both_ways runc
both_ways crun
