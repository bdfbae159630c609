# SPDX-License-Identifier: MIT
# A dump, from init to exit.

prepare good ready key keys done
host 12 0 "$plugin" "$images" 101 102
says 'plugin ghostkeep max_hooks=12 hook=yes' \
	'add_external file[3a:1f00000000000001]' 'add_external file[0:1]' \
	'add_external file[ffffffff:ffffffffffffffff]' \
	'hook 101 returned -95' 'hook 102 returned -95' 'exit 0 0' \
	'INFO ghostkeep: sealed'
silent ERROR WARN
heard 'checkpoint 101;checkpoint 102;finish 0;end;'

cat >"$build/wanted" <<EOF
argv $build/helper
argv gate
argv dump
argv CRIU
fd 0 /dev/null
fd 1 /dev/null
fd 2 /memfd:ghostkeep-stderr (deleted)
fd 3 socket
fd 4 images
odd signals 0
session leader yes
cwd /
environment empty
EOF

# Whatever the host is like, the helper is started in the same way.
for option in '' -i -s -a -c -b; do
	prepare "what-the-helper-sees $option" ready key done
	env -i WHO=tester "$build/host-12" $option "$plugin" "$images" 101 >"$out" 2>&1 ||
		fail "status $?"
	says 'hook 101 returned -95' 'INFO ghostkeep: sealed'
	heard 'checkpoint 101;finish 0;end;'
	cmp -s "$build/wanted" "$images/seen" || fail "$(diff "$build/wanted" "$images/seen")"
done

prepare all-signals-blocked-and-hang ready hang
GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 1 -a -b "$plugin" "$images" 101
says 'hook 101 returned -1'

prepare no-process ready done
host 12 0 "$plugin" "$images"
says 'WARN ghostkeep: another plugin has answered for every process: their ghosts were left to CRIU'
heard 'finish 0;end;'

prepare criu-failed ready key done
host 12 1 -r 1 "$plugin" "$images" 101
says "INFO ghostkeep: CRIU's dump failed; a line with Error above this one has the reason"
heard 'checkpoint 101;finish 1;end;'

prepare criu-failed-negative ready key done
host 12 255 -r -1 "$plugin" "$images" 101
heard 'checkpoint 101;finish -1;end;'

prepare pre-dump ready
host 12 0 -t 1 "$plugin" "$images" 101
says 'hook 101 returned -95'
silent ERROR WARN
not_started

prepare chatter ready chatter done
host 12 0 "$plugin" "$images" 101
says 'INFO ghostkeep: a note' 'WARN ghostkeep: a ?[31mwarning? ??x' \
	'DEBUG ghostkeep: 12 %s%n'

prepare longest-line ready longest done
host 12 0 "$plugin" "$images" 101
grep -q '^INFO ghostkeep: x\{896\}\.\.\.$' "$out" || fail 'the line is not cut'

prepare long-utf8-line ready utf8-long done
host 12 0 "$plugin" "$images" 101
grep -a '^INFO ghostkeep: x' "$out" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 ||
	fail 'the line is cut inside a character'

prepare bytewise ready bytewise done
host 12 0 "$plugin" "$images" 101

prepare progress-keeps-it-alive ready progress done
GHOSTKEEP_GATE_TIMEOUT_SECONDS=2 host 12 0 "$plugin" "$images" 101
says 'hook 101 returned -95' 'DEBUG ghostkeep: still here'

prepare bad-timeout ready done
GHOSTKEEP_GATE_TIMEOUT_SECONDS=1x host 12 0 "$plugin" "$images" 101
says 'WARN ghostkeep: GHOSTKEEP_GATE_TIMEOUT_SECONDS=1x is not a number from 1 to 3600: using 30'

# CRIUs to come call once with -1 (criu#3105): that is no process, wherever in the order it comes.
for pids in '-1 101 102' '101 -1 102' '101 102 0 -2147483648'; do
	prepare "dump-without-a-process $pids" ready key key done
	# shellcheck disable=SC2086 # numbers
	host 12 0 -- "$plugin" "$images" $pids
	heard 'checkpoint 101;checkpoint 102;finish 0;end;'
	says 'hook 101 returned -95' 'INFO ghostkeep: sealed'
	for pid in $pids; do says "hook $pid returned -95"; done
	silent ERROR WARN
done
