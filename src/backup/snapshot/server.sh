# A server's state as a tar on stdout. NODE, TAKEN: for INFO. METHOD: vacuum, freeze or stop.
S=/var/lib/rancher/k3s/server
D=$S/db

# The processes that have the datastore open. Not its path but its number on the disk tells it from others'.
holders() {
	[ -e $D/state.db ] || return 0
	i=$(stat -Lc %i $D/state.db)
	# Processes come and go meanwhile.
	{ ls -l /proc/[0-9]*/fd 2>/dev/null || true; } | awk -F/ '/^\/proc\// { p = $3 } /\/server\/db\/state\.db$/ { split($1, a, " "); print p, a[9] }' |
		while read -r p n; do
			[ "$(stat -Lc %i "/proc/$p/fd/$n" 2>/dev/null)" != "$i" ] || echo "$p"
		done | sort -u
}

is_frozen() {
	[ ! -e thawed ] || return 1
	for p in $frozen; do
		! cat "/proc/$p/task/"*/stat 2>/dev/null | sed 's/.*) //' | grep -qv '^[Tt]' || return 1
	done
}

# k3s stands still from here on; should this script end badly, or the link be cut, for ten seconds at the most.
freeze() {
	frozen=$(holders)
	[ -n "$frozen" ] || return 0
	setsid sh -c 'sleep 10; : >"$0/thawed"; kill -CONT "$@"' "$T" $frozen </dev/null >/dev/null 2>&1 &
	dog=$!
	kill -STOP $frozen
	n=0
	until is_frozen; do
		n=$((n + 1))
		[ $n -lt 50 ] || die 26 "k3s does not stand still"
		sleep 0.1
	done
}

thaw() {
	if [ -n "$frozen" ]; then
		is_frozen || die 26 "the copy of the datastore takes longer than k3s may stand still (10 s)"
		kill -CONT $frozen
		frozen=
		kill $dog 2>/dev/null || true
		dog=
	else
		[ -z "$(holders)" ] || die 26 "k3s started while its datastore was copied"
	fi
}

# Should this script be gone, or the link be silent, k3s starts again.
stop() {
	rc-service -q k3s status >/dev/null 2>&1 || return 0
	setsid sh -c 'n=0; while [ -d "/proc/$0" ] && [ $n -lt 900 ]; do sleep 1; n=$((n + 1)); done
		kill "$0"; pkill -P "$0"; rc-service -q k3s start' $$ </dev/null >/dev/null 2>&1 &
	dog=$!
	stopped=1
	rc-service -q k3s stop >&2 || die 26 "k3s does not stop"
	n=0
	while [ -n "$(holders)" ]; do
		n=$((n + 1))
		[ $n -lt 30 ] || die 26 "k3s has stopped, but something has its datastore open"
		sleep 1
	done
}

start() {
	[ -n "$stopped" ] || return 0
	kill $dog 2>/dev/null || true
	dog=
	rc-service -q k3s start </dev/null >/dev/null 2>&1 || die 26 "k3s was stopped, and does not start again"
	stopped=
}

copy_database() {
	mkdir server/db
	cp -p $D/state.db server/db/
	[ ! -s $D/state.db-wal ] || cp -p $D/state.db-wal server/db/
}

# The last revision: what the copy must have at the least. Asked before anything else is done.
revision() {
	if command -v sqlite3 >/dev/null; then
		sqlite3 -readonly -batch -cmd '.timeout 30000' $D/state.db 'SELECT max(id) FROM kine' 2>/dev/null
	else
		timeout 20 k3s kubectl get --raw '/api/v1/namespaces?limit=1' 2>/dev/null |
			sed -n 's/.*"resourceVersion":"\([0-9]*\)".*/\1/p' | head -n 1
	fi
}

# Links are relative here. One that leads elsewhere is replaced by what it leads to.
collect() {
	for x in token agent-token node-token tls cred manifests; do
		[ ! -e $S/$x ] || cp -a $S/$x server/
	done
	find server -type l | while IFS= read -r l; do
		t=$(readlink "$l")
		case $t in
		$S/token | $S/agent-token | $S/node-token) ln -sfn "${t##*/}" "$l" ;;
		/* | *..*)
			rm "$l"
			cp -rpL "$S${l#server}" "$l" 2>/dev/null || echo "pirun-warning left out: the link $l to $t" >&2
			;;
		esac
	done
	for f in /etc/rancher/k3s/*.yaml /etc/rancher/k3s/config.yaml.d/*.yaml /etc/conf.d/k3s; do
		[ -f "$f" ] || continue
		mkdir -p ".${f%/*}"
		cp -pL "$f" ".$f"
	done
	mkdir node
	[ ! -f /etc/rancher/node/password ] || cp -pL /etc/rancher/node/password node/
}

[ -s $D/state.db ] || die 65 "there is no datastore of k3s in $D"
[ -s $S/token ] && [ -s $S/tls/server-ca.crt ] || die 65 "$S has no token or no tls/server-ca.crt"
mkdir server
id=$(revision || true)
case $id in '' | *[!0-9]*) id=0 ;; esac
need=$(($(kib $D/state.db $D/state.db-wal) * 12 / 10 + $(kib $S/tls $S/cred $S/manifests) + 1024))
room=
[ "$(free)" -lt $need ] || room=1
[ -n "$room" ] || [ $METHOD = stop ] || die 28 "no room for a copy of the datastore: $need KiB needed in $W, $(free) KiB free"
case $METHOD in
vacuum)
	mkdir server/db
	sqlite3 -batch -cmd '.timeout 30000' $D/state.db "VACUUM INTO '$T/server/db/state.db'" >&2 || die 26 "sqlite3 cannot copy the datastore"
	;;
freeze)
	freeze
	copy_database
	thaw
	;;
stop)
	stop
	if [ -n "$room" ]; then
		copy_database
		[ -z "$(holders)" ] || die 26 "k3s started while its datastore was copied"
		start
	else
		ln -s $D server/db
	fi
	;;
esac
collect
cat >INFO <<END
format 1
kind server
node $NODE
taken $TAKEN
arch $(arch)
k3s $(k3s --version 2>/dev/null | sed -n '1s/^k3s version \([^ ]*\).*/\1/p')
method $METHOD
cluster $(sha256sum <$S/tls/server-ca.crt | cut -c 1-64)
max-id $id
END
# The log before the database: so both can be read without keeping the database twice.
set -- INFO
for x in server/db/state.db-wal server/db/state.db server/token server/agent-token server/node-token server/tls server/cred server/manifests node/password etc/rancher/k3s etc/conf.d/k3s; do
	[ ! -e $x ] || [ $x/ = server/db/state.db-wal/ -a ! -s $x ] || set -- "$@" $x
done
find "$@" -type f -exec sha256sum {} + >MANIFEST
send "$@" MANIFEST
[ -z "$stopped" ] || [ -z "$(holders)" ] || die 26 "k3s started while its datastore was sent"
start
echo "snapshot-complete $METHOD" >&2
