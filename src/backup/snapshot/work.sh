# What all snapshots begin with: one at a time, a directory of their own, and nothing left behind however they end.
set -eu
set -o pipefail
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
W=/data/.pirun
[ -d /data ] || W=/var/lib/pirun/backup
L=/run/pirun-backup
T= frozen= stopped= dog= guard=

die() {
	echo "pirun-error $2" >&2
	exit "$1"
}

# When a process began: tells it from a later one with its number.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

leave() {
	e=$?
	# Not even a word to somebody who is not there any more may end this.
	trap '' HUP INT TERM PIPE
	trap - EXIT
	exec >/dev/null 2>&1
	set +e
	[ -z "$frozen" ] || kill -CONT $frozen
	[ -z "$dog" ] || kill $dog
	[ -z "$guard" ] || kill $guard
	[ -z "$stopped" ] || rc-service -q k3s start </dev/null >/dev/null 2>&1
	[ -z "$T" ] || rm -rf "$T"
	rm -f "$L"
	exit $e
}

# A link is made at once with what it says: whose lock it is.
me=$$.$(began $$)
if ! ln -s "$me" "$L" 2>/dev/null; then
	other=$(readlink "$L") || other=.
	[ "$(began "${other%.*}")" != "${other#*.}" ] || die 75 "another backup of this node is running (process ${other%.*})"
	rm -f "$L"
	ln -s "$me" "$L" 2>/dev/null || die 75 "another backup of this node has just begun"
fi
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 141' PIPE
[ ! -L $W ] || die 1 "$W is a link"
mkdir -p $W
[ "$(stat -c %u $W)" = 0 ] || die 1 "$W does not belong to root"
chmod 700 $W
rm -rf $W/bk.*
T=$(mktemp -d $W/bk.XXXXXX)
cd "$T"

free() { df -Pk $W | awk 'END { print $4 }'; }
kib() { { du -ck "$@" 2>/dev/null || true; } | awk 'END { print $1 + 0 }'; }
arch() { cat /etc/apk/arch 2>/dev/null || uname -m; }

# Sends what is named. Where not a byte was taken for 30 seconds, nobody is there any more: pirun itself gives up after 15.
send() {
	tar -cf - "$@" &
	t=$!
	(
		trap - EXIT
		n=0 last=
		while [ $n -lt 6 ] && sleep 5; do
			now=$(sed -n 's/^wchar: //p' /proc/$t/io 2>/dev/null) || exit 0
			[ -n "$now" ] || exit 0
			n=$((n + 1))
			[ "$now" = "$last" ] || n=0
			last=$now
		done
		kill $t
	) </dev/null >/dev/null 2>&1 &
	guard=$!
	wait $t
	kill $guard 2>/dev/null || true
	guard=
}
