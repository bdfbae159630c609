# shellcheck shell=bash
# weight: 320 110
# native: but nfs
# Makes one table, file system by case, which compares every engine's image with a plain read. Each cell is a
# check. The scenario says below which cases must be possible, so that a case that can no longer be made does
# not pass unnoticed.

# shellcheck source-path=SCRIPTDIR source=../filesystems.sh
. "$GUEST/filesystems.sh"

# The seconds for the file with the most extents: run-lab --extents. A second of writing makes up to 30,000 of
# them, and takes 90 s of copying and comparing.
EXTENTS_SECONDS=$LAB_EXTENTS
TABLE=$LAB_OUT/$SCENARIO/table.tsv

# What each file system must really have made; otherwise its column proves nothing.
must_be_equal() {
	case $1 in
	ext4-inline\|inline* | btrfs*\|inline*) ;;
	btrfs-zstd\|compressed*) ;;
	xfs\|*shared* | btrfs*\|*shared*) ;;
	ext4*\|*fallocated* | xfs\|*fallocated* | btrfs*\|*fallocated* | tmpfs\|*fallocated*) ;;
	xfs\|8\ EiB* | tmpfs\|8\ EiB*) ;;
	*\|'inline'* | *\|'compressed'* | *\|*'shared'* | *\|*'fallocate'* | *\|'8 EiB'* | \
		*\|'zeroed'* | *\|'punched'* | *\|'KEEP_SIZE'* | *\|'mapped'*) return 1 ;;
	esac
}

run_table() {
	local name=$1 arguments=()
	make_filesystem "$name"
	if [ "${EXTENTS_SECONDS%.*}" -ge 10 ]; then
		mapfile -t arguments < <(image_arguments "$name" | tr ' ' '\n')
		# A million answers of SEEK over the emulated wire take an hour, so they are asked for only
		# once.
		case $name in
		nfs4.2-squash) arguments+=(--extents=auto) ;;
		*) arguments+=(--extents) ;;
		esac
	fi
	case $name in
	overlay-copied-up) arguments+=(--lower "$(layer "$name" lower)" --copy-up) ;;
	overlay-lower) arguments+=(--lower "$(layer "$name" lower)") ;;
	esac
	export GK_EXTENTS_SECONDS=$EXTENTS_SECONDS
	DEADLINE=$((300 + 120 * ${EXTENTS_SECONDS%.*})) bounded /lab/build/engine-cases --dir "$FS/$name" --name "$name" "${arguments[@]}" |
		tee "$WORK/$name.tap" || say "some case failed"
	grep -q '^1\.\.' "$WORK/$name.tap" || fail "the table of $name has no end"
}

# ok 3 - xfs: KEEP_SIZE past the end # impossible: reason → xfs, case, ok, reason
cells_of() {
	sed -nE "s/^(ok|not ok) [0-9]+ - $1: ([^#]*[^# ])( # (.*))?\$/\1\t\2\t\4/p" "$WORK/$1.tap"
}

record_cells() {
	local name=$1 ok case said cell
	while IFS=$'\t' read -r ok case said; do
		cell=${said:-equal}
		if [ "$ok" != ok ]; then
			cell="DIFFERENT: $(grep -aA1 "^not ok .*: $case" "$WORK/$name.tap" | tail -n 1)"
		elif [ "${said#impossible}" != "$said" ] && must_be_equal "$name|$case"; then
			ok=no
		fi
		printf '%s\t%s\t%s\n' "$case" "$name" "$cell" >>"$TABLE"
		[ "$ok" = ok ] && ok=true || ok=false
		record "$name" "$case" "$ok" 0 "$cell"
	done < <(cells_of "$name")
}

mkdir -p "${TABLE%/*}"
for name in $FILESYSTEMS; do
	runs_here "$name" || continue
	check "$name" "table" run_table "$name"
	record_cells "$name"
done
python3 "$GUEST/print-table.py" "$TABLE" >"${TABLE%.tsv}.txt"
cat "${TABLE%.tsv}.txt"
