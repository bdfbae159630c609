# SPDX-License-Identifier: MIT
# The helper fails later: the dump is aborted, and once is enough.

aborts() {
	says 'hook 101 returned -1' 'hook 102 returned -1' 'exit 0 1'
	silent sealed returned\ -95
}

prepare refuses ready refuse done
host 12 1 "$plugin" "$images" 101 102
aborts
says 'ERROR ghostkeep: checkpoint 101: cannot dump ghost 8:1/4711: no space left' \
	'INFO ghostkeep: the dump failed for the reason that ghostkeep has given above'
heard 'checkpoint 101;finish 1;end;'

prepare refused-but-criu-goes-on ready refuse done
host 12 0 -d "$plugin" "$images" 101 102
says 'hook 101 returned -1' 'hook 102 returned -1' 'exit 0 0'
silent sealed
says 'ERROR ghostkeep: CRIU WENT ON after a refusal: ghosts are missing in this image, do not use it'
heard 'checkpoint 101;finish -1;end;'

prepare refuses-without-a-word ready refuse-bare done
host 12 1 "$plugin" "$images" 101 102
aborts
says 'ERROR ghostkeep: checkpoint 101: refused without a reason'

prepare add-external-fails ready keys done
host 12 1 -x "$plugin" "$images" 101 102
aborts
says 'ERROR ghostkeep: CRIU did not take file[0:1]: add_external returned -1'
silent 'add_external file[ffffffff'
heard 'checkpoint 101;finish 1;end;'

prepare dies-in-the-middle ready die-midline
host 12 1 "$plugin" "$images" 101 102
aborts
says 'add_external file[3a:1]' 'ERROR ghostkeep: helper: half way'
grep -q 'checkpoint 101: the helper (pid [0-9]*) died before it answered' "$out" || fail 'why?'

prepare hangs ready hang
GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 1 "$plugin" "$images" 101 102
aborts
grep -q 'checkpoint 101: the helper (pid [0-9]*) sent no line for 1 s: killing it' "$out" || fail 'why?'

prepare drips ready hang-drip
GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 1 "$plugin" "$images" 101 102
aborts
grep -q 'sent no line for 1 s' "$out" || fail 'half a line has moved the deadline'

for mode in garbage nul too-long raw-key:file[1:2]x raw-key:mnt[1] raw-key: ready \
	lookup:file[1:2] lookup:mnt[a lookup:mnt lookup:mnt[a]x lookup-tab lookup-long:4001; do
	prepare "says $mode" ready "$mode"
	host 12 1 "$plugin" "$images" 101 102
	aborts
	silent add_external looked\ up
	heard 'checkpoint 101;'
done

prepare lookups-without-reading ready lookup-flood
GHOSTKEEP_GATE_TIMEOUT_SECONDS=5 host 12 1 "$plugin" "$images" 101 102
aborts
grep -q 'checkpoint 101: cannot talk with the helper' "$out" || fail 'why?'


prepare answers-before-it-is-asked ready done-twice done
host 12 1 "$plugin" "$images" 101 102
says 'hook 101 returned -95' 'hook 102 returned -1'
heard 'checkpoint 101;'

prepare keys-at-finish ready done key
host 12 0 "$plugin" "$images" 101
silent add_external
grep -q 'THE IMAGE IS NOT SEALED' "$out" || fail 'not said'

# Exit cannot veto: it can only be loud.
for mode in refuse die hang garbage; do
	prepare "$mode at finish" ready done "$mode"
	GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 0 "$plugin" "$images" 101
	says "ERROR ghostkeep: THE IMAGE IS NOT SEALED and cannot be restored yet. Nothing is lost: \`ghostkeep seal -D $images\` does it again"
done

prepare lingers ready done linger
host 12 0 "$plugin" "$images" 101
says 'INFO ghostkeep: sealed'
grep -q 'did not end in 2000 ms: killing it' "$out" || fail 'not said'

prepare cleanup-fails ready refuse refuse
host 12 1 "$plugin" "$images" 101
says 'WARN ghostkeep: the failed dump was not cleaned up: the folder ghostkeep in the image directory can be removed'
