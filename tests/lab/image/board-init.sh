#!/bin/sh
# The first process of the board's smallest system: mounts, network, SSH, and nothing more.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "board: $*" > /dev/console; }
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t vfat -o ro /dev/mmcblk0p1 /uboot
mount -t ext4 /dev/mmcblk0p4 /data
say "running $(cat /etc/pirun/image)"

ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
[ -e /data/host_key ] || dropbearkey -t ed25519 -f /data/host_key > /dev/null 2>&1
dropbear -r /data/host_key -P /run/dropbear.pid -E
say "answers to SSH"
while :; do sleep 3600; done
