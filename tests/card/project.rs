//! A project, an image and a loop device to write it to.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use pirun::image::ext4::{Ext4, Size};
use pirun::image::fat32::Fat32;
use pirun::image::mbr::{FAT32_LBA, LINUX, Mbr, Partition};
use pirun::image::pack::{Codec, MEMBER, Packing};
use pirun::image::volume::Window;
use pirun::image::{Entry, ReadAt, Seed, Tree, Volume};
use tempfile::TempDir;

use crate::common::loop_device::{attach, detach};
use crate::common::{PASSWORD, Said, said};

pub const MIB: u64 = 1 << 20;
/// Bytes of each card.
pub const CARD: u64 = 192 * MIB;
const TIME: i64 = 1_700_000_000;

/// A packed image, made once.
pub struct Image {
    _dir: TempDir,
    pub path: PathBuf,
    /// Bytes of its first three partitions that must be written.
    pub written: u64,
}

pub fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(make_image)
}

fn make_image() -> Image {
    let dir = tempfile::tempdir().expect("a directory");
    let mut tree = Tree::new();
    let mut put = |path: &str, bytes: Vec<u8>| {
        tree.insert(path, Entry::file(bytes, 0o644).at(TIME)).expect("laid out");
    };
    put("u-boot.bin", vec![7; 600_000]);
    put("zeros", vec![0; 500_000]);
    put("k3s", (0..6_000_000_u32).map(|n| (n / 7) as u8).collect());
    let boot = Fat32 { size: 36 * MIB, label: "BOOT".into(), volume_id: 7 };
    let root = Ext4::root(Size::Fixed(24 * MIB), "root", &Seed::new("x"), TIME);
    let mut data = Tree::new();
    data.insert("etc/kept", Entry::file(*b"by the image\n", 0o644).at(TIME)).expect("laid out");
    data.insert("etc/dropbear", Entry::directory(0o700).at(TIME)).expect("laid out");
    let data = Ext4::data(16 * MIB, &Seed::new("x"), TIME).volume(&data).expect("a volume");
    let root = root.volume(&tree).expect("a volume");
    let parts: [(u8, Volume); 4] = [
        (FAT32_LBA, boot.volume(&tree).expect("a volume")),
        (LINUX, root.clone()),
        (LINUX, root),
        (LINUX, data),
    ];
    let mut table = Mbr { disk_id: 0x70_69_72_75, ..Mbr::default() };
    let mut bytes = vec![0; 4 << 20];
    for (index, (kind, volume)) in parts.iter().enumerate() {
        let part = Partition::new(*kind, bytes.len() as u64, volume.size()).expect("a partition");
        table.partitions[index] = Some(part);
        let mut content = vec![0; volume.size() as usize];
        volume.read_exact_at(&mut content, 0).expect("readable");
        bytes.extend_from_slice(&content);
    }
    bytes[..512].copy_from_slice(&table.encode());
    let path = dir.path().join("sdcard.img.gz");
    let mut packer = Packing::new(Codec::Gzip).expect("a packer");
    let members = bytes.chunks(MEMBER).map(|part| packer.pack(part, 0).expect("packed"));
    std::fs::write(&path, members.collect::<Vec<_>>().concat()).expect("written");
    let ranges = parts[..3].iter().flat_map(|(_, volume)| volume.written());
    Image { _dir: dir, path, written: ranges.map(|(_, len)| len).sum() }
}

/// A directory with an inventory, a vault and a key.
pub struct Project {
    dir: TempDir,
}

impl Project {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let project = Self { dir };
        let inventory = "all:\n  hosts:\n    rpi41:\n      address: 192.168.1.41\n      \
                         network: { gateway: 192.168.1.1, dns: [192.168.1.1] }\n";
        std::fs::write(project.path("inventory.yaml"), inventory).expect("written");
        std::fs::copy("vault.enc", project.path("vault.enc")).expect("copied");
        std::fs::copy("playbooks/write_image.rhai", project.path("write_image.rhai"))
            .expect("copied");
        std::fs::create_dir(project.path("output")).expect("made");
        std::os::unix::fs::symlink(&image().path, project.path("output/sdcard.img.gz"))
            .expect("linked");
        std::fs::create_dir(project.path(".ssh")).expect("made");
        std::fs::write(project.path(".ssh/id_ed25519.pub"), project.public_key()).expect("written");
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn public_key(&self) -> String {
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me\n"
            .into()
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("PIRUN_VAULT_PASSWORD", PASSWORD)
            .env_remove("SSH_AUTH_SOCK")
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
    }

    pub fn pirun(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        said(self.environment(command.args(args)).output().expect("pirun runs"))
    }

    /// The command that writes the image to a card.
    pub fn command(&self, card: &Loop, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        self.environment(command.args(["write_image.rhai", &card.device]).args(args));
        command
    }

    pub fn write(&self, card: &Loop, args: &[&str]) -> Said {
        said(self.command(card, args).output().expect("pirun runs"))
    }

    /// A shell whose mounts end with it; `$0` is pirun.
    pub fn in_a_namespace(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        self.environment(command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_pirun")]));
        command
    }

    /// The same as [`Project::write`], at a terminal where somebody types.
    pub fn at_a_terminal(&self, card: &Loop, args: &[&str], typed: &str) -> Said {
        let line = format!(
            "{} write_image.rhai {} {}",
            env!("CARGO_BIN_EXE_pirun"),
            card.device,
            args.join(" ")
        );
        let mut command = Command::new("script");
        self.environment(command.args(["-qec", &line, "/dev/null"]));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("script runs");
        let mut stdin = child.stdin.take().expect("piped");
        std::io::Write::write_all(&mut stdin, typed.as_bytes()).expect("typed");
        let ended = said(child.wait_with_output().expect("ended"));
        drop(stdin);
        ended
    }

    /// Output without what is another in each run.
    pub fn tidy(&self, text: &str, card: &Loop) -> String {
        let mut tidy = text.replace(&card.device, "/dev/loopN");
        if let Some(at) = tidy.find("SHA256:") {
            let end = tidy[at..].find(char::is_whitespace).map_or(tidy.len(), |end| at + end);
            tidy.replace_range(at..end, "SHA256:…");
        }
        let lines = tidy.lines().filter(|line| !line.starts_with("log: "));
        lines.map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// A card: a loop device over a sparse file.
pub struct Loop {
    pub device: String,
    file: PathBuf,
    _dir: TempDir,
    mount: Option<PathBuf>,
}

impl Loop {
    pub fn new() -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), None)
    }

    /// One whose file lies in a memory disk of so many bytes.
    pub fn in_memory_of(bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().to_owned();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "card"])
            .arg(&place));
        Self::over(dir, Some(place))
    }

    /// One with an ext4 file system and no partitions.
    pub fn formatted() -> Self {
        let card = Self::new();
        run(Command::new("/usr/sbin/mkfs.ext4").args(["-q", "-F", "-L", "photos", &card.device]));
        card
    }

    fn over(dir: TempDir, mount: Option<PathBuf>) -> Self {
        let file = dir.path().join("card");
        File::create(&file).expect("made").set_len(CARD).expect("a size");
        Self { device: attach(&file), file, _dir: dir, mount }
    }

    /// Pulls the card out and puts it in again.
    pub fn reattach(&mut self) {
        detach(&self.device);
        self.device = attach(&self.file);
    }

    /// The file behind it stands for a serial number.
    pub fn serial(&self) -> String {
        self.file.display().to_string()
    }

    pub fn title(&self) -> String {
        "loop device 201.3 MB".into()
    }

    pub fn fill(&self, what: &[(u64, &[u8])]) {
        let file = File::options().write(true).open(&self.device).expect("opened");
        for (at, bytes) in what {
            file.write_all_at(bytes, *at).expect("written");
        }
        file.sync_all().expect("synced");
    }

    pub fn content(&self) -> Vec<u8> {
        run(Command::new("blockdev").args(["--flushbufs", &self.device]));
        std::fs::read(&self.device).expect("read")
    }

    pub fn has_table(&self) -> bool {
        Mbr::parse(&self.content()[..512]).is_ok()
    }

    /// As the kernel counts them (Linux, `Documentation/block/stat.rst`).
    pub fn sectors_written(&self) -> u64 {
        let name = self.device.trim_start_matches("/dev/");
        let stat = std::fs::read_to_string(format!("/sys/block/{name}/stat")).expect("statistics");
        stat.split_whitespace().nth(6).and_then(|word| word.parse().ok()).expect("a number")
    }

    /// Lets the file systems' own tools look at all partitions.
    pub fn check(&self) {
        let content = self.content();
        let dir = tempfile::tempdir().expect("a directory");
        for (index, part) in Mbr::parse(&content).expect("a table").partitions.iter().enumerate() {
            let part = part.expect("a partition");
            let path = dir.path().join(index.to_string());
            let bytes = &content[part.offset() as usize..][..part.bytes() as usize];
            std::fs::write(&path, bytes).expect("written");
            let (program, flags) = match index {
                0 => ("/usr/sbin/fsck.vfat", "-n"),
                _ => ("/usr/sbin/e2fsck", "-fn"),
            };
            run(Command::new(program).arg(flags).arg(&path));
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        detach(&self.device);
        if let Some(place) = &self.mount {
            let _ = Command::new("umount").arg(place).status();
        }
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().expect("started");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&text));
}

/// What the card has in its data partition.
pub fn data_of(card: &Loop) -> Tree {
    let content = card.content();
    let data = Mbr::parse(&content).expect("a table").partitions[3].expect("a data partition");
    pirun::image::ext4::read(&Window::new(&content[..], data.offset(), data.bytes())).expect("ext4")
}

/// Bytes that a card needs: what its file systems have in use, its first MiB twice, and its last.
pub fn needed(card: &Loop) -> u64 {
    let content = card.content();
    let data = Mbr::parse(&content).expect("a table").partitions[3].expect("a data partition");
    let superblock = &content[data.offset() as usize + 1024..];
    let word = |at: usize| {
        u64::from(u32::from_le_bytes([
            superblock[at],
            superblock[at + 1],
            superblock[at + 2],
            superblock[at + 3],
        ]))
    };
    let used = (word(4) - word(12)) * 4096;
    image().written + used + 3 * MIB
}
