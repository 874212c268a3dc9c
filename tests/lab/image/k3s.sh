#!/bin/sh
# A stand-in for k3s, made for the lab: no Kubernetes is behind it.
#
# `k3s server …` and `k3s agent …` log their arguments and stay; a server listens on 6443.
# `k3s kubectl …` prints what a test prepared in /data/lab/kubectl: the file named like the arguments (a blank
# for each gap, `_` for `/`), or else like the longest run of first words there is a file for. `NAME.exit` beside
# it holds an exit status. Nothing prepared: nothing printed, exit 0, but for
# `/readyz`, which is true while a server listens. All calls are logged in /var/log/kubectl.log.

kubectl() {
	local name
	echo "$*" >> /var/log/kubectl.log
	name=$(echo "$*" | tr / _)
	while [ -n "$name" ] && [ ! -e "/data/lab/kubectl/$name" ]; do
		case $name in
			*' '*) name=${name% *} ;;
			*) name= ;;
		esac
	done
	if [ -z "$name" ]; then
		case $* in
			'get --raw /readyz'*) nc -z -w 1 127.0.0.1 6443 && echo ok ;;
		esac
		return
	fi
	cat "/data/lab/kubectl/$name"
	[ ! -e "/data/lab/kubectl/$name.exit" ] || return "$(cat "/data/lab/kubectl/$name.exit")"
}

# Logs and prints the arguments one a line, so that a test sees where each begins and ends.
serve() {
	echo "k3s (the lab's stand-in) starts"
	for argument; do
		echo "argument: $argument"
	done
	case $1 in
		server) nc -lk -p 6443 -e /bin/true & ;;
		*) sleep 2147483647 & ;;
	esac
	trap 'kill $!; echo "k3s stops"; exit 0' TERM INT
	wait $!
}

case $1 in
	server | agent) serve "$@" ;;
	kubectl)
		shift
		kubectl "$@"
		;;
	--version) echo "k3s version v0.0.0+lab (stand-in)" ;;
	*)
		echo "k3s (the lab's stand-in): '$1' is not a command it knows" >&2
		exit 1
		;;
esac
