# shellcheck shell=bash
# weight: 135 45
# native: but nfs
# Makes random files, each by a random sequence of writes, mapped writes, fallocate modes, truncates, syncs
# and dropped caches, and compares every engine with a plain read, for about 6 s on each file system (run-lab
# --random). The case's line has the seed and the number of files. A failure names the seed of its one file.

# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"

SEED=$LAB_SEED
SECONDS_EACH=$LAB_RANDOM

run_random() {
	local name=$1 arguments=() said=$WORK/$1.random
	make_filesystem "$name"
	read -ra arguments <<<"$(image_arguments "$name")"
	case $name in
	overlay-copied-up) arguments=(--lower "$(layer "$name" lower)" --copy-up) ;;
	overlay-lower) arguments=(--lower "$(layer "$name" lower)") ;;
	esac
	DEADLINE=$((SECONDS_EACH + 180)) bounded /lab/build/engine-cases --dir "$FS/$name" --name "$name" "${arguments[@]}" \
		--cases 100000 --seed "$SEED" --seconds "$SECONDS_EACH" >"$said" || true
	cat "$said"
	grep -q '^# 0 failed' "$said" || fail "$(grep -aE '^(#  |Bail)' "$said" | tr '\n' ' ')"
	record "$name" "seed $SEED and on" true "$SECONDS_EACH" "$(sed -n 's/^ok 1 .* # //p' "$said")"
}

for name in $FILESYSTEMS; do
	check "$name" "random files" run_random "$name"
done
