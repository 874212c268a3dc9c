# The floor: one ssh a host, all at once. $1: which script; then the hosts.
kind=$1
shift
for host; do
	case $kind in
	big) ssh -F ssh_config "$host" 'cat >/data/big' <big >"floor/$host.out" 2>&1 & ;;
	*) ssh -F ssh_config "$host" sh <"floor/$kind-$host.sh" >"floor/$host.out" 2>&1 & ;;
	esac
	all="$all $!"
done
status=0
for process in $all; do
	wait "$process" || status=1
done
[ $status = 0 ] || cat floor/*.out
exit $status
