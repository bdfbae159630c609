# shellcheck shell=bash
# weight: 0
# native: only
# A container is moved while it runs: three rounds of its ghosts and a last one while it is frozen, and its memory by
# CRIU's page server. A ghost of 300 MiB is written to all the time. Here the images have a tmpfs of 32 MiB. The
# connection is cut once in each round. The container is restored from what the other side has, and compares its ghost.
# shellcheck source-path=SCRIPTDIR source=../python.sh
. "$GUEST/python.sh"
# shellcheck source-path=SCRIPTDIR source=../blocks.sh
. "$GUEST/blocks.sh"

MIB=300
PORT=4711

# other_side NAME: where its checkpoint is. What is here must not be needed.
other_side() {
	echo "$WORK/$1.there"
}

# A container whose ghost is written to, and a small disk for the images here.
begin_move() {
	local name=$1 here=$WORK/$1.here
	with_ghostkeep
	start_python runc "$name" ready "writer.py $MIB"
	mkdir -p "$here"
	mount -t tmpfs -o size=32M small "$here"
	at_exit rm -rf "$(other_side "$name")" "$here"
	at_exit umount -l "$here"
	mkdir -p /etc/ghostkeep
	at_exit rm -f /etc/ghostkeep/config.json
}

# cut_once NAME ROUND: the words before a carrier that lose the connection after 100 MB, or after 2 MB of a round in
# which less is sent.
cut_once() {
	local most=100000000
	[ "$2" = 1 ] || most=2000000
	echo "/usr/bin/python3 $GUEST/programs/cut.py $WORK/$1.here/cut-$2 $most"
}

# rounds NAME CARRIER: CARRIER is a command that reaches the receiver.
rounds() {
	local name=$1 carrier=$2 round
	for round in 1 2 3; do
		say "round $round by $carrier"
		bounded ghostkeep pre-dump --json --container "$name" --via "$(cut_once "$name" "$round") $carrier" \
			>"$WORK/$name.round" 2>"$LOGS.round-$round" || fail "round $round failed: $(tail -n 1 "$LOGS.round-$round")"
		jq -c '{rounds, freeze, ghosts: [.ghosts[] | {path, size, done, why}]}' "$WORK/$name.round"
		jq -e '.ghosts | length > 0 and all(.done == "sent")' "$WORK/$name.round" >"$LOGS.sent" || fail "it was not sent"
		expect_line "$LOGS.round-$round" 'connecting again'
	done
}

# CRIU sends memory to its own page server. It writes a zero byte when that listens.
page_server() {
	local there
	there=$(other_side "$1")
	mkdir -p "$there"
	mkfifo "$WORK/$1.status"
	timeout --kill-after=5 600 criu page-server --images-dir "$there" --address 127.0.0.1 --port "$PORT" \
		--status-fd 5 --log-file page-server.log 5>"$WORK/$1.status" </dev/null >/dev/null 2>&1 &
	at_exit eval "kill $! 2>/dev/null"
	IFS= read -r -d '' -t 60 _ <"$WORK/$1.status" || fail "CRIU's page server does not listen"
}

# last_round NAME CARRIER: the checkpoint, with the connection cut while the container is frozen.
last_round() {
	local name=$1 here=$WORK/$1.here/images
	jq -n --arg to "via:$(cut_once "$name" last) $2" '{moveTo: $to, moveDeadline: 30}' >/etc/ghostkeep/config.json
	page_server "$name"
	expect_ok checkpoint_container runc "$name" "$here" --page-server "127.0.0.1:$PORT"
	expect_line "$here/dump.log" 'will not be able to restore the checkpoint'
	expect_line "$here/ghostkeep.log" 'connecting again'
	say "frozen for $(crit show "$here/stats-dump" | jq '.entries[0].dump.frozen_time / 1000') ms"
	du -sh "$WORK/$name.here"
	! ls "$here"/ghost-file-* 2>/dev/null || fail "a ghost is stored here"
	expect_fail ghostkeep verify -D "$here" >"$LOGS.verify"
	expect_line "$LOGS.verify" 'was sent to .* and is not here'
	expect_fail ghostkeep restore -D "$here" --to "$WORK/$name.none" 2>"$LOGS.restore"
	expect_line "$LOGS.restore" MOVED
}

# The source is gone: its images, and its processes.
end_move() {
	local name=$1 there
	there=$(other_side "$name")
	ls -la "$there"
	umount "$WORK/$name.here"
	mount -t tmpfs -o size=1M gone "$WORK/$name.here"
	rm -f /etc/ghostkeep/config.json "$there"/page-server.log
	expect_sealed "$there"
	bounded runc delete -f "$name" || true
	restore_container runc "$name" "$there"
	expect_equal "$name"
}

# The writer compares its ghost.
expect_equal() {
	local verdict
	touch "$(data_of runc "$1")/stop"
	wait_for 60 "verdict of $1" data_has runc "$1" verdict
	verdict=$(cat "$(data_of runc "$1")/verdict")
	say "$verdict"
	[ "${verdict#equal}" != "$verdict" ] || fail "$verdict"
}

# moved NAME CARRIER
moved() {
	begin_move "$1"
	rounds "$1" "$2"
	last_round "$1" "$2"
	end_move "$1"
}

# listen NAME ADDRESS [OPTION…]
listen() {
	local there=$WORK/$1.there said=$LOGS.listen
	with_ghostkeep
	timeout --kill-after=5 600 ghostkeep receive -D "$there" --listen "${@:2}" >"$said" 2>&1 </dev/null &
	at_exit eval "kill $! 2>/dev/null"
	wait_for 20 "socket" grep -q '^listening on' "$said"
}

by_unix_socket() {
	local name=moved-by-socket
	listen "$name" "$WORK/$name.socket"
	at_exit rm -f "$WORK/$name.socket"
	moved "$name" "ghostkeep carry $WORK/$name.socket"
}

by_tls() {
	make_certificates
	listen moved-by-tls 127.0.0.1:7712 --tls
	moved moved-by-tls "ghostkeep carry --tls 127.0.0.1:7712"
}

# An authority, and one certificate for both sides, where CRIU has them.
make_certificates() {
	local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
	mkdir -p /etc/pki/CA /etc/pki/criu/private
	at_exit rm -rf /etc/pki/CA /etc/pki/criu
	expect_ok openssl req -x509 "${key[@]}" -keyout /etc/pki/CA/key.pem -out /etc/pki/CA/cacert.pem -subj /CN=authority
	expect_ok openssl req -x509 -CA /etc/pki/CA/cacert.pem -CAkey /etc/pki/CA/key.pem "${key[@]}" \
		-keyout /etc/pki/criu/private/key.pem -out /etc/pki/criu/cert.pem -subj /CN=host \
		-addext subjectAltName=IP:127.0.0.1
}

# `ssh backup` comes to a server in this tree.
with_ssh() {
	mkdir -p /run/sshd /root/.ssh
	chmod 700 /root/.ssh
	[ -e /etc/ssh/ssh_host_ed25519_key ] || expect_ok ssh-keygen -A
	[ -e /root/.ssh/id_ed25519 ] || expect_ok ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
	cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
	printf 'Host backup\n\tHostName 127.0.0.1\n\tPort 2222\n\tStrictHostKeyChecking accept-new\n' >/root/.ssh/config
	/usr/sbin/sshd -D -e -p 2222 -o UsePAM=no -o PermitRootLogin=yes </dev/null 2>"$LOGS.sshd" &
	at_exit eval "kill $! 2>/dev/null"
	at_exit rm -rf /root/.ssh
	wait_for 20 "ssh" bounded ssh backup true
}

by_ssh() {
	with_ssh
	moved moved-by-ssh "ssh backup ghostkeep receive -D $(other_side moved-by-ssh)"
}

# The page's commands. Its container is `web`, its host 10.0.0.2.
page_with_ssh() {
	with_ghostkeep
	with_ssh
	start_python runc web ready "writer.py 8"
	mkdir -p /srv/web
	at_exit rm -rf /srv/web
	at_exit rm -f /etc/ghostkeep/config.json
	cp -a "$WORK/web" /srv/web/bundle
	run_block docs/migrate.md 1
	run_block docs/migrate.md 2
	run_block docs/migrate.md 4
	run_block docs/migrate.md 3 "s/ runc restore/ runc restore --pid-file \/var\/lib\/lab\/web\/pid/; s/ web\$/ web <\/dev\/null >\/dev\/null 2>\&1/"
	expect_equal web
}

page_with_tls() {
	with_ghostkeep
	make_certificates
	start_python runc web ready "writer.py 8"
	mkdir -p /srv/web
	at_exit rm -rf /srv/web
	at_exit rm -f /etc/ghostkeep/config.json
	run_block docs/migrate.md 6 's/10.0.0.2/127.0.0.1/; s|$| </dev/null >/srv/web/said 2>\&1 \& echo $! >/srv/web/pid|'
	at_exit eval "kill $(cat /srv/web/pid) 2>/dev/null"
	wait_for 20 "port" grep -q '^listening on' /srv/web/said
	run_block docs/migrate.md 7 's/10.0.0.2/127.0.0.1/'
	echo '{"moveTo": "tls:127.0.0.1:7712"}' >/etc/ghostkeep/config.json
	run_block docs/migrate.md 5 's/ssh backup //; s/10.0.0.2/127.0.0.1/'
	expect_sealed /srv/web/images
	restore_container runc web /srv/web/images
	expect_equal web
}

# The connection is cut in the last round and nobody answers any more.
refused() {
	local name=move-refused here=$WORK/move-refused.here/images
	begin_move "$name"
	jq -n --arg to "via:$(cut_once "$name" 1) /bin/false" '{moveTo: $to, moveDeadline: 1}' >/etc/ghostkeep/config.json
	expect_fail checkpoint_container runc "$name" "$here"
	expect_reason "$here" MOVE_LOST
	expect_equal "$name"
}

check runc "three rounds and a last one, by a unix socket" by_unix_socket
check runc "three rounds and a last one, by TLS" by_tls
check runc "three rounds and a last one, by ssh" by_ssh
check runc "nobody receives: refused, and the container runs on" refused
check runc "docs/migrate.md, by ssh" page_with_ssh
check runc "docs/migrate.md, by TLS" page_with_tls
