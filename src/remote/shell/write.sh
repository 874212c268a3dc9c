# Functions that change the node. A dry run never sends them.

# Compares and puts right, in one go. A: apply.
p_converge() {
	# The shell reads the table of mounts byte by byte: only a failure needs it.
	LATER=1
	p_look
	e=$? LATER= MARKED=
	[ $e = 0 ] || return $e
	[ -z "$L" ] || { echo "foreign link $L" >&2; return 1; }
	[ "$G" = "$W" ] || p_write A >&2 || { p_failed $?; return; }
	[ -z "$MARKED" ] || sync "$MARKED"
}

# Says which mount a change has failed on.
p_failed() {
	p_real "$P"
	p_mount "$R"
	echo "pirun-mount $M" >&2
	return $1
}

# Runs $1; a writable scope that is not open yet is opened first.
p_write() {
	if [ -n "$SCOPE" ]; then
		w_open >&2 || return
		echo busy >/run/pirun.lease
	fi
	"$1"
}

# f_put PATH UMASK MODE OWNER: writes $C beside the target and renames. Mode and owner come before the content.
f_put() {
	p_real "$1"
	t=${R%/*}/.${R##*/}.pirun
	f_new "$R" "$t" "$2" "$3" "$4" f_fill && f_finish "$t" "$R"
}

# f_new TARGET TEMP UMASK MODE OWNER COMMAND: TEMP with the final mode and owner, then with what the command prints;
# "keep" takes the target's. All goes through the open file: whoever may write to the directory could put a link
# in the place of its name.
f_new() {
	[ -d "${1%/*}/" ] || { echo "no directory ${1%/*}" >&2; return 1; }
	[ ! -d "$1" ] || { echo "$1 is a directory" >&2; return 1; }
	[ ! -e "$2" ] && [ ! -L "$2" ] || rm -f "$2" || return
	m=$4 o=$5
	if [ "$m" = keep ]; then if [ -f "$1" ]; then m=$(stat -c %a "$1"); else m=; fi; fi
	if [ "$o" = keep ]; then if [ ! -f "$1" ] || { [ -O "$1" ] && [ -G "$1" ]; }; then o=; else o=$(stat -c %u:%g "$1"); fi; fi
	umask "$3"
	set -C
	{
		set +C
		umask 022
		{ [ -z "$o" ] || chown "$o" /proc/self/fd/1; } && { [ -z "$m" ] || chmod "$m" /proc/self/fd/1; } && "$6"
	} >"$2"
	e=$?
	set +C
	umask 022
	[ $e = 0 ] && return
	# A part of a stream is worth keeping.
	[ "$6" = cat ] || rm -f "$2"
	return 1
}

# f_finish TEMP TARGET: on disk first, with the mark that announces it, then under its name.
f_finish() {
	if sync "$1" $MARKED && mv -f "$1" "$2"; then
		MARKED=
		return 0
	fi
	rm -f "$1"
	return 1
}

f_fill() {
	if [ -n "$B" ]; then printf %s "$C" | base64 -d; else printf %s "$C"; fi && return
	# The shell's own printf fails without a word.
	df -Pk "${R%/*}/" | { read -r _; read -r _ _ _ k _; [ "$k" -gt 1024 ] || echo "No space left on device" >&2; }
	return 1
}

# f_stream PATH UMASK MODE OWNER SHA256: like f_put, with the content from stdin, checked before it counts.
f_stream() {
	p_real "$1"
	t=${R%/*}/.${R##*/}.pirun
	f_new "$R" "$t" "$2" "$3" "$4" cat && [ "$(sha256sum <"$t")" = "$5  -" ] && { f_finish "$t" "$R"; return; }
	rm -f "$t"
	echo "the content arrived damaged" >&2
	return 1
}

# f_append PATH LINE UMASK: the file with one more line, by the same way.
f_append() {
	p_real "$1"
	t=${R%/*}/.${R##*/}.pirun C=$2
	f_new "$R" "$t" "$3" keep keep f_more && f_finish "$t" "$R"
}

# awk ends the last line, where it has no end.
f_more() { { [ ! -s "$R" ] || awk 1 "$R"; } && printf '%s\n' "$C"; }

# s_bring SERVICE STATE. What the scope starts at its end is not started twice.
s_bring() {
	s=$(s_state "$1" "" 1) w=$WRAN
	case " $WRAN " in *" $1 "*) [ "$2" = started ] && return; WRAN=; for i in $w; do [ "$i" = "$1" ] || WRAN="$WRAN $i"; done ;; esac
	case $2:$s in
	started:started | stopped:stopped) ;;
	started:crashed | restarted:*) rc-service -q "$1" restart ;;
	started:* | reloaded:stopped) rc-service -q "$1" start ;;
	stopped:*) rc-service -q "$1" stop ;;
	reloaded:*) rc-service -q "$1" reload ;;
	esac
}

# A mark on the node that outlives this session. MARKED: it is not on disk yet.
mark_set() {
	[ -d "$H/$1" ] || mkdir -p "$H/$1" || return
	printf '%s\n' "$3" >"$H/$1/$2" && MARKED=$H/$1/$2
}
mark_clear() { rm -f "$H/$1/$2" && rmdir "$H/$1" 2>/dev/null || :; }

# SCOPE, WSERVICES: a scope whose first change stops the services and remounts. WRAN: what really ran.
w_open() {
	[ -z "$WOPEN" ] || return 0
	p_mount "$SCOPE"
	WMODE=$MO WRAN=
	for s in $WSERVICES; do case $(s_state "$s" "" 1) in started | crashed) WRAN="$WRAN $s" ;; esac; done
	w_earlier
	mark_set writable "$(w_name)" "$SCOPE $WMODE$WRAN" && sync "$MARKED" || return
	MARKED=
	WOPEN=1
	w_watch
	for s in $WRAN; do rc-service -q "$s" stop || return; done
	[ "$MO" = rw ] || mount -o remount,rw "$SCOPE"
}

# A run that was cut has left the mount writable and services stopped: they count as found before that run.
w_earlier() {
	[ -f "$H/writable/$(w_name)" ] || return 0
	read -r _ WMODE s <"$H/writable/$(w_name)"
	for s in $s; do case " $WRAN " in *" $s "*) ;; *) WRAN="$WRAN $s" ;; esac; done
}

w_name() { printf '%s' "$SCOPE" | tr / _; }

# Somebody must close the scope even if the link hangs: after three minutes without a request, this shell is ended.
w_watch() {
	echo busy >/run/pirun.lease
	(
		trap - EXIT HUP INT TERM PIPE
		exec </dev/null >/dev/null 2>&1
		while sleep 20; do
			[ -d "/proc/$$" ] && read -r b </run/pirun.lease || exit
			[ "$b" = busy ] || [ -n "$(find /run/pirun.lease -mmin -3)" ] || kill -HUP $$
		done
	) &
	WATCH=$!
}

# Read-only again, and what ran before runs again, whatever happened in between.
w_close() {
	[ -n "$WOPEN" ] || return 0
	WOPEN= busy= e=0
	[ "$WMODE" = rw ] || w_remount || busy=1
	for s in $WRAN; do rc-service -q "$s" start || e=2; done
	rm -f /run/pirun.lease
	kill "$WATCH" 2>/dev/null
	WDONE=$WMODE$WRAN WRAN=
	[ -n "$busy" ] || { mark_clear writable "$(w_name)" && MARK= && return $e; }
	return 1
}

w_remount() {
	for i in 0 1 2 3 4 5 6 7 8 9; do
		mount -o remount,ro "$SCOPE" 2>/dev/null && return
		sleep 0.5
	done
	mount -o remount,ro "$SCOPE"
	w_holders
	return 1
}

# Names the processes that keep a file on the mount open for writing.
w_holders() {
	for fd in /proc/[0-9]*/fd/*; do
		f=$(readlink "$fd") || continue
		case $f in /*) ;; *) continue ;; esac
		p_mount "$f"
		[ "$M" = "$SCOPE" ] || continue
		pid=${fd#/proc/}
		pid=${pid%%/*}
		while read -r k v; do
			[ "$k" = flags: ] || continue
			case $v in *[12]) read -r c <"/proc/$pid/comm"; echo "held open by $c (pid $pid): $f" >&2 ;; esac
		done <"/proc/$pid/fdinfo/${fd##*/}"
	done
}
