# shellcheck shell=bash
# weight: 160
# native: all
# cgroups: v2 and v1
# shellcheck source-path=SCRIPTDIR source=../cases.sh
. "$GUEST/cases.sh"

# runc notes another path of the container's cgroup with each version of cgroups. No process of another container
# or of the host may be chosen by it.
one_alone() {
	local small=alone-runc other=beside-runc scan=$WORK/alone.json chosen
	with_ghostkeep
	start_container runc "$small" shared mapped
	start_container runc "$other" hole-64m-4m
	hold_ghost "$WORK/alone.ghost"
	ghostkeep scan --container "$small" --json >"$scan"
	chosen=$(jq -c '[.processes[].pid] | sort' "$scan")
	[ "$chosen" = "$(runc ps -f json "$small" | jq -c sort)" ] || fail "scan chose $chosen"
	[ "$(jq -c '[.containers[].id]' "$scan")" = "[\"$small\"]" ] ||
		fail "scan names $(jq -c .containers "$scan")"
	expect_ok ghostkeep dump --container "$small" --freeze --allow-missing -D "$WORK/alone.images"
	expect_ghosts "$scan" "$WORK/alone.images"
	expect_ok ghostkeep pre-dump --container "$small" -D "$WORK/alone.bases"
	chosen=$({ ghostkeep doctor --json || true; } | jq -c '[.bases[].pids[]] | sort')
	[ "$chosen" = "$(runc ps -f json "$small" | jq -c sort)" ] || fail "doctor names $chosen"
	rm -r "$WORK"/alone.*
}

# A process of the host holds it until the case ends.
hold_ghost() {
	echo "a ghost of the host" >"$1"
	sleep 1000 <"$1" &
	at_exit kill $!
	rm "$1"
}

# expect_ghosts SCAN IMAGES: a dump of the same processes has the files of this scan and no others.
expect_ghosts() {
	local scanned dumped
	scanned=$(jq -c '[.ghosts[] | select(.keep == "ghostkeep") | .ino] | sort' "$1")
	dumped=$(jq -c '[.ghosts[] | .ino] | sort' "$2/ghostkeep-manifest.json")
	[ "$scanned" = "$dumped" ] || fail "scan found $scanned, and the dump has $dumped"
}

all_cases runc
check runc "--container chooses one container alone" one_alone
