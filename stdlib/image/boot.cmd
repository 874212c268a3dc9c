# What U-Boot does on a Pi with pirun's layout: pick a slot, count the try, start the slot's kernel.
# Compiled to /boot.scr on the boot partition, which both slots share: it must start either one's kernel.
#
# uboot.dat on the boot partition, version 1, is raspi-alpine's record, so that its nodes can be upgraded in place:
#   byte 0     version, 1
#   byte 1     boots since the system last said that it is well
#   byte 2     partition of the slot to boot: 2 (A) or 3 (B)
#   byte 1020  CRC-32 of all before, 4 bytes; most U-Boots store it little-endian, those with the `hash` command big-endian
# Each boot counts up. A system that is well sets the counter back; when it was not for `limit` boots, the other slot has
# its turn. A slot on trial is armed with the counter at 1, so it has one boot to prove itself.
#
# For U-Boot's old shell: no functions, no `elif` in `if`s that have to work everywhere, one command a line.

setenv slot_a 2
setenv slot_b 3
setenv limit 2
# Memory that nobody uses before the kernel runs: the record, and behind it the CRC that it should have.
setenv record 0x10000
setenv record_size 0x400

version

# A card or a disk, whichever this script was found on: U-Boot looks at the card first.
if test -e mmc 0:1 /boot.scr; then
	setenv boot_device mmc
	setenv root_device /dev/mmcblk0p
else
	setenv boot_device usb
	setenv root_device /dev/sda
fi
echo "booting from ${boot_device}"

# A missing file leaves zeros, which have the wrong CRC.
mw.b ${record} 0 0x408
fatload ${boot_device} 0:1 ${record} uboot.dat ${record_size}
crc32 ${record} 0x3fc 0x10400
setenv valid no
if itest.l *0x103fc -eq *0x10400; then
	setenv valid yes
fi
# The other byte order, of whoever wrote it for another U-Boot: the slot that was chosen counts, not who chose it.
if itest.b *0x103fc -eq *0x10403 && itest.b *0x103fd -eq *0x10402 && itest.b *0x103fe -eq *0x10401 && itest.b *0x103ff -eq *0x10400; then
	setenv valid yes
fi
if itest.b *0x10000 -ne 1; then
	setenv valid no
fi
if test ${valid} = no; then
	echo "uboot.dat is missing or damaged: slot A"
	mw.b 0x10000 1
	mw.b 0x10001 0
	mw.b 0x10002 ${slot_a}
fi
if itest.b *0x10002 -ne ${slot_a} && itest.b *0x10002 -ne ${slot_b}; then
	echo "uboot.dat names no slot: slot A"
	mw.b 0x10002 ${slot_a}
fi
setexpr.b counter *0x10001
setexpr.b slot *0x10002
echo "boot counter: ${counter} of ${limit}, partition ${slot}"

# Falling back is not counted: the other slot gets all of its tries.
if itest.b *0x10001 -ge ${limit}; then
	if itest.b *0x10002 -eq ${slot_a}; then
		mw.b 0x10002 ${slot_b}
	else
		mw.b 0x10002 ${slot_a}
	fi
	mw.b 0x10001 0
	setexpr.b slot *0x10002
	echo "too many boots without success: falling back to partition ${slot}"
else
	setexpr.b counter *0x10001 + 1
	mw.b 0x10001 0x${counter}
fi

crc32 ${record} 0x3fc 0x103fc
if fatwrite ${boot_device} 0:1 ${record} uboot.dat ${record_size}; then
	echo "counted"
else
	echo "uboot.dat cannot be written: this boot is not counted"
fi

# The firmware has put cmdline.txt into the device tree; only root= depends on the slot. The pattern needs a blank in front
# of root=, hence the one added here; and of several root= the kernel takes the last, hence the one put at the end.
fdt addr ${fdt_addr}
fdt get value bootargs /chosen bootargs
setexpr bootargs gsub " root=[^ ]+" "" " ${bootargs}"
setenv bootargs "${bootargs} root=${root_device}${slot}"

# One kernel for all boards with 64 bits (3B, 3B+, 4B, 400, CM4), as Alpine's linux-rpi has it; plain or gzip, which
# needs room to be unpacked to: 64 MiB from 256 MiB on are free on all of them. Only a 32-bit U-Boot has bootz.
if ext4load ${boot_device} 0:${slot} ${kernel_addr_r} /boot/vmlinuz-rpi; then
	setenv kernel_comp_addr_r 0x10000000
	setenv kernel_comp_size 0x4000000
	booti ${kernel_addr_r} - ${fdt_addr} || bootz ${kernel_addr_r} - ${fdt_addr}
fi

# Only a boot that failed comes here. The next one is counted.
echo "partition ${slot} does not boot"
sleep 3
reset
