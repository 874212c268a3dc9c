#!/usr/bin/env python3
"""Writing a card: pirun beside bmaptool, the same packed image onto the same loop device, as root.

    benches/card.py PIRUN [--size MIB]

The image has the sizes of the original's (4.7 GB, two roots with the same 420 MB in them). Prints a table; asserts
nothing, but gives no figure to a tool that left a wrong card. The last row is pirun on a device that is throttled to
40 MB/s, where the kernel's blkio controller is there to do so."""

import os, resource, shutil, struct, subprocess, sys, tempfile, time, zlib

MIB = 1 << 20
BOOT, ROOT, DATA = 100, 2200, 200
CONTENT = 420 * MIB
RATE = 40_000_000


def run(*words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more).stdout.decode()


def content(place):
    """Programs of this machine, as many as a root has."""
    left = CONTENT
    for base, dirs, files in os.walk("/usr"):
        dirs.sort()
        for name in sorted(files):
            path = os.path.join(base, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            size = os.path.getsize(path)
            if 0 < size <= left:
                left -= size
                target = place + path
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.link(path, target) if os.stat(path).st_dev == os.stat(place).st_dev else shutil.copy(path, target)


def image(work):
    path, at = work + "/sdcard.img", 4
    table = b""
    with open(path, "wb") as out:
        for number, size in enumerate((BOOT, ROOT, ROOT, DATA)):
            kind = 0x83 if number else 0x0C
            table += struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", at * 2048, size * 2048)
            at += size
        out.truncate(at * MIB)
        out.seek(440)
        out.write(struct.pack("<IH", 0x70697275, 0) + table + b"\x55\xaa")
    root, empty = work + "/root", work + "/empty"
    os.makedirs(root)
    os.makedirs(empty)
    content(root)
    at = 4
    for number, size in enumerate((BOOT, ROOT, ROOT, DATA)):
        part = work + "/part"
        with open(part, "wb") as out:
            out.truncate(size * MIB)
        if number == 0:
            run("mkfs.vfat", "-F", "32", "-n", "BOOT", part)
        else:
            label, source = ("data", empty) if number == 3 else ("root", root)
            run("mkfs.ext4", "-q", "-F", "-b", "4096", "-L", label, "-d", source, part)
        run("dd", "if=" + part, "of=" + path, "bs=1M", "seek=%d" % at, "conv=notrunc,sparse")
        at += size
        os.remove(part)
    shutil.rmtree(root)
    run("sync")
    return path


def member(raw):
    """As pirun packs: src/image/pack/member.rs."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packer.compress(raw) + packer.flush()
    head = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff\x0e\x00Pi\x0a\x00"
    note = struct.pack("<IIH", 26 + len(body) + 8, len(raw), 0)
    return head + note + body + struct.pack("<II", zlib.crc32(raw), len(raw))


def pack(path):
    zeros = bytes(MIB)
    packed_zeros = member(zeros)
    with open(path, "rb") as source, open(path + ".gz", "wb") as out:
        while raw := source.read(MIB):
            out.write(packed_zeros if raw == zeros else member(raw))
    return path + ".gz"


def sectors(loop):
    return int(open("/sys/block/%s/stat" % os.path.basename(loop)).read().split()[6])


def measured(loop, words, **more):
    """Seconds, CPU seconds, MB that went to the device."""
    before, start, written = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), sectors(loop)
    run(*words, **more)
    run("blockdev", "--flushbufs", loop)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, (sectors(loop) - written) * 512 / 1e6


def right(loop, work):
    """The roots are what e2fsck wants, and hold the same as the image's."""
    part = work + "/check"
    for at in (4 + BOOT, 4 + BOOT + ROOT):
        run("dd", "if=" + loop, "of=" + part, "bs=1M", "skip=%d" % at, "count=%d" % ROOT, "conv=sparse")
        run("e2fsck", "-fn", part)
        os.remove(part)


def throttle(loop):
    """A control group for whose members the device is slow; None where there is none."""
    number = open("/sys/block/%s/dev" % os.path.basename(loop)).read().strip()
    group = "/sys/fs/cgroup/blkio/pirun-bench"
    try:
        os.makedirs(group, exist_ok=True)
        for what, rate in (("write", RATE), ("read", 90_000_000)):
            with open("%s/blkio.throttle.%s_bps_device" % (group, what), "w") as file:
                file.write("%s %d" % (number, rate))
        return group
    except OSError:
        return None


def main():
    pirun = os.path.abspath(sys.argv[1])
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with tempfile.TemporaryDirectory(prefix="pirun-card-") as work:
        raw = image(work)
        packed = pack(raw)
        run("bmaptool", "create", "-o", raw + ".bmap", raw)
        os.remove(raw)
        open(work + "/inventory.yaml", "w").write("all:\n  hosts:\n    rpi40:\n")
        shutil.copy(here + "/playbooks/write_image.rhai", work)
        rows = []

        def row(name, words, group=None):
            with open(work + "/card", "wb") as card:
                card.truncate(8192 * MIB)
            loop = run("losetup", "-f", "--show", work + "/card").strip()
            words = [word.replace("LOOP", loop) for word in words]
            try:
                if group:
                    place = throttle(loop)
                    if not place:
                        return print("the blkio controller is not there: no throttled row", file=sys.stderr)
                    words = ["sh", "-c", 'echo $$ >%s/cgroup.procs && exec "$@"' % place, "sh"] + words
                cost = measured(loop, words, cwd=work)
                right(loop, work)
                rows.append((name,) + cost)
            finally:
                run("losetup", "-d", loop)

        write = [pirun, "write_image.rhai", "LOOP", "--image", packed, "--force", "not-removable", "--yes",
                 "--expect-serial", work + "/card"]
        row("pirun, read back", write)
        row("bmaptool, not read back", ["bmaptool", "copy", "--bmap", raw + ".bmap", packed, "LOOP"])
        row("pirun at 40 MB/s, read back at 90", write, group=True)
        size = os.path.getsize(packed) / 1e6

    print("\n## Writing a card\n\n%.0f MB packed, %d MB unpacked, a loop device of 8 GiB.\n" % (size, 4 + BOOT + 2 * ROOT + DATA))
    print("| | wall s | CPU s | MB written |\n|---|---:|---:|---:|")
    for name, wall, cpu, written in rows:
        print("| %s | %.1f | %.2f | %.0f |" % (name, wall, cpu, written))
    (_, wall, cpu, _), (_, peer_wall, peer_cpu, _) = rows[:2]
    print("\npirun's CPU is %.2f of bmaptool's, its wall clock %.2f." % (cpu / peer_cpu, wall / peer_wall))
    for name, wall, _, written in rows[2:]:
        floor = written / (RATE / 1e6) + written / 90
        print("Throttled, it takes %.2f of what writing and reading that many bytes takes." % (wall / floor))


main()
