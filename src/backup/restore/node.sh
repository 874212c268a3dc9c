# The node's half of a restore. Every step is noted before it is taken, and safe to repeat: a run that was cut can be finished
# or undone. RUN names this restore; OLD is what the state before it is called.
set -u
base=/data/var/lib/rancher/k3s
[ -d /data/var/lib ] || base=/var/lib/rancher/k3s
new=$base/restore.new
work=/data/.pirun/restore
password=/etc/rancher/node/password
mark=.pirun-restored

die() {
	echo "$*" >&2
	exit 1
}
line() { l=; [ ! -r "$1" ] || read -r l <"$1"; printf '%s' "$l"; }
note() { mkdir -p -m 700 $work && echo "$RUN $1 $OLD" >$work/step.new && sync && mv $work/step.new $work/step && sync || die "cannot write to $work"; }
is_new() { [ "$(line $base/server/$mark)" = "$RUN" ]; }
answers() { nc -z -w 2 127.0.0.1 6443 2>/dev/null; }

look() {
	s=$base/server
	[ ! -s $s/db/state.db ] || echo "server yes"
	[ ! -r $s/tls/server-ca.crt ] || echo "cluster $(sha256sum <$s/tls/server-ca.crt | cut -c 1-64)"
	! command -v sqlite3 >/dev/null || [ ! -s $s/db/state.db ] || echo "revision $(sqlite3 -readonly -cmd '.timeout 30000' $s/db/state.db 'SELECT max(id) FROM kine' 2>/dev/null)"
	! rc-service -q k3s status >/dev/null 2>&1 || echo "running yes"
	! answers || echo "answers yes"
	echo "k3s $(k3s --version 2>/dev/null | awk '{ print $3; exit }')"
	echo "restored $(line $s/$mark)"
	echo "step $(line $work/step)"
	t=$(line /etc/rancher/k3s/token)
	[ -n "$t" ] || t=$(line $s/token)
	[ -z "$t" ] || echo "token $(printf %s "${t##*:}" | sha256sum | cut -c 1-64)"
	for d in $base/server.old.* $base/server.failed; do [ ! -d "$d" ] || echo "old ${d##*/}"; done
}

# Without its state, k3s would begin a new cluster: until both renames are done, it must not start, not even after a power cut.
writable() {
	conf=$(readlink -f /etc/conf.d/k3s)
	touch -c "$conf" 2>/dev/null && return
	mount -o remount,rw / && trap 'mount -o remount,ro /' EXIT
}
blocked() { grep -q '^start() .*# pirun$' "$conf" 2>/dev/null; }
block() {
	writable || die "cannot write /etc/conf.d/k3s"
	! blocked || return 0
	if [ -e "$conf" ]; then cp -p "$conf" "$conf.pirun"; else : >"$conf.pirun"; fi &&
		echo 'start() { ewarn "a restore was cut: run pirun restore.rhai again"; return 1; } # pirun' >>"$conf.pirun" && sync && mv "$conf.pirun" "$conf" && sync || die "cannot write $conf"
}
unblock() {
	writable || die "cannot write /etc/conf.d/k3s"
	blocked || return 0
	cp -p "$conf" "$conf.pirun" || die "cannot write $conf"
	grep -v '^start() .*# pirun$' "$conf" >"$conf.pirun"
	sync && mv "$conf.pirun" "$conf" && sync || die "cannot write $conf"
}

halt() {
	rc-service -q k3s status >/dev/null 2>&1 && { rc-service -q k3s stop || die "k3s does not stop"; }
	i=0
	while answers; do
		i=$((i + 1))
		[ $i -lt 60 ] || die "port 6443 still answers: something else serves it"
		sleep 1
	done
}

swap() {
	note stopping
	block
	halt
	note swapping
	if [ -d $base/server ] && ! is_new; then mv $base/server $base/$OLD && sync || die "cannot move $base/server"; fi
	[ -d $base/server ] || { mv $new/server $base/server && sync; } || die "cannot move what was received into place"
	if [ -n "$SAME" ] && [ -s $new/node/password ]; then
		[ ! -s $password ] || [ ! -d $base/$OLD ] || [ -e $base/$OLD/.node-password ] || cp -p $password $base/$OLD/.node-password
		mkdir -p ${password%/*} && cp -p $new/node/password $password.pirun && sync && mv $password.pirun $password || die "cannot write $password"
	fi
	note swapped
	unblock
	rc-service -q k3s start || die "k3s does not start with the restored state"
	note started
}

undo() {
	note undoing
	block
	halt
	if [ -d $base/server ] && is_new; then rm -rf $base/server.failed && mv $base/server $base/server.failed && sync || die "cannot move $base/server"; fi
	if [ ! -d $base/server ] && [ -d $base/$OLD ]; then mv $base/$OLD $base/server && sync || die "cannot move $base/$OLD"; fi
	[ ! -s $base/server/.node-password ] || mv $base/server/.node-password $password || die "cannot write $password"
	# Where there was no state before, k3s stays down: it would begin a new cluster.
	e=0
	if [ -d $base/server ]; then
		unblock
		rc-service -q k3s start || e=1
	fi
	rm -rf $work $new
	sync
	return $e
}

finish() {
	rm -rf $new $work
	sync
}

accept() {
	for d; do rm -rf "$base/$d"; done
	sync
}
