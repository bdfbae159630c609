# SPDX-License-Identifier: MIT
# The helper asks what CRIU was told about an external mount.

prepare lookup-in-every-request-of-a-dump ready lookup:mnt[path]
host 12 0 "$plugin" "$images" 101
heard 'checkpoint 101;value /some where/ä;finish 0;value /some where/ä;end;'
says 'looked up mnt[path] (9)' 'INFO ghostkeep: sealed'
silent ERROR WARN

prepare lookup-in-every-request-of-a-restore ready lookup:mnt[path]
mkdir "$images/ghostkeep"
host 12 0 -t 2 "$plugin" "$images" 101
heard 'restore;value /some where/ä;resumed 101;value /some where/ä;finish 0;value /some where/ä;end;'
silent ERROR WARN

prepare lookups ready lookup:mnt[bare]+mnt[empty]+mnt[]+mnt[worst]+mnt[longest] done
host 12 0 "$plugin" "$images" 101
heard 'checkpoint 101;value;value;none;none;value vv… 4095 bytes;finish 0;end;'
silent ERROR WARN

prepare lookup-of-the-longest-key ready lookup-long:4000 done
host 12 0 "$plugin" "$images" 101
heard 'checkpoint 101;none;finish 0;end;'
grep -q '^looked up mnt\[k* (4000)$' "$out" || fail 'the key is not whole'

prepare values-that-do-not-fit-a-line ready lookup:mnt[newline]+mnt[too-long] done
host 12 0 "$plugin" "$images" 101
heard 'checkpoint 101;none;none;finish 0;end;'
says 'WARN ghostkeep: the value of mnt[newline] is not printable, and is taken for none: "/a?done"'
grep -q '^WARN ghostkeep: the value of mnt\[too-long\] is too long, and is taken for none: "v*"$' "$out" ||
	fail 'not said'

prepare lookup-in-a-criu-without ready lookup:mnt[path]+mnt[bare] done
host no-lookup 0 "$plugin" "$images" 101
heard 'checkpoint 101;none;none;finish 0;end;'
says 'plugin ghostkeep max_hooks=12 hook=yes'
silent ERROR WARN
