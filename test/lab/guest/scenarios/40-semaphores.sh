# shellcheck shell=bash
# weight: 340
# native: all
# Python's multiprocessing keeps its semaphores under /dev/shm, in files whose opened name is gone and whose
# real name still exists (`linked` ghosts). On a tmpfs of the host nobody but us brings them back.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"
# shellcheck source-path=SCRIPTDIR source=../semaphores.sh
. "$GUEST/semaphores.sh"

start_counting() {
	start_python "$1" "$2" state semaphores.py "${3:-}"
	wait_for 60 "child of $2" more_than "$1" "$2" child 20
}

refused_alone() {
	local runtime=$1 name=sem-alone-$1 images
	without_gate
	new_shm
	at_exit drop_shm
	start_counting "$runtime" "$name" "$SHM:/dev/shm"
	images=$(images_of "$runtime" "$name")
	expect_fail checkpoint_container "$runtime" "$name" "$images"
	expect_line "$(logs_of "$runtime" "$name")/dump.log" 'link-remap'
	expect_working "$runtime" "$name"
}

survives_a_new_tmpfs() {
	local runtime=$1 name=sem-$1 images
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_counting "$runtime" "$name" "$SHM:/dev/shm"
	ls -li "$SHM"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	keep_log "$images/ghostkeep.log" "$images/ghostkeep-manifest.json"
	expect_sealed "$images"
	new_shm
	restore_container "$runtime" "$name" "$images"
	ls -li "$SHM"
	expect_working "$runtime" "$name"
}

# A stock CRIU needs the names, and refuses where they do not exist.
stock_restore() {
	local runtime=$1 name=sem-stock-$1 images status=0
	with_ghostkeep
	new_shm
	at_exit drop_shm
	start_counting "$runtime" "$name" "$SHM:/dev/shm"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	without_gate
	mkdir "$SHM/.away"
	mv "$SHM"/sem.* "$SHM/.away/"
	(STARTED=() && restore_container "$runtime" "$name" "$images") || status=$?
	[ "$status" != 0 ] || fail "CRIU restored semaphores that do not exist"
	expect_line "$images/restore.log" "Can't open file dev/shm/sem"
	timeout 30 "$runtime" delete -f "$name" || true
	mv "$SHM"/.away/* "$SHM/"
	restore_container "$runtime" "$name" "$images"
	expect_working "$runtime" "$name"
}

# Only the container has this tmpfs, and CRIU, or podman, brings its content back.
survives_on_its_own_tmpfs() {
	local runtime=$1 name=sem-own-$1 images
	with_ghostkeep
	start_counting "$runtime" "$name"
	images=$(images_of "$runtime" "$name")
	expect_ok checkpoint_container "$runtime" "$name" "$images"
	expect_sealed "$images"
	restore_container "$runtime" "$name" "$images"
	expect_working "$runtime" "$name"
}

check crun "CRIU alone refuses, asks for --link-remap" refused_alone crun
for runtime in podman-crun podman-runc runc crun; do
	check "$runtime" "semaphores on a tmpfs that comes back empty" survives_a_new_tmpfs "$runtime"
done
check runc "restored by CRIU alone: only where the names are" stock_restore runc
check podman-crun "semaphores on podman's own /dev/shm" survives_on_its_own_tmpfs podman-crun
