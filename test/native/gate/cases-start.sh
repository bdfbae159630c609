# SPDX-License-Identifier: MIT
# The helper does not start: init fails, and says what to do.

cannot_start() {
	says 'init failed' "ERROR ghostkeep: the helper does not start: reinstall ghostkeep, or remove $plugin to do without it"
}

prepare missing ready
ln -sfn nowhere "$build/helper"
host 12 1 "$plugin" "$images" 101
cannot_start
says "ERROR ghostkeep: helper: cannot execute $build/helper: no such file, or its interpreter is missing"

prepare not-executable ready
: >"$build/plain-file"
ln -sfn plain-file "$build/helper"
host 12 1 "$plugin" "$images" 101
cannot_start
says "ERROR ghostkeep: helper: cannot execute $build/helper: permission denied, or on a noexec mount"

prepare dies-at-once die
host 12 1 "$plugin" "$images" 101
cannot_start
says 'ERROR ghostkeep: helper: Error: everything is broken' \
	'ERROR ghostkeep: helper:     at line 1' 'ERROR ghostkeep: helper: Node.js v20'

prepare dies-with-much-to-say die-long
host 12 1 "$plugin" "$images" 101
cannot_start
says 'ERROR ghostkeep: helper: line 2999 of many' 'ERROR ghostkeep: helper: line 2988 of many'
silent 'line 2987 of many'

prepare hangs-at-start hang
GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 1 "$plugin" "$images" 101
says 'init failed' "ERROR ghostkeep: the helper has not started in time: the host is too busy, or a disk or a server hangs; try again, or remove $plugin to do without it"
silent 'reinstall ghostkeep'
says 'ERROR ghostkeep: helper: I am lost'
grep -q 'start: the helper (pid [0-9]*) sent no line for 4 s: killing it' "$out" || fail 'why?'

# Nothing is frozen yet, and a host may be too busy to start it in time.
prepare starts-late ready-late done
GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 0 "$plugin" "$images" 101
heard 'checkpoint 101;finish 0;end;'

for mode in ready-older-protocol ready-longer ready-without-a-build ready-another-build lookup:mnt[path]; do
	prepare "no helper of this gate's: $mode" $mode
	host 12 1 "$plugin" "$images" 101
	cannot_start
done

prepare refuses-to-start refuse
host 12 1 "$plugin" "$images" 101
says 'init failed' 'ERROR ghostkeep: start: cannot dump ghost 8:1/4711: no space left'
silent 'reinstall ghostkeep'
