# Functions that a session has from the start. They only look. Busybox ash, few processes: a Pi forks slowly.
umask 022
export LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
NL='
'
F=/run/pirun.$$
WOPEN= WRAN=

# The end of an answer on both streams: the token cannot be guessed by what a command prints.
p_end() {
	[ -z "$WOPEN" ] || echo idle >/run/pirun.lease
	printf '\n%s %s\n' "$T" "$1"
	printf '\n%s\n' "$T" >&2
}

# However this session ends, it leaves nothing behind.
p_bye() {
	[ -z "$WOPEN" ] || w_close
	rm -f "$F"
}
trap p_bye EXIT
trap 'exit 129' HUP INT TERM PIPE

# Runs the author's script where it cannot hurt this shell. stdin is what the caller gives.
p_user() { (trap - EXIT HUP INT TERM PIPE; eval "$1"); }

# R: the path that a write to $1 would really touch.
p_real() {
	R=$1
	[ -z "$NOFOLLOW" ] && [ -L "$1" ] || return 0
	R=$(readlink -f "$1") || R=$1
}

# L: a link on the way to $1 that belongs to another user than root. It could lead a write anywhere.
p_links() {
	L= p=$1
	[ -z "$NOFOLLOW" ] || p=${p%/*}
	while [ -n "$p" ]; do
		[ ! -L "$p" ] || [ "$(stat -c %u "$p")" = 0 ] || L=$p
		p=${p%/*}
	done
}

# M, MO: the mount that holds path $1, and "ro" or "rw".
p_mount() {
	M= MO=rw
	while read -r _ m _ o _; do
		case $1/ in "${m%/}"/*) [ ${#m} -lt ${#M} ] || { M=$m; case ,$o, in *,ro,*) MO=ro ;; *) MO=rw ;; esac; } ;; esac
	done </proc/mounts
}

# One line for what a path is. $2: the stat format of the properties that matter, $3: whether content matters.
f_state() {
	p_real "$1"
	if [ -n "$NOFOLLOW" ] && [ -L "$R" ]; then
		printf 'link'
		return
	elif [ -d "$R" ]; then
		printf 'directory'
	elif [ -f "$R" ]; then
		printf 'file'
	elif [ -e "$R" ]; then
		printf 'special'
	elif [ -d "${R%/*}/" ]; then
		printf 'absent'
		return
	else
		printf 'nowhere'
		return
	fi
	if [ -n "$2" ]; then printf ' ' && stat -c "$2" "$R"; else echo; fi
	[ -z "$3" ] || [ ! -f "$R" ] || sha256sum <"$R"
}

# The old content, for the diff; more than a person would read is cut.
f_show() {
	p_real "$1"
	[ ! -f "$R" ] || [ ! -s "$R" ] || head -c 262145 "$R"
}

l_state() { if [ -L "$1" ]; then printf 'link '; readlink "$1"; elif [ -e "$1" ]; then printf 'exists'; elif [ -d "${1%/*}/" ]; then printf 'absent'; else printf 'nowhere'; fi; }

# Services as OpenRC itself sees them: links below /run/openrc, and the pid of each daemon that it knows.
# A service that the writable scope has stopped counts as started: it will be, at the scope's end.
s_state() {
	[ -e "/etc/init.d/$1" ] || { printf 'missing'; return; }
	s=stopped
	if [ -e "/run/openrc/started/$1" ]; then
		s=started
		for f in "/run/openrc/daemons/$1"/*; do
			[ -f "$f" ] || continue
			while IFS='=' read -r k v; do
				[ "$k" = pidfile ] && [ -n "$v" ] || continue
				pid=
				[ ! -f "$v" ] || read -r pid <"$v"
				[ -n "$pid" ] && [ -d "/proc/$pid" ] || s=crashed
			done <"$f"
		done
	elif [ -e "/run/openrc/inactive/$1" ] || [ -e "/run/openrc/starting/$1" ]; then
		s=started
	fi
	case " $WRAN " in *" $1 "*) s=started ;; esac
	[ -z "$2" ] || { [ -e "/etc/runlevels/$2/$1" ] && printf 'enabled ' || printf 'disabled '; }
	[ -z "$3" ] || printf '%s' "$s"
}

# Where pirun keeps marks and wishes on this node.
if [ -d /data ]; then H=/data/pirun; else H=/var/lib/pirun; fi
# What a run that was cut has left. MARK: a writable mount; DUE: handlers.
MARK= DUE=
[ ! -d "$H/writable" ] || MARK=marked-
for f in "$H"/pending/*; do [ ! -e "$f" ] || DUE=due-; done

# Compares, and shows what a diff needs. S: state, W: wanted, D: show; R: the path, if there is one.
p_look() {
	R= G= L=
	S >"$F" || return
	while IFS= read -r l || [ -n "$l" ]; do G=$G${G:+$NL}$l; done <"$F"
	[ "$G" != "$W" ] || { printf 'same\n%s\036%s\036' "$G" "$DUE$MARK"; return 0; }
	[ -z "$P" ] || { p_real "$P"; p_links "$P"; }
	M=/ MO=rw
	[ -z "$R" ] || [ -n "$LATER" ] || p_mount "$R"
	printf 'differs\n%s\036%s%s %s\n%s\036' "$G" "$DUE$MARK" "$MO" "$M" "$L"
	D
}
