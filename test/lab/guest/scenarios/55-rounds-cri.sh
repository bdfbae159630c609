# shellcheck shell=bash
# weight: 0
# suites: forky
# native: only
# kubelet's checkpoint pauses the container first. A round before it makes bases in the temporary folder of
# containerd's service. The same without a round.
# shellcheck source-path=SCRIPTDIR source=../cri.sh
. "$GUEST/cri.sh"
# shellcheck source-path=SCRIPTDIR source=../rounds.sh
. "$GUEST/rounds.sh"
# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

# by_cri NAME [ROUND…]: ROUND is a command with which a round is made.
by_cri() {
	local name=$1 tar=$WORK/tar-of-$1 unpacked=$WORK/unpacked-$1 counter
	shift
	with_ghostkeep
	with_cri
	start_in_pod "$name" "$CRI_IMAGE" /ghost-workload run /data dense-64m dense-4m deleted-exe
	wait_for 60 "ghosts in $name" data_has containerd "$name" ready
	[ $# = 0 ] || "$@" "$name"
	expect_ok checkpoint_in_pod "$name" "$tar"
	expect_alive containerd "$name"
	check_verdict containerd "$name"
	rm -rf "$unpacked"
	mkdir "$unpacked"
	at_exit rm -rf "$unpacked" "$tar"
	tar -C "$unpacked" -xf "$tar"
	expect_sealed "$unpacked/checkpoint"
	if [ $# = 0 ]; then
		expect_no_base_used "$unpacked/checkpoint"
	else
		expect_base_used "$unpacked/checkpoint" 67108864
	fi
	say "frozen by CRIU for $(frozen_ms "$unpacked") ms"
	remove_pod "$name"
	tar -xOf "$unpacked/rootfs-diff.tar" data/alive >"$unpacked/counter"
	counter=$(cat "$unpacked/counter")
	start_in_pod again "$tar" not-run
	expect_continued containerd again "$counter"
	expect_alive containerd again
	check_verdict containerd again
}

round_in_pod() {
	round "$1" --container "$(cat "$WORK/$1.container")"
	[[ $(jq -r .images "$WORK/$1.round") = "$CONTAINERD_TEMP"/ghostkeep-bases-* ]] || fail "it is the wrong place"
}

page_in_pod() {
	ID=$(cut -c -13 "$WORK/$1.container")
	export ID
	run_block docs/short-freeze.md 1
}

check containerd "CRI: no round before" by_cri plain
check containerd "CRI: a round before" by_cri early round_in_pod
check containerd "CRI: docs/short-freeze.md" by_cri page page_in_pod
