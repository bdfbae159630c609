# shellcheck shell=bash
# weight: 0
# suites: trixie
# native: only
# Docker's own commands: docker checkpoint create and docker start --checkpoint, which need --experimental. There
# is no network: Docker would need a bridge and iptables.
# shellcheck source-path=SCRIPTDIR source=../rounds.sh
. "$GUEST/rounds.sh"

STORE=$WORK/docker

start_docker() {
	dockerd --experimental --data-root "$STORE" --exec-opt native.cgroupdriver=cgroupfs \
		--bridge=none --iptables=false --ip6tables=false --userland-proxy=false \
		</dev/null >"$LAB_OUT/dockerd.log" 2>&1 &
	echo $! >"$WORK/dockerd.pid"
	wait_for 30 "answer of dockerd" answers
	bounded docker version
	make_rootfs "$WORK/docker-rootfs"
	tar -C "$WORK/docker-rootfs" -c . | expect_ok docker import - workload
}

answers() {
	bounded docker info >/dev/null 2>&1
}

stop_docker() {
	kill "$(cat "$WORK/dockerd.pid")"
	wait_for 30 "end of dockerd" ended "$(cat "$WORK/dockerd.pid")"
	rm -rf "$STORE" "$WORK/docker-rootfs"
}

ended() {
	[ ! -d "/proc/$1" ]
}

# docker_run NAME KIND…
docker_run() {
	local name=$1
	shift
	mkdir -p "$WORK/$name"
	at_exit rm -rf "$WORK/$name"
	at_exit docker rm -f "$name"
	expect_ok docker run -d --name "$name" --network none workload /ghost-workload run /data "$@"
	note_pid "$name"
	wait_for 60 "ghosts in $name" data_has docker "$name" ready
}

# containers.sh finds a container by this file.
note_pid() {
	docker inspect --format '{{.State.Pid}}' "$1" >"$WORK/$1/pid"
}

# docker_images NAME CHECKPOINT: prints where they are.
docker_images() {
	echo "$STORE/containers/$(docker inspect --format '{{.Id}}' "$1")/checkpoints/$2"
}

# Docker puts a checkpoint into containerd's store again before it restores it. It fails as long as containerd has
# not removed what the checkpoint itself left there. A second checkpoint fails in this way without ghostkeep, too.
start_from() {
	local checkpoint=$1 name=$2 said tries=0
	until said=$(bounded docker start --checkpoint "$checkpoint" "$name" 2>&1); do
		say "$said"
		tries=$((tries + 1))
		[[ $said = *'content sha256:'*': already exists' && $tries -lt 30 ]] || fail "docker start: $said"
		sleep 1
	done
	note_pid "$name"
}

refused_alone() {
	local name=docker-alone
	without_gate
	docker_run "$name" dense-4m
	expect_fail docker checkpoint create "$name" first
	expect_alive docker "$name"
	check_verdict docker "$name"
}

# comes_back gate|stock KIND…: gate or stock says who restores it.
comes_back() {
	local by=$1 name=docker-$1 counter
	shift
	with_ghostkeep
	docker_run "$name" "$@"
	counter=$(counter_of docker "$name")
	expect_ok docker checkpoint create "$name" first
	expect_sealed "$(docker_images "$name" first)"
	[ "$by" = gate ] || without_gate
	start_from first "$name"
	expect_continued docker "$name" "$counter"
	check_verdict docker "$name"
}

# The checkpoint is restored after the container has gone on and was killed.
goes_on() {
	local name=docker-goes-on counter
	with_ghostkeep
	docker_run "$name" hole-64m-4m shared
	counter=$(counter_of docker "$name")
	expect_ok docker checkpoint create --leave-running "$name" first
	expect_sealed "$(docker_images "$name" first)"
	expect_alive docker "$name"
	check_verdict docker "$name"
	expect_ok docker kill "$name"
	start_from first "$name"
	expect_continued docker "$name" "$counter"
	check_verdict docker "$name"
}

# Docker checkpoints through a containerd of its own, which pauses the container first.
after_a_round() {
	local name=docker-round images counter
	with_ghostkeep
	docker_run "$name" dense-64m dense-4m
	round "$name" --container "$(docker inspect --format '{{.Id}}' "$name")"
	counter=$(counter_of docker "$name")
	expect_ok docker checkpoint create "$name" first
	images=$(docker_images "$name" first)
	expect_sealed "$images"
	expect_base_used "$images" 67108864
	start_from first "$name"
	expect_continued docker "$name" "$counter"
	check_verdict docker "$name"
}

check docker "dockerd starts" start_docker
check docker "CRIU alone refuses 4 MiB, the container runs on" refused_alone
check docker "4 MiB and 300 MiB, restored by the gate" comes_back gate dense-4m dense-300m
check docker "4 MiB and others, restored by CRIU alone" comes_back stock dense-4m hole-1g-2m shared deleted-exe
check docker "--leave-running, then killed and restored" goes_on
check docker "a round before" after_a_round
check docker "dockerd ends" stop_docker
