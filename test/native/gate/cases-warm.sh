# SPDX-License-Identifier: MIT
# What comes before the freeze, when CRIU is known to keep its tree as we know it. Of a process that does not
# exist the first look is in doubt, so the helper starts. No process has a number above PID_MAX_LIMIT.
nobody=4194305

prepare warm ready done key done
host 12 0 -p $nobody "$plugin" "$images" 101
says 'add_external file[3a:1f00000000000001]' 'hook 101 returned -95' 'INFO ghostkeep: sealed'
heard "warm $nobody;checkpoint 101;finish 0;end;"
silent ERROR WARN

for root in 0 -1; do
	prepare "unknown-tree $root" ready key done
	host 12 0 -p $root "$plugin" "$images" 101
	heard 'checkpoint 101;finish 0;end;'
	silent ERROR WARN
done

prepare warm-refused ready refuse key done
host 12 0 -p $nobody "$plugin" "$images" 101
says 'hook 101 returned -95' 'INFO ghostkeep: sealed'
heard "warm $nobody;checkpoint 101;finish 0;end;"

# The second one begins with the same list of words, and is not asked to warm up.
for mode in die hang garbage; do
	prepare "warm-$mode" ready $mode done
	GHOSTKEEP_GATE_TIMEOUT_SECONDS=1 host 12 1 -p $nobody "$plugin" "$images" 101
	says 'WARN ghostkeep: the dump does without a warm pass' 'hook 101 returned -1'
	heard "warm $nobody;checkpoint 101;"
done

prepare warm-key ready key done
host 12 0 -p $nobody "$plugin" "$images" 101
says 'WARN ghostkeep: the dump does without a warm pass' \
	'add_external file[3a:1f00000000000001]' 'hook 101 returned -95' 'INFO ghostkeep: sealed'
heard "warm $nobody;checkpoint 101;finish 0;end;"

prepare no-root-item ready key done
host no-root-item 0 -p $nobody "$plugin" "$images" 101
heard 'checkpoint 101;finish 0;end;'
silent ERROR WARN

prepare warm-takes-its-time ready progress key done
GHOSTKEEP_GATE_TIMEOUT_SECONDS=2 host 12 0 -p $nobody "$plugin" "$images" 101
says 'hook 101 returned -95' 'DEBUG ghostkeep: still here'
heard "warm $nobody;checkpoint 101;finish 0;end;"

prepare warm-at-a-pre-dump ready
host 12 0 -t 1 -p $nobody "$plugin" "$images" 101
not_started
