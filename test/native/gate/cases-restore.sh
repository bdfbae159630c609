# SPDX-License-Identifier: MIT
# A restore asks the helper only about images that are ours.

prepare restore-of-another ready done
host 12 0 -t 2 "$plugin" "$images"
silent ERROR WARN
not_started

# A sealed dump has a manifest, one that is not sealed its working folder, and in between it has both.
for ours in ghostkeep-manifest.json ghostkeep both; do
	prepare "restore $ours" ready done
	[ "$ours" = ghostkeep-manifest.json ] || mkdir "$images/ghostkeep"
	[ "$ours" = ghostkeep ] || : >"$images/ghostkeep-manifest.json"
	host 12 0 -t 2 "$plugin" "$images"
	heard 'restore;finish 0;end;'
	grep -qx 'argv restore' "$images/seen" || fail 'the helper is not told what it is for'
done

# The first process stands for all; the helper is gone before CRIU goes on.
prepare restored-and-resumed ready done
: >"$images/ghostkeep-manifest.json"
host 12 0 -t 2 "$plugin" "$images" 101 102
heard 'restore;resumed 101;finish 0;end;'
says 'hook 101 returned -95' 'hook 102 returned -95' 'exit 2 0'
silent ERROR WARN

prepare resumed-image-of-another ready done
host 12 0 -t 2 "$plugin" "$images" 101
says 'hook 101 returned -95'
silent ERROR WARN
not_started

prepare restore-fails-in-criu ready done
: >"$images/ghostkeep-manifest.json"
host 12 1 -r 1 -t 2 "$plugin" "$images"
heard 'restore;finish 1;end;'

# Every byte is back by then: what fails now is a warning and no more.
goes_on() {
	says 'hook 101 returned -95' 'hook 102 returned -95' 'exit 2 0' \
		'WARN ghostkeep: the processes go on: their files have all their bytes, but extended attributes and exact times may be missing'
	silent ERROR
}

for mode in die hang garbage key done-twice lookup:file[1:2]; do
	prepare "resumed, helper: $mode" ready done "$mode"
	: >"$images/ghostkeep-manifest.json"
	GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 0 -t 2 "$plugin" "$images" 101 102
	[ "$mode" = done-twice ] || goes_on
	silent ERROR
	says 'WARN ghostkeep: what was only needed for the restore was not cleaned up'
done

prepare starts-late-for-a-restore ready-late done
: >"$images/ghostkeep-manifest.json"
GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 0 -t 2 "$plugin" "$images" 101 102
heard 'restore;resumed 101;finish 0;end;'

prepare resumed-refused ready done refuse done
: >"$images/ghostkeep-manifest.json"
host 12 0 -t 2 "$plugin" "$images" 101 102
goes_on
says 'WARN ghostkeep: resumed 101: cannot dump ghost 8:1/4711: no space left'
heard 'restore;resumed 101;finish 0;end;'

prepare helper-dies-during-restore ready done-die
: >"$images/ghostkeep-manifest.json"
host 12 0 -t 2 "$plugin" "$images" 101 102
goes_on
heard 'restore;'

for option in -i -s -a -c -b; do
	prepare "resumed $option" ready lookup:mnt[path] done
	: >"$images/ghostkeep-manifest.json"
	host 12 0 $option -t 2 "$plugin" "$images" 101 102
	heard 'restore;value /some where/ä;resumed 101;finish 0;end;'
done

prepare restore-refused ready refuse done
: >"$images/ghostkeep-manifest.json"
host 12 1 -t 2 "$plugin" "$images" 101
says 'init failed'
heard 'restore;finish -1;end;'

for mode in refuse die hang garbage key; do
	prepare "restore, helper: $mode" ready "$mode"
	: >"$images/ghostkeep-manifest.json"
	GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 1 -t 2 "$plugin" "$images"
	says 'init failed'
done

prepare restore-helper-missing ready
: >"$images/ghostkeep-manifest.json"
ln -sfn nowhere "$build/helper"
host 12 1 -t 2 "$plugin" "$images"
says 'init failed'

for entry in ghostkeep ghostkeep-manifest.json; do
	[ "$entry" = ghostkeep ] && type='folder' || type='regular file'
	for target in /tmp /etc/passwd nowhere; do
		prepare "restore-symbolic-link $entry to $target" ready done
		: >"$images/ghostkeep-manifest.json"
		ln -sfn "$target" "$images/$entry"
		host 12 1 -t 2 "$plugin" "$images"
		says 'init failed' "ERROR ghostkeep: cannot check the image: $entry in it is no $type"
		not_started
	done
done

prepare restore-working-folder-is-a-file ready done
: >"$images/ghostkeep"
host 12 1 -t 2 "$plugin" "$images"
says 'init failed' 'ERROR ghostkeep: cannot check the image: ghostkeep in it is no folder'
not_started

prepare restore-manifest-is-a-folder ready done
mkdir "$images/ghostkeep-manifest.json"
host 12 1 -t 2 "$plugin" "$images"
says 'init failed' 'ERROR ghostkeep: cannot check the image: ghostkeep-manifest.json in it is no regular file'
not_started

prepare restore-image-directory-missing ready done
host 12 0 -t 2 "$plugin" "$images/nowhere"
not_started

prepare dump-image-directory-missing ready done
host 12 1 "$plugin" "$images/nowhere" 101
says 'init failed'
not_started

# CRIUs to come call once with -1 (criu#3105): the first process still comes, and stands for all.
for pids in '-1 101 102' '0 101 102' '101 -1 102'; do
	prepare "resumed-without-a-process $pids" ready done
	: >"$images/ghostkeep-manifest.json"
	# shellcheck disable=SC2086 # numbers
	host 12 0 -t 2 -- "$plugin" "$images" $pids
	heard 'restore;resumed 101;finish 0;end;'
	for pid in $pids; do says "hook $pid returned -95"; done
	silent ERROR WARN
done
