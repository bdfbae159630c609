# SPDX-License-Identifier: MIT
# The plugin options of a CRIU that has them. No packaged CRIU has them yet, so these cases are all there is.

given() {
	prepare "$1" ready "$2"
	shift 2
	host options "$@" "$plugin" "$images" 101
}

given option 'done done done key done' 0 -p 101 -o --ghostkeep.limit=1G -o '--ghostkeep.engine=a b'
heard 'option limit=1G;option engine=a b;warm 101;checkpoint 101;finish 0;end;'
silent ERROR WARN

given other-plugins 'key done' 0 -o --cuda.device-map=0=1 -o --ghostkeeper.limit=1G -o ghostkeep.limit=1G
heard 'checkpoint 101;finish 0;end;'
silent ERROR WARN

given no-option 'key done' 0
heard 'checkpoint 101;finish 0;end;'
silent ERROR WARN

given flag 'done done key done' 0 -o --ghostkeep.warm -o --ghostkeep.
heard 'option warm;option ;checkpoint 101;finish 0;end;'

# Nothing is frozen yet, so a helper that refuses an option ends the dump.
given refused refuse 1 -o --ghostkeep.limit=x -o --ghostkeep.warm=false
heard 'option limit=x;end;'
says 'init failed' 'ERROR ghostkeep: option limit=x: cannot dump ghost 8:1/4711: no space left'

for mode in die garbage; do
	given "option-$mode" $mode 1 -o --ghostkeep.limit=x
	says 'init failed'
done

# The second helper gets the options as well.
given again-after-warm 'done die done key done' 1 -p 101 -o --ghostkeep.limit=1G
heard 'option limit=1G;warm 101;option limit=1G;checkpoint 101;'

longest=$(printf '%4088s' '' | tr ' ' x)
given longest 'done key done' 0 -o "--ghostkeep.$longest"
silent ERROR

for value in "x$longest" "$(printf 'a\nfinish 0')" "$(printf '\033[31m')"; do
	given unprintable 'done key done' 1 -o "--ghostkeep.$value"
	says 'init failed'
	heard 'end;'
	silent MISUSE
	grep -q 'ERROR ghostkeep: cannot accept the plugin option ghostkeep\.' "$out" || fail 'why?'
done

given cannot-be-read 'key done' 0 -o --ghostkeep.limit=1G -e -22
says "WARN ghostkeep: CRIU's plugin options cannot be read (it returned -22 for 2 arguments), so none counts"
heard 'checkpoint 101;finish 0;end;'
for count in 0 4097; do
	given "$count-arguments" 'key done' 0 -n $count
	says "WARN ghostkeep: CRIU's plugin options cannot be read (it returned 0 for $count arguments), so none counts"
	heard 'checkpoint 101;finish 0;end;'
done

given options-at-a-restore done 0 -t 2 -o --ghostkeep.limit=1G
not_started
