#!/bin/sh
# A stand-in for raspi-alpine's uboot_tool: reads and changes the record by which the boot loader picks a slot.
# 1024 bytes: version, boot counter, partition (2 or 3), zeros, and the CRC-32 of all before it at 1020, in the byte
# order that the boot loader was built for: the one found is kept.
record=${UBOOT_DAT:-/uboot/uboot.dat}

byte() { hexdump -s "$1" -n 1 -v -e '1/1 "%u"' "$record"; }
# The CRC-32 of the file's first 1020 bytes as four bytes in hexadecimal, little-endian: a gzip file ends with it.
crc() { head -c 1020 "$1" | gzip -c | tail -c 8 | head -c 4 | hexdump -v -e '1/1 "%02x "'; }
reversed() { echo "$4 $3 $2 $1"; }

write() {
	local new sum
	new=$(mktemp) || exit 2
	sum=$(crc "$record")
	set -- "$1" "$2" "$3" $(hexdump -s 1020 -n 4 -v -e '1/1 "%02x "' "$record") -- $sum
	[ "$4 $5 $6 $7" = "$(reversed $sum)" ] && order=big || order=little
	{
		printf "\\x$1\\x$2\\x$3"
		tail -c +4 "$record" | head -c 1017
	} > "$new"
	sum=$(crc "$new")
	[ $order = little ] || sum=$(reversed $sum)
	for digits in $sum; do
		printf "\\x$digits" >> "$new"
	done
	cat "$new" > "$record" || exit 2
	rm "$new"
	sync
}

[ -r "$record" ] || { echo "cannot read $record" >&2; exit 2; }
case $1 in
	version) printf '0x%02x\n' "$(byte 0)" ;;
	counter) byte 1; echo ;;
	part_current) byte 2; echo ;;
	part_switch) write 01 "$(printf %02x "$(byte 1)")" "$(printf %02x $((5 - $(byte 2))))" ;;
	reset_counter) write 01 00 "$(printf %02x "$(byte 2)")" ;;
	*) echo "usage: uboot_tool part_current|part_switch|counter|reset_counter|version" >&2; exit 1 ;;
esac
