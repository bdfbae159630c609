# shellcheck shell=bash
# weight: 0
# native: only
# A container is moved while it runs: three rounds of its ghosts and a last one while it is frozen, and its memory by
# CRIU's page server. A ghost of 300 MiB is written to all the time. Here the images have a tmpfs of 32 MiB. The
# connection is cut once in each round. The container is restored from what the other side has, and compares its ghost.
# shellcheck source-path=SCRIPTDIR source=../moving.sh
. "$GUEST/moving.sh"

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
