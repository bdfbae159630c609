# SPDX-License-Identifier: MIT
# A restore asks the helper only about images that are ours.

prepare restore-of-another ready done
host 12 0 -t 2 "$plugin" "$images"
silent ERROR WARN
not_started

prepare restore ready done
mkdir "$images/ghostkeep"
host 12 0 -t 2 "$plugin" "$images"
heard 'restore;end;'
grep -qx 'argv restore' "$images/seen" || fail 'the helper is not told what it is for'

for mode in refuse die hang garbage key; do
	prepare "restore, helper: $mode" ready "$mode"
	mkdir "$images/ghostkeep"
	GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 1 -t 2 "$plugin" "$images"
	says 'init failed'
done

prepare restore-helper-missing ready
mkdir "$images/ghostkeep"
ln -sfn nowhere "$build/helper"
host 12 1 -t 2 "$plugin" "$images"
says 'init failed'

prepare restore-symbolic-link ready done
ln -s /tmp "$images/ghostkeep"
host 12 1 -t 2 "$plugin" "$images"
says 'init failed'
not_started

prepare restore-image-directory-missing ready done
host 12 0 -t 2 "$plugin" "$images/nowhere"
not_started

prepare dump-image-directory-missing ready done
host 12 1 "$plugin" "$images/nowhere" 101
says 'init failed'
not_started
