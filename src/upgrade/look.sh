r=
for w in $(cat /proc/cmdline); do case $w in root=*) r=${w#root=} ;; esac; done
d=${r%?}
o=$((5 - ${r#"$d"}))
echo "disk=$d"
k3s() { awk -F: '$1 == "P" { p = $2 } $1 == "V" && p == "k3s" { print substr($0, 3); exit }' "$1/lib/apk/db/installed" 2>/dev/null; }
line() { l=; [ ! -r "$1" ] || read -r l <"$1"; printf '%s' "$l"; }
echo "k3s=$(k3s '')"
echo "arch=$(line /etc/apk/arch)"
m=
[ ! -r /proc/device-tree/model ] || m=$(tr -d '\0' </proc/device-tree/model)
echo "model=$m"
f=0
for p in /etc/pirun/floor /data/pirun/floor; do n=$(line $p); [ "${n:-0}" -le $f ] 2>/dev/null || f=$n; done
echo "floor=$f"
for b in /uboot /boot; do ! mountpoint -q $b || { echo "boot_dir=$b"; break; }; done
echo "other_size=$(blockdev --getsize64 "$d$o")"
if grep -q "^$d$o " /proc/mounts; then
	echo other_mounted=yes
	exit 0
fi
echo other_mounted=no
# Without `noload`, even a read-only mount writes the journal's content.
t=$(mktemp -d /run/pirun-look.XXXXXX) || exit 0
if mount -t ext4 -o ro,noload "$d$o" "$t" 2>/dev/null; then
	echo "other_image=$(line "$t/etc/pirun/image")"
	echo "other_k3s=$(k3s "$t")"
	umount "$t"
fi
rmdir "$t"
