# SPDX-License-Identifier: MIT
# A CRIU that we do not know must be able to dump as if we were not there.

inert() {
	says 'plugin ghostkeep max_hooks=0 hook=no' 'exit 0 0'
	silent ERROR Corrupted
	not_started
}

for hooks in 12 13 17 64; do
	prepare "$hooks hooks" ready key done
	host $hooks 0 "$plugin" "$images" 101
	says 'plugin ghostkeep max_hooks=12 hook=yes' 'INFO ghostkeep: sealed'
	if [ "$hooks" -gt 13 ]; then
		says "INFO ghostkeep: this CRIU has $hooks plugin hooks, and ghostkeep was run with 13 at most: it uses only hooks 9 and 11"
	else
		silent 'plugin hooks'
	fi
done

for hooks in 10 11; do
	prepare "$hooks hooks" ready
	host $hooks 0 "$plugin" "$images" 101
	inert
	says "WARN ghostkeep: inert: this CRIU has $hooks plugin hooks and not the one called when all processes are frozen (it came with CRIU 4.0); \`ghostkeep checkpoint\` does the job here"
done

prepare too-many-hooks ready
host 65 0 "$plugin" "$images" 101
inert
says 'WARN ghostkeep: inert: cr_plugin_ctl has an unknown layout (1056 bytes); `ghostkeep checkpoint` does the job here'

prepare odd-size ready
host odd 0 "$plugin" "$images" 101
inert
says 'WARN ghostkeep: inert: cr_plugin_ctl has an unknown layout (210 bytes); `ghostkeep checkpoint` does the job here'

for missing in 'none cr_plugin_ctl' 'no-add-external add_external' 'no-image-dir criu_get_image_dir'; do
	prepare "without ${missing#* }" ready
	host "${missing% *}" 0 "$plugin" "$images" 101
	inert
	says "WARN ghostkeep: inert: this CRIU has no symbol ${missing#* }; \`ghostkeep checkpoint\` does the job here"
done

prepare without-print ready
host no-print 0 "$plugin" "$images" 101
inert
silent ghostkeep:
