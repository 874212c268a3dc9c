# What a snapshot of this server would meet. Only looks.
S=/var/lib/rancher/k3s/server
D=$S/db
W=/data
[ -d /data ] || W=/var/lib
kib() { du -ck "$@" 2>/dev/null | awk 'END { print $1 + 0 }'; }
echo "database $(kib $D/state.db $D/state.db-wal)"
echo "rest $(kib $S/tls $S/cred $S/manifests)"
echo "free $(df -Pk $W | awk 'END { print $4 }')"
[ ! -s $D/state.db ] || [ ! -s $S/token ] || [ ! -s $S/tls/server-ca.crt ] || echo "server yes"
[ ! -r $S/tls/server-ca.crt ] || echo "cluster $(sha256sum <$S/tls/server-ca.crt | cut -c 1-64)"
echo "token $(sed -n '1s/^K10\([0-9a-f]*\)::.*/\1/p' $S/token 2>/dev/null)"
echo "authorities $(grep -c 'BEGIN CERTIFICATE' $S/tls/server-ca.crt 2>/dev/null)"
! command -v sqlite3 >/dev/null || echo "sqlite3 yes"
! rc-service -q k3s status >/dev/null 2>&1 || echo "running yes"
[ ! -s /etc/rancher/node/password ] || echo "password yes"
