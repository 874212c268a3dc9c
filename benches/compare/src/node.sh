# One node, from inside its namespaces. $1: its directory, $2: its name, $3: its address, $4: the control group's door.
set -e
echo 0 >"$4"
hostname "$2"
mount --all --fstab "$1/fstab"
exec chroot "$1/root" /usr/sbin/sshd -D -E /run/sshd.log -f /etc/ssh/compare.conf -o "ListenAddress=$3"
