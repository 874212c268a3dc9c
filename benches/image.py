#!/usr/bin/env python3
"""Building the image of a node: pirun beside the original's way, the same packages from the same mirror, as root.

    benches/image.py PIRUN PIRUN_LAB

The original's way is Alpine's own apk (without scripts: the architecture is another), mkfs.ext4 -d, mkfs.vfat and mcopy, dd,
and pigz for both output files. The floor decodes all packages, checks their hashes and writes the bytes; the outputs are
packed, so a second floor packs those bytes as well, once, with libdeflate at pirun's level. CPU seconds of whole process
trees, medians; peak memory is the largest process's. Prints a table; asserts nothing."""

import functools, glob, hashlib, http.server, os, resource, shutil, statistics, subprocess, sys, tempfile, threading, time, zlib

BOOT, PART, ROOT, DATA = 100, 2200, 1000, 64
RUNS = 3


def run(*words, **more):
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if result.returncode:
        sys.exit(f"{words}: {result.stdout.decode()}")
    return result.stdout.decode()


def measured(work):
    """CPU seconds, wall seconds, and the peak memory (MiB) of a child that does `work`."""
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        work()
        # Its own children count when they have been waited for.
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit("a measured step failed")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - begin, usage.ru_maxrss / 1024


def apk_root(work, mirror, wants):
    """Alpine's own apk lays out the packages."""
    tools = glob.glob(os.path.expanduser("~/.cache/pirun-lab/userland-*/root"))[0]
    apk = [f"{tools}/lib/ld-musl-x86_64.so.1", "--library-path", f"{tools}/lib:{tools}/usr/lib", f"{tools}/sbin/apk"]
    repositories = [f"{mirror}/v3.23/{name}" for name in ("main", "community")]
    words = apk + ["--root", f"{work}/root", "--initdb", "--arch", "aarch64", "--keys-dir", f"{mirror}/keys", "--no-scripts"]
    for repository in repositories:
        words += ["--repository", repository]
    run(*words, "add", *wants)


def original(work, mirror, wants):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(f"{work}/root")
    apk_root(work, mirror, wants)
    run("truncate", "-s", f"{ROOT}M", f"{work}/root.ext4")
    run("mkfs.ext4", "-q", "-F", "-d", f"{work}/root", f"{work}/root.ext4")
    run("truncate", "-s", f"{DATA}M", f"{work}/data.ext4")
    run("mkfs.ext4", "-q", "-F", f"{work}/data.ext4")
    run("truncate", "-s", f"{BOOT}M", f"{work}/boot.fat")
    run("mkfs.vfat", "-F", "32", f"{work}/boot.fat")
    run("mcopy", "-s", "-i", f"{work}/boot.fat", *glob.glob(f"{work}/root/boot/*"), "::", env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})
    at = 4
    for part, size in (("boot.fat", BOOT), ("root.ext4", PART), ("root.ext4", PART), ("data.ext4", DATA)):
        run("dd", f"if={work}/{part}", f"of={work}/sdcard.img", "bs=1M", f"seek={at}", "conv=notrunc,sparse", "status=none")
        at += size
    run("truncate", "-s", f"{at}M", f"{work}/sdcard.img")
    for source in ("sdcard.img", "root.ext4"):
        run("sh", "-c", f"pigz -c '{work}/{source}' > '{work}/{source}.gz'")


def floor(work, packages):
    """C libraries do all of it; Python only calls them."""
    with open(f"{work}/bytes", "wb") as out:
        for path in packages:
            data = open(path, "rb").read()
            hashlib.sha1(data).digest()
            hashlib.sha256(data).digest()
            while data:
                member = zlib.decompressobj(31)
                out.write(member.decompress(data))
                data = member.unused_data
        out.flush()


def packed_floor(work, packages, deflate):
    floor(work, packages)
    with open(f"{work}/bytes", "rb") as source, open(f"{work}/packed", "wb") as out:
        while block := source.read(1 << 20):
            out.write(deflate.gzip_compress(block, 6))


def libdeflate(work):
    run(sys.executable, "-m", "pip", "install", "--quiet", "--target", f"{work}/python", "deflate==0.9.0")
    sys.path.insert(0, f"{work}/python")
    return __import__("deflate")


def main():
    pirun, lab = (os.path.abspath(path) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="pc-image-") as work:
        mirror = f"{work}/mirror"
        run(lab, "mirror", mirror)
        handler = functools.partial(Quiet, directory=mirror)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        project = f"{work}/project"
        shutil.copytree("playbooks", f"{project}/playbooks")
        open(f"{project}/inventory.yaml", "w").write("all:\n  hosts:\n    rpi40:\n")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{project}/key")
        words = [pirun, "build_image.rhai", "--no-sign", "--key", "key.pub", "--mirror", f"http://127.0.0.1:{server.server_port}",
                 "--keys", glob.glob(f"{mirror}/keys/*")[0], "--data-size", f"{DATA}M"]
        env = {**os.environ, "XDG_CACHE_HOME": f"{work}/cache", "XDG_STATE_HOME": f"{work}/state"}
        build = lambda *more: run(*words, *more, cwd=project, env=env)
        build()
        wants = [line.split()[1] for line in open(f"{project}/image.lock") if line.startswith("want ")]
        packages = sorted(glob.glob(f"{work}/cache/pirun/apk/*.apk"))

        def fresh(*more):
            shutil.rmtree(f"{project}/output", ignore_errors=True)
            build("--offline", *more)

        deflate = libdeflate(work)
        jobs = {
            "pirun build_image.rhai": fresh,
            "the same with --zstd": lambda: fresh("--zstd"),
            "the same, laid out but not packed (dry run)": lambda: build("--offline", "--dry-run"),
            "the floor: decode, verify, write": lambda: floor(work, packages),
            "the floor, and those bytes packed once": lambda: packed_floor(work, packages, deflate),
            "apk, mkfs.ext4 -d, dd, pigz": lambda: original(f"{work}/original", mirror, wants),
        }
        figures = {}
        for name, job in jobs.items():
            shutil.rmtree(f"{project}/output", ignore_errors=True)
            runs = [measured(job) for _ in range(RUNS)]
            figures[name] = [statistics.median(figure) for figure in zip(*runs)]
            print(f"{name}: {figures[name][0]:.2f} CPU s", file=sys.stderr)
        base = figures["pirun build_image.rhai"][0]
        print(f"\n### Building an image: {len(packages)} packages, from a warm cache\n")
        print("| what | CPU s | beside pirun | wall s | peak MiB |\n|---|---:|---:|---:|---:|")
        for name, (cpu, wall, peak) in figures.items():
            print(f"| {name} | {cpu:.2f} | {cpu / base:.2f} x | {wall:.2f} | {peak:.0f} |")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


main()
