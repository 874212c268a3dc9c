# What PATHS (one a line, relative to /data, with wildcards) names, as a tar on stdout. NODE, TAKEN: for INFO.
[ -d /data ] || die 65 "this node has no /data"
ln -s /data data
IFS='
'
set --
for pattern in $PATHS; do
	n=0
	for f in data/$pattern; do
		case $f in data/.pirun | data/.pirun/*) continue ;; esac
		{ [ -e "$f" ] || [ -L "$f" ]; } || continue
		set -- "$@" "$f"
		n=1
	done
	[ $n = 1 ] || die 65 "there is nothing in /data that $pattern names"
done
# What lies below another name comes with that one.
names=$(printf '%s\n' "$@" | sort -u | awk '{ for (i in kept) if (index($0, kept[i] "/") == 1) next; kept[NR] = $0; print }')
set -f
set -- $names
set +f
odd=$(find "$@" -name '*[[:cntrl:]]*' | head -n 1)
[ -z "$odd" ] || die 65 "a name has a line break or another control character: $odd"
linked=$(find "$@" -type f -links +1 | head -n 1)
[ -z "$linked" ] || die 65 "/$linked has more than one name (a hard link)"
# What no backup holds: sockets, pipes, devices, and links that lead out of /data.
find "$@" ! -type f ! -type d ! -type l >out
find "$@" -type l | while read -r l; do printf '%s\t%s\n' "$l" "$(readlink "$l")"; done | awk -F '\t' '
	{ leads = ($2 ~ /^\//); depth = split($1, a, "/") - 2; n = split($2, b, "/")
	for (i = 1; i <= n; i++) { if (b[i] == "..") { if (--depth < 0) leads = 1 } else if (b[i] != "" && b[i] != ".") depth++ }
	if (leads) print $1 }' >>out
while read -r f; do echo "pirun-warning left out: /$f" >&2; done <out
cat >INFO <<END
format 1
kind paths
node $NODE
taken $TAKEN
arch $(arch)
END
find INFO "$@" -type f -exec sha256sum {} + >MANIFEST
send -X out INFO "$@" MANIFEST
echo "snapshot-complete paths" >&2
