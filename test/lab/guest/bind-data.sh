# shellcheck shell=bash
# Makes a runc container whose /data is a bind mount of a file system of filesystems.sh.

# start_on FILESYSTEM NAME KIND…: starts it as the user and group RUN_AS, root by default.
RUN_AS=0
start_on() {
	local filesystem=$1 name=$2 source=$FS/$1/$2
	shift 2
	make_filesystem "$filesystem"
	mkdir "$source"
	[ "$RUN_AS" = 0 ] || chmod 777 "$source"
	at_exit rm -rf "$source"
	make_bundle "$WORK/$name" run /data "$@"
	jq --arg source "$source" --argjson user "$RUN_AS" '.process.user = {uid: $user, gid: $user} |
		.mounts += [
		{destination: "/data", type: "bind", source: $source, options: ["bind", "rw"]}]' \
		"$WORK/$name/config.json" >"$WORK/$name/config.new"
	mv "$WORK/$name/config.new" "$WORK/$name/config.json"
	start_bundle runc "$name"
	wait_for 60 "ghosts in $name" data_has runc "$name" ready
}
