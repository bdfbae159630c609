# SPDX-License-Identifier: MIT
# The gate looks at real processes, and does without the helper where they hold nothing of ours. It looks at the
# policy and the session records of this host, too, so they are hidden. That needs root.

cat >"$build/hidden" <<'EOF'
#!/bin/sh
for folder in /etc/ghostkeep /run/ghostkeep; do
	[ ! -d $folder ] || mount -t tmpfs none $folder || exit
done
exec "$@"
EOF
chmod +x "$build/hidden"
targets=

# Starts SCRIPT, which makes the file `ready`; then $target is a process that holds what it has opened.
target() {
	rm -f "$build/ready" "$build/gone"
	(cd "$build" && exec sh -c "$1; exec sleep 100") </dev/null >/dev/null 2>&1 &
	target=$!
	targets="$targets $target"
	until [ -e "$build/ready" ]; do sleep 0.05; done
}

starts_helper_for() {
	grep -qE -e "$1" "$out" || fail "no line: $1"
}

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	around="unshare -m $build/hidden"
	does_not_start='INFO ghostkeep: the helper does not start: no process holds a file without a name'

	target 'exec 5>named 6<.; echo >ready'
	clean=$target
	target 'exec 5>gone; rm gone; echo >ready'
	holding=$target

	for option in '' -i -s -a -c -b; do
		prepare "first-look-nothing $option" ready key done
		# shellcheck disable=SC2086 # no word or one
		host 12 0 $option -p "$clean" "$plugin" "$images" "$clean" "$clean"
		says "$does_not_start" "hook $clean returned -95" 'INFO ghostkeep: there was nothing to seal'
		silent ERROR WARN
		not_started
	done

	prepare first-look-ghost ready done key done
	host 12 0 -p "$holding" "$plugin" "$images" "$holding"
	starts_helper_for '^INFO ghostkeep: the helper starts: [0-9]+/fd/5 \(.*/gone \(deleted\)\): it has no link$'
	heard "warm $holding;checkpoint $holding;finish 0;end;"
	silent ERROR WARN

	prepare first-look-no-root ready key done
	host 12 0 "$plugin" "$images" "$clean"
	heard "checkpoint $clean;finish 0;end;"

	prepare first-look-failed ready key done
	host 12 1 -r 1 -p "$clean" "$plugin" "$images" "$clean"
	silent ERROR WARN
	not_started

	for left in ghostkeep-manifest.json ghostkeep ghost-file-1.img remap-fpath.img cipher.img; do
		prepare "first-look-$left" ready done key done
		echo >"$images/$left"
		host 12 0 -p "$clean" "$plugin" "$images" "$clean"
		says "INFO ghostkeep: the helper starts: the image directory is not new ($left)"
		heard "warm $clean;checkpoint $clean;finish 0;end;"
	done

	prepare first-look-locked ready done key done
	around="flock $images $around"
	host 12 0 -p "$clean" "$plugin" "$images" "$clean"
	says 'INFO ghostkeep: the helper starts: the image directory is in use'
	heard "warm $clean;checkpoint $clean;finish 0;end;"
	around=${around#flock * }

	# A ghost comes after the first look.
	mkfifo "$build/turn"
	target 'echo >ready; read -r line <turn; exec 5>gone; rm gone; echo >turn'
	prepare first-look-late ready key done
	host 12 0 -p "$target" -g "$build/turn" "$plugin" "$images" "$target"
	says "$does_not_start" 'add_external file[3a:1f00000000000001]' 'INFO ghostkeep: sealed'
	starts_helper_for '^WARN ghostkeep: the helper starts late, while the processes are frozen: .*/gone \(deleted\)'
	heard "checkpoint $target;finish 0;end;"
	rm "$build/turn"

	# CRIU names a process that is not below the first one, and the helper hears of both.
	prepare first-look-second ready key key done
	host 12 0 -p "$clean" "$plugin" "$images" "$clean" "$holding"
	says "$does_not_start" "hook $clean returned -95" "hook $holding returned -95"
	heard "checkpoint $clean;checkpoint $holding;finish 0;end;"

	prepare first-look-late-and-refused ready refuse done
	host 12 1 -p "$clean" "$plugin" "$images" "$holding"
	says "$does_not_start" "hook $holding returned -1"

	prepare first-look-late-and-no-helper ready key done
	rm "$build/helper"
	host 12 1 -p "$clean" "$plugin" "$images" "$holding"
	says "$does_not_start" "hook $holding returned -1"

	around=
	# shellcheck disable=SC2086 # several words
	kill $targets 2>/dev/null
else
	echo "skip the cases of the first look: not root, or no mount namespace may be made"
fi
