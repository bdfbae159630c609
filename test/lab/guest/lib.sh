# shellcheck shell=bash
# Every scenario uses this: checks and their records, deadlines, verdicts. A case is a function that runs
# under `set -e` in a subshell of its own.

WORK=/var/lib/lab		# on the ext4 disk
mkdir -p "$WORK"

# shellcheck source-path=SCRIPTDIR source=containers.sh
. "$GUEST/containers.sh"
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$GUEST/program.sh"

# check RUNTIME CASE FUNCTION [ARGUMENT…]: runs FUNCTION and records its result. The native lab runs some
# scenarios a second time with cgroup v1, and the case says so.
check() {
	local runtime=$1 case=$2 log started status detail
	runs_here "$runtime" || return 0
	[ "${LAB_CGROUP:-}" != v1 ] || case="$case, cgroup v1"
	shift 2
	log=$LAB_OUT/$SCENARIO/$runtime.${case//[ \/]/-}.log
	mkdir -p "${log%/*}"
	LOGS=${log%.log}
	started=$(now_ms)
	(
		set -euo pipefail
		trap 'cleanup' EXIT
		"$@"
	) >"$log" 2>&1
	status=$?
	detail=
	[ "$status" = 0 ] || detail=$(grep -a '^FAIL: ' "$log" | tail -n 1)
	[ "$status" = 0 ] || detail=${detail:-exit status $status: $(tail -n 1 "$log")}
	[ "$status" = 0 ] && status=true || status=false
	record "$runtime" "$case" "$status" "$(seconds_since "$started")" "${detail#FAIL: }"
}

# Sends one line to the host at once.
record() {
	jq -Mcn --arg scenario "$SCENARIO" --arg runtime "$1" --arg case "$2" \
		--argjson ok "$3" --arg seconds "$4" --arg detail "${5:-}" \
		'{$scenario, $runtime, $case, $ok, seconds: ($seconds | tonumber), $detail}' \
		>>"$LAB_RESULTS"
}

# LAB_PART says which checks run on this machine: all of them; those that run on the host's own kernel
# (native); or those that such a run has left (rest). RUNTIME may be a file system. A scenario's line `#
# native:` says whether it has run natively.
runs_here() {
	case $LAB_PART in
	native) ! needs_emulation "$1" ;;
	rest) needs_emulation "$1" || ! grep -q '^# native: but' "$GUEST/scenarios/$SCENARIO.sh" ;;
	*) true ;;
	esac
}

# The NFS server needs a kernel module.
needs_emulation() {
	[[ $1 = nfs* ]]
}

now_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

seconds_since() {
	local ms=$(($(now_ms) - $1))
	printf '%d.%03d' $((ms / 1000)) $((ms % 1000))
}

fail() {
	printf 'FAIL: %s\n' "$*"
	exit 1
}

# Prints the command and how long it took.
say() {
	printf '[%s] %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*"
}

expect_ok() {
	say "\$ $*"
	bounded "$@" || fail "\`$*\` failed with $?"
}

expect_fail() {
	say "\$ $* (must fail)"
	bounded "$@" && fail "\`$*\` did not fail"
	case $? in
	124 | 137) fail "\`$*\` did not end" ;;
	esac
}

# A program gets a deadline here. Functions have deadlines for the programs that they run.
bounded() {
	if declare -F "$1" >/dev/null; then
		"$@"
	else
		timeout --kill-after=5 "${DEADLINE:-$((120 * LOADED))}" "$@"
	fi
}

# The seconds in scenarios are for a host that has nothing else to do. On a host with a load of 20, the
# machine gets a tenth of a processor, and Python alone takes a minute to start. A deadline here only tells a
# hang from slowness; the product's own deadlines test how soon it gives up.
LOADED=5

# wait_for SECONDS WHAT COMMAND…: runs COMMAND until it succeeds. It starts no program between two tries,
# because that would take processor time from the process that it waits for.
wait_for() {
	local deadline=$(($(now_ms) + $1 * 1000 * LOADED)) what=$2
	shift 2
	until "$@"; do
		[ "$(now_ms)" -lt "$deadline" ] || fail "no $what in time"
		read -rt 0.1 <> <(:) || true
	done
}

# expect_line FILE REGEX: the log has a line that says it clearly.
expect_line() {
	grep -aqE "$2" "$1" || {
		tail -n 20 "$1" 2>/dev/null
		fail "$1 does not say: $2"
	}
}

# Keeps a log of CRIU or of the runtime beside the case's own.
keep_log() {
	local file
	for file; do
		[ ! -f "$file" ] || cp "$file" "$LOGS.${file##*/}"
	done
}
