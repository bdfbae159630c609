# shellcheck shell=bash
# The cases that every runtime must pass, with its own unmodified commands.

# CRIU alone refuses this container. After install.sh the same container can be checkpointed.
refused_then_kept() {
	local runtime=$1 name=case3-$1 images
	without_gate
	start_container "$runtime" "$name" hole-1g-2m
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	expect_line "$(logs_of "$runtime" "$name")/dump.log" \
		"Can't dump ghost file .* of 2097152 size, increase limit"
	expect_alive "$runtime" "$name"
	check_verdict "$runtime" "$name"
	record "$runtime" "3 CRIU alone refuses 1 GiB hole + 2 MiB" true 0
	with_ghostkeep
	rm -rf "$images"
	checkpoint_and_restore "$runtime" "$name"
}

survives() {
	local runtime=$1 name=$2-$1
	shift 2
	start_container "$runtime" "$name" "$@"
	checkpoint_and_restore "$runtime" "$name"
}

checkpoint_and_restore() {
	local runtime=$1 name=$2 images counter
	images=$(images_of "$runtime" "$name")
	counter=$(counter_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	restore_container "$runtime" "$name" "$images"
	expect_continued "$runtime" "$name" "$counter"
	check_verdict "$runtime" "$name"
}

all_cases() {
	local runtime=$1
	check "$runtime" "3 1 GiB hole + 2 MiB" refused_then_kept "$runtime"
	if is_podman "$runtime"; then
		in_few_containers "$runtime"
	else
		one_container_each "$runtime"
	fi
}

one_container_each() {
	local runtime=$1
	check "$runtime" "1 64 MiB hole + 4 MiB, mapped, at an offset" \
		survives "$runtime" case1 hole-64m-4m
	check "$runtime" "2 1 GiB hole + 8 KiB" survives "$runtime" case2 hole-1g-8k
	check "$runtime" "4 4 KiB data, 4 KiB hole over 8 MiB" \
		survives "$runtime" case4 alternate-8m
	check "$runtime" "5 deleted executable" survives "$runtime" case5 deleted-exe
	check "$runtime" "6 two processes, dup, second open" \
		survives "$runtime" case6 shared mapped
}

# Each podman command takes seconds under emulation, so ghosts share containers.
in_few_containers() {
	local runtime=$1
	check "$runtime" "1, 2, 4 64 MiB hole + 4 MiB; 1 GiB hole + 8 KiB; 4 KiB/4 KiB" \
		survives "$runtime" case124 hole-64m-4m hole-1g-8k alternate-8m
	check "$runtime" "5, 6 deleted executable; two processes, dup, second open" \
		survives "$runtime" case56 deleted-exe shared mapped
}
