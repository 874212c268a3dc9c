#!/bin/sh
# The board's initial RAM disk. A Pi's own kernel has built in what Debian's has as modules: so load these, wait for the
# card and the network, and go on with the card's system as if nothing had been.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do
	insmod "$module" || echo "board: insmod $module failed"
done

for word in $(cat /proc/cmdline); do
	case $word in
	root=*) root=${word#root=} ;;
	init=*) init=${word#init=} ;;
	esac
done
wait_for() {
	tries=0
	until [ -e "$1" ] || [ $tries = 600 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
}
wait_for "$root"
wait_for /sys/class/net/usb0
# A Pi's network card has this name.
ip link set usb0 name eth0

# As a kernel with panic= does.
give_up() {
	echo "board: kernel panic: $1"
	sleep 3
	reboot -f
}
mount -t ext4 -o ro "$root" /root || give_up "cannot mount root from $root"
for dir in dev proc sys; do
	mount -o move /$dir /root/$dir || umount /$dir
done
# If that fails, the first process has ended, which is a panic in truth.
exec switch_root /root "${init:-/sbin/init}"
