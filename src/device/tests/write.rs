//! Images of real file systems onto files that stand for disks, some of which break.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use crate::cancel::Cancel;
use crate::device::{self, Allocation, Image, ImageFile, Job, Phase, Progress, Target, Writing};
use crate::error::{Error, ErrorKind};
use crate::image::ext4::{Ext4, Size};
use crate::image::fat32::Fat32;
use crate::image::mbr::{FAT32_LBA, LINUX, Mbr, Partition as Entry4};
use crate::image::pack::{Codec, Packing};
use crate::image::{Entry, Seed, Tree};

const MIB: u64 = 1 << 20;
const CARD: u64 = 80 * MIB;

/// A disk in a file, full of what was on it before.
struct Scrap {
    file: File,
    path: PathBuf,
    dir: TempDir,
    written: AtomicU64,
    /// After so many bytes, every access fails with that error.
    breaks: Option<(u64, i32)>,
}

impl Scrap {
    fn new() -> Self {
        // In memory where there is such a place: the tests write more than they read.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = dir.path().join("disk");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        for at in 0..CARD / MIB {
            file.write_all_at(&[0xa5; MIB as usize], at * MIB).unwrap();
        }
        Self { file, path, dir, written: AtomicU64::new(0), breaks: None }
    }

    fn breaking(after: u64, errno: i32) -> Self {
        Self { breaks: Some((after, errno)), ..Self::new() }
    }

    fn count(&self, len: u64) -> io::Result<()> {
        let written = self.written.fetch_add(len, Ordering::SeqCst) + len;
        match self.breaks {
            Some((after, errno)) if written > after => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }

    fn has_table(&self) -> bool {
        let mut sector = [0; 512];
        self.file.read_exact_at(&mut sector, 0).unwrap();
        Mbr::parse(&sector).is_ok()
    }

    /// The bytes of a partition, as a file of its own.
    fn partition(&self, part: &Entry4) -> PathBuf {
        let path = self.dir.path().join("partition");
        let mut bytes = vec![0; part.bytes() as usize];
        self.file.read_exact_at(&mut bytes, part.offset()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Target for Scrap {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        assert!(bytes.as_ptr().addr().is_multiple_of(4096), "direct I/O wants aligned memory");
        assert!(offset.is_multiple_of(4096) && bytes.len().is_multiple_of(4096));
        self.count(bytes.len() as u64)?;
        self.file.write_all_at(bytes, offset)
    }

    fn zero(&self, offset: u64, len: u64) -> io::Result<()> {
        self.count(len)?;
        self.file.write_all_at(&vec![0; len as usize], offset)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.count(0)?;
        self.file.read_exact_at(bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.count(0)
    }
}

/// An image, made once: FAT, ext4 of ours, ext4 of mke2fs.
struct Fixture {
    _dir: TempDir,
    path: PathBuf,
    raw: Vec<u8>,
    table: Mbr,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(Fixture::make)
}

impl Fixture {
    fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = Tree::new();
        tree.insert("u-boot.bin", Entry::file(vec![7; 300_000], 0o644)).unwrap();
        let boot = Fat32 { size: 36 * MIB, label: "BOOT".into(), volume_id: 7 };
        let boot = boot.volume(&tree).unwrap();
        tree.insert("etc/zeros", Entry::file(vec![0; 1_000_000], 0o644)).unwrap();
        tree.insert("bin/k3s", Entry::file(vec![3; 2_000_000], 0o755)).unwrap();
        let root = Ext4::root(Size::Fixed(16 * MIB), "root", &Seed::new("x"), 1_700_000_000);
        let root = root.volume(&tree).unwrap();
        let linux = |start| Some(Entry4::new(LINUX, start * MIB, 16 * MIB).unwrap());
        let boot_part = Entry4::new(FAT32_LBA, 4 * MIB, 36 * MIB).unwrap();
        let partitions = [Some(boot_part), linux(40), linux(56), None];
        let table = Mbr { disk_id: 0xcafe, partitions };
        let path = dir.path().join("sdcard.img");
        let file = File::create(&path).unwrap();
        file.set_len(72 * MIB).unwrap();
        file.write_all_at(&table.encode(), 0).unwrap();
        for (at, volume) in [(4, &boot), (40, &root)] {
            use crate::image::ReadAt;
            let mut bytes = vec![0; volume.size() as usize];
            volume.read_exact_at(&mut bytes, 0).unwrap();
            FileExt::write_all_at(&file, &bytes, at * MIB).unwrap();
        }
        mke2fs(dir.path(), &file, 56 * MIB, 16);
        let raw = std::fs::read(&path).unwrap();
        Self { _dir: dir, path, raw, table }
    }

    /// As gzip members of 1 MiB, and where the member with that number ends.
    fn gzip(&self, number: usize) -> (Vec<u8>, usize) {
        let (mut packed, mut end) = (Vec::new(), 0);
        for (index, part) in self.raw.chunks(MIB as usize).enumerate() {
            let mut packer = flate2::read::GzEncoder::new(part, flate2::Compression::fast());
            io::Read::read_to_end(&mut packer, &mut packed).unwrap();
            if index == number {
                end = packed.len();
            }
        }
        (packed, end)
    }
}

/// mke2fs leaves bitmaps out that ours has.
fn mke2fs(dir: &Path, image: &File, offset: u64, size: u64) {
    let path = dir.join("mke2fs");
    File::create(&path).unwrap().set_len(size * MIB).unwrap();
    // Small groups, so that there are several.
    let made = Command::new("/usr/sbin/mkfs.ext4")
        .args(["-q", "-F", "-L", "other", "-g", "512", "-O", "uninit_bg,^metadata_csum", "-d"])
        .arg(std::fs::canonicalize("src/device").unwrap())
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    image.write_all_at(&std::fs::read(&path).unwrap(), offset).unwrap();
}

fn write(disk: &Scrap, image: &Path) -> Result<u64, Error> {
    write_until(disk, image, &Cancel::default(), &mut |_, _, _| {})
}

fn write_until(
    disk: &Scrap,
    image: &Path,
    cancel: &Cancel,
    progress: Progress,
) -> Result<u64, Error> {
    let job = Job { target: disk, size: CARD, name: "/dev/sdx", cancel, progress };
    let mut writing = Writing::new(job);
    writing.erase()?;
    writing.image(Image::open(image)?.unpack()?, u64::MAX, &mut |_| Ok(()))?;
    writing.finish(None, true)
}

fn sound(program: &str, args: &[&str], partition: &Path) {
    let checked = Command::new(program).args(args).arg(partition).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{program}: {said}");
}

#[test]
fn what_is_skipped_is_missed_by_nobody() {
    let Fixture { path, table, .. } = fixture();
    let disk = Scrap::new();
    let written = write(&disk, path).unwrap();
    assert_eq!(written, disk.written.load(Ordering::SeqCst));
    // The image has 72 MiB.
    assert!(written < 32 * MIB, "{written}");
    let [Some(boot), Some(ours), Some(other), None] = &table.partitions else { panic!() };
    sound("/usr/sbin/fsck.vfat", &["-n"], &disk.partition(boot));
    for part in [ours, other] {
        sound("/usr/sbin/e2fsck", &["-f", "-n"], &disk.partition(part));
    }
    let read = crate::image::ext4::read(&File::open(disk.partition(ours)).unwrap()).unwrap();
    assert_eq!(read.read("etc/zeros").unwrap().unwrap(), vec![0; 1_000_000]);
    assert_eq!(read.read("bin/k3s").unwrap().unwrap(), vec![3; 2_000_000]);
}

#[test]
fn packed_images_come_out_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let packed = dir.path().join("packed");
    let plain = Scrap::new();
    write(&plain, &fixture().path).unwrap();
    let expected = std::fs::read(&plain.path).unwrap();
    let ours = |codec| {
        let mut packer = Packing::new(codec).unwrap();
        let parts = fixture().raw.chunks(MIB as usize);
        // What a member says of free space must not hide that it is zeros.
        let packed = parts.zip(0..).map(|(part, free)| packer.pack(part, free).unwrap());
        packed.collect::<Vec<_>>().concat()
    };
    let (gzip, zstd) = (ours(Codec::Gzip), ours(Codec::Zstd));
    std::fs::write(&packed, &gzip).unwrap();
    assert_eq!(ImageFile::open(&packed).unwrap().packing(), device::Packing::Members);
    std::fs::write(&packed, &gzip[..gzip.len() - 20]).unwrap();
    assert!(write(&Scrap::new(), &packed).unwrap_err().message().ends_with("ends too early"));
    let foreign = [fixture().gzip(0).0, zstd::encode_all(&fixture().raw[..], 1).unwrap()];
    for bytes in foreign.into_iter().chain([gzip, zstd]) {
        std::fs::write(&packed, bytes).unwrap();
        let disk = Scrap::new();
        write(&disk, &packed).unwrap();
        assert!(std::fs::read(&disk.path).unwrap() == expected);
    }
}

#[test]
fn a_card_that_breaks_has_no_table_and_the_error_says_what_happened() {
    let Fixture { path, .. } = fixture();
    let whole = write(&Scrap::new(), path).unwrap();
    let mut said = String::new();
    for (after, errno) in [(3 * MIB, 5), (whole / 2, 28), (whole / 2, 19), (whole - MIB - 1, 5)] {
        let disk = Scrap::breaking(after, errno);
        let error = write(&disk, path).unwrap_err();
        said += &format!("{}\n", error.message());
        assert!(!disk.has_table());
        assert!(error.hints().iter().any(|hint| hint.contains("no partition table")));
        // The same card, mended.
        let disk = Scrap { breaks: None, ..disk };
        write(&disk, path).unwrap();
        assert!(disk.has_table());
    }
    insta::assert_snapshot!(said, @r"
        /dev/sdx cannot be written at 1 MB: input/output error
        /dev/sdx is full at 42 MB, before its end
        /dev/sdx was pulled out
        /dev/sdx cannot be written at 72 MB: input/output error
        ");
}

#[test]
fn verification_notices_a_flipped_byte() {
    /// Keeps one byte wrong, as a worn-out card does.
    struct Flipping(Scrap, u64);
    impl Target for Flipping {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.write_at(bytes, offset)?;
            let end = offset + bytes.len() as u64;
            if (offset..end).contains(&self.1) {
                let byte = bytes[(self.1 - offset) as usize] ^ 1;
                self.0.file.write_all_at(&[byte], self.1)?;
            }
            Ok(())
        }
        fn zero(&self, offset: u64, len: u64) -> io::Result<()> {
            self.0.zero(offset, len)?;
            if (offset..offset + len).contains(&self.1) {
                self.0.file.write_all_at(&[1], self.1)?;
            }
            Ok(())
        }
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
            self.0.read_at(bytes, offset)
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }
    let Fixture { path, table, .. } = fixture();
    // In the root's superblock, and in its journal, which is zeros.
    let root = table.partitions[1].unwrap();
    let magic = 0xc03b_3998_u32.to_be_bytes();
    let mut blocks = (root.offset()..root.offset() + root.bytes()).step_by(4096);
    let journal = blocks.find(|at| fixture().raw[*at as usize..][..4] == magic).unwrap();
    for at in [root.offset() + 1030, journal + 200_000, 300] {
        let disk = Flipping(Scrap::new(), at);
        let cancel = Cancel::default();
        let job = Job {
            target: &disk,
            size: CARD,
            name: "/dev/sdx",
            cancel: &cancel,
            progress: &mut |_, _, _| {},
        };
        let mut writing = Writing::new(job);
        writing.erase().unwrap();
        writing
            .image(Image::open(path).unwrap().unpack().unwrap(), u64::MAX, &mut |_| Ok(()))
            .unwrap();
        let error = writing.finish(None, true).unwrap_err();
        assert!(error.message().starts_with("/dev/sdx does not hold what was written to it"));
    }
}

#[test]
fn ctrl_c_ends_it_at_once_and_leaves_no_table() {
    let Fixture { path, .. } = fixture();
    for phase in [Phase::Write, Phase::Verify] {
        let (disk, cancel) = (Scrap::new(), Cancel::default());
        let mut after = 0;
        let error = write_until(&disk, path, &cancel, &mut |now, _, _| {
            after += u32::from(cancel.is_cancelled());
            if now == phase {
                cancel.cancel();
            }
        });
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(after <= 1 && !disk.has_table(), "{after} steps after Ctrl-C");
    }
}

#[test]
fn a_damaged_or_cut_image_leaves_no_table() {
    let dir = tempfile::tempdir().unwrap();
    let (packed, first) = fixture().gzip(50);
    let mut flipped = packed.clone();
    flipped[first - 6] ^= 0x40;
    let target = dir.path().join("bad.img.gz");
    let mut said = String::new();
    for (bytes, sum) in [
        (&packed[..first], None),
        (&packed[..first - 100], None),
        (&flipped[..], None),
        (&packed[..], Some("0".repeat(64))),
        (&packed[..], Some("nonsense".into())),
        (&fixture().raw[..50 * MIB as usize], None),
    ] {
        std::fs::write(&target, bytes).unwrap();
        if let Some(sum) = sum {
            std::fs::write(dir.path().join("bad.img.gz.sha256"), format!("{sum}  bad\n")).unwrap();
        }
        let disk = Scrap::new();
        let error = write(&disk, &target).unwrap_err();
        said += &error.message().replace(&*dir.path().to_string_lossy(), "");
        said += "\n";
        assert!(!disk.has_table());
        let _ = std::fs::remove_file(dir.path().join("bad.img.gz.sha256"));
    }
    insta::assert_snapshot!(said, @r"
        /bad.img.gz ends too early
        /bad.img.gz ends too early
        /bad.img.gz is damaged: corrupt gzip stream does not have a matching checksum
        /bad.img.gz is not the file that /bad.img.gz.sha256 describes
        /bad.img.gz.sha256 holds no SHA-256
        /bad.img.gz ends too early
        ");
}

#[test]
fn the_right_sum_beside_an_image_is_accepted() {
    let path = &fixture().path;
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.img");
    std::fs::copy(path, &copy).unwrap();
    let sum = Command::new("sha256sum").arg(&copy).output().unwrap().stdout;
    std::fs::write(dir.path().join("copy.img.sha256"), sum).unwrap();
    write(&Scrap::new(), &copy).unwrap();
}

#[test]
fn an_image_that_is_packed_otherwise_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let said: String = [&b"\xfd7zXZ\0..."[..], b"BZh9....", b"PK\x03\x04....", b""]
        .into_iter()
        .map(|bytes| {
            let path = dir.path().join("x.img");
            std::fs::write(&path, bytes).unwrap();
            let error = Image::open(&path).unwrap_err();
            error.message().replace(&*dir.path().to_string_lossy(), "") + "\n"
        })
        .collect();
    insta::assert_snapshot!(said, @r"
        /x.img is packed with xz
        /x.img is packed with bzip2
        /x.img is packed with zip
        /x.img is empty
        ");
    assert!(
        Image::open(&dir.path().join("none"))
            .unwrap_err()
            .message()
            .starts_with("there is no image")
    );
}

proptest! {
    /// Whatever a file system says of itself, nothing panics, and what is not zero is never skipped.
    #[test]
    fn no_image_confuses_the_allocation(
        damage in prop::collection::vec((0..4096_usize, any::<u8>()), 0..24),
        fat: bool,
    ) {
        let table = Mbr {
            disk_id: 1,
            partitions: [Some(Entry4::new(LINUX, MIB, 64 * MIB).unwrap()), None, None, None],
        };
        let mut head = heads()[usize::from(fat)].to_vec();
        for (at, byte) in damage {
            head[at] = byte;
        }
        let mut allocation = Allocation::of(&table);
        allocation.observe(MIB, &head);
        for at in (0..66 * MIB).step_by(65_536) {
            allocation.is_free(at, 65_536);
        }
    }
}

/// The first 4 MiB of an ext4 file system, and of a FAT.
fn heads() -> [&'static [u8]; 2] {
    [40, 4].map(|at| &fixture().raw[(at * MIB) as usize..][..4 << 20])
}
