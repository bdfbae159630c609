# shellcheck shell=bash
# Checks of programs/semaphores.py: RUNTIME and NAME name the container that it runs in.

# A tmpfs for /dev/shm.
SHM=/run/lab-shm

new_shm() {
	drop_shm
	mkdir -p "$SHM"
	mount -t tmpfs -o mode=1777 lab-shm "$SHM"
}

# A container or a writer that was just killed may still be using it.
drop_shm() {
	! mountpoint -q "$SHM" || umount -l "$SHM"
}

value() {
	jq -r ".$3 // 0" "$(data_of "$1" "$2")/state"
}

more_than() {
	[ "$(value "$1" "$2" "$3")" -gt "$4" ]
}

# Every count was made under the lock, so none may be lost, and no token may come from nowhere.
expect_exclusive() {
	local state
	state=$(cat "$(data_of "$1" "$2")/state")
	echo "$state"
	jq -e '.taken <= .made and .taken > 0' <<<"$state" ||
		fail "the semaphore is not shared any more: $state"
	! data_has "$1" "$2" lost ||
		fail "the lock is not shared any more: $(tail -n 1 "$(data_of "$1" "$2")/lost")"
}

# Both processes go on with their lock and semaphore, and a third opens the lock by its name.
expect_working() {
	local runtime=$1 name=$2 counted
	counted=$(value "$runtime" "$name" parent)
	wait_for 60 "parent that goes on" more_than "$runtime" "$name" parent "$((counted + 40))"
	wait_for 60 "child that goes on" more_than "$runtime" "$name" child "$((counted + 40))"
	expect_exclusive "$runtime" "$name"
	: >"$(data_of "$runtime" "$name")/newcomer"
	wait_for 90 "third process" more_than "$runtime" "$name" newcomer 0
	expect_exclusive "$runtime" "$name"
}
