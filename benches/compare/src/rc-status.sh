#!/bin/sh
# Stands in for OpenRC's rc-status: some tools ask it instead of rc-service.
echo "Runlevel: ${1:-default}"
for s in k3s rpcbind; do
	[ -e "/run/openrc/started/$s" ] && w=started || w=stopped
	echo " $s  [  $w  ]"
done
