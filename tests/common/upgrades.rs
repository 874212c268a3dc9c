//! Images to upgrade lab nodes to, built by pirun from the lab's mirror: one world, and what can be wrong with it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pirun_lab::{Lab, Node};

use super::Cluster;
use super::builder::{Builder, key_pair};

/// The shipped stages, as small as a node may be, with what a namespace lacks left out.
const PLAYBOOK: &str = r##"
import "image" as image;
let mirror  = required_param("mirror", "string", "URL");
let key     = required_param("keys", "string", "File");
let output  = required_param("output", "string", "Directory");
let number  = param("number", 1, "Version");
let floor   = param("floor", 0, "Version floor");
let arch    = param("arch", "x86_64", "Architecture");
let broken  = param("broken", "", "What does not work: init or k3s");
let sign    = param("sign", "image_signing_key", "Name of the key");

let root = rootfs(#{ lock: `${arch}.lock`, arch: arch, mirrors: [mirror], keys: [key] });
root.packages(image::BASE + ["k3s", "open-iscsi", "rpcbind", "dropbear", "dropbear-openrc", "busybox-mdev-openrc"]);
image::prepare(root, "mdev");
image::configure(root, "alpine", "Etc/UTC");
image::access(root, "dropbear", read_local("login.pub"));
image::k3s(root);
image::boot_logic(root);
// In a namespace /dev is made already, the kernel has no FAT, and there is no time server.
root.file("/etc/init.d/mdev", #{ source: "mdev.initd", mode: "0755" });
root.line("/etc/fstab", "/dev/mmcblk0p1 /uboot ext4 ro 0 0", #{ regex: "^/dev/mmcblk0p1" });
root.file("/boot/vmlinuz-rpi", #{ content: "a stand-in\n" });
root.file("/uboot/config.txt", #{ content: "kernel=u-boot.bin\n" });
root.file("/uboot/cmdline.txt", #{ content: `console=tty1 image=${number}` + "\n" });
root.file("/uboot/start4.elf", #{ content: "firmware\n" });
root.file("/etc/issue", #{ content: `image ${number}` + "\n" });
// What makes it another image: bytes that no other one has, and that no packing makes fewer.
root.file("/usr/share/image.bin", #{ source: `${number}.bin` });
if broken == "init" {
    root.absent("/sbin/init");
    root.file("/sbin/init", #{ content: "#!/bin/sh\nwhile :; do sleep 1000; done\n", mode: "0755" });
}
if broken == "k3s" {
    root.file("/usr/bin/k3s", #{ content: "#!/bin/sh\nexit 1\n", mode: "0755" });
    root.file("/etc/init.d/k3s", #{ content: "#!/sbin/openrc-run\nstart() { return 1; }\n", mode: "0755" });
}
let signing_key = vault_or(sign, || new_signing_key());
image::clean(root);
image::keep_on_data(root);
image(root, #{ boot: "48M", root: "shrink", free: "4M", data: "128M", sign: signing_key, version: number, floor: floor })
    .save(`${output}/sdcard.img.gz`)
    .save_update(`${output}/sdcard_update.img.gz`);
"##;

/// What is built, by name: a directory each, and the arguments that make it.
const IMAGES: [(&str, &[&str]); 7] = [
    ("v1", &["--number", "1"]),
    ("v2", &["--number", "2"]),
    ("v3", &["--number", "3", "--floor", "3"]),
    ("hangs", &["--number", "4", "--broken", "init"]),
    ("sick", &["--number", "5", "--broken", "k3s"]),
    ("foreign", &["--number", "6", "--arch", "aarch64"]),
    ("stranger", &["--number", "7", "--sign", "another_key"]),
];

/// All images; made once for all tests of a file.
pub struct Images {
    dir: PathBuf,
}

impl Images {
    pub fn get() -> &'static Self {
        static IMAGES: OnceLock<Images> = OnceLock::new();
        IMAGES.get_or_init(Self::build)
    }

    fn build() -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("upgrade-images");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("made");
        let builder = Builder::new(&key_pair(&dir));
        builder.write("build.rhai", PLAYBOOK);
        std::fs::copy("tests/lab/image/mdev.initd", builder.path("mdev.initd")).expect("copied");
        let key = builder.key.display().to_string();
        for (number, (name, arguments)) in IMAGES.iter().enumerate() {
            std::fs::write(builder.path(&format!("{}.bin", number + 1)), noise(number as u64 + 1))
                .expect("written");
            let output = dir.join(name).display().to_string();
            let fixed =
                ["build.rhai", "--mirror", &builder.url, "--keys", &key, "--output", &output];
            builder.pirun(&[&fixed[..], arguments].concat()).ok();
        }
        std::fs::copy(builder.path("vault.enc"), dir.join("vault.enc")).expect("copied");
        let packed = dir.join("v1/sdcard.img.gz");
        let script = format!(
            "gzip -dc '{}' | dd of='{}' bs=1M conv=sparse iflag=fullblock status=none",
            packed.display(),
            dir.join("card.img").display()
        );
        super::builder::run(std::process::Command::new("sh").args(["-c", &script]));
        Self { dir }
    }

    /// The update image of that name.
    pub fn update(&self, name: &str) -> String {
        self.dir.join(name).join("sdcard_update.img.gz").display().to_string()
    }

    /// A card of the image `v1`, unpacked.
    pub fn card(&self) -> PathBuf {
        self.dir.join("card.img")
    }

    /// The id of an image.
    pub fn id(&self, name: &str) -> String {
        let manifest =
            std::fs::read_to_string(self.update(name) + ".manifest").expect("a manifest");
        let id = manifest.lines().find_map(|line| line.strip_prefix("id "));
        id.expect("an id").to_owned()
    }

    /// A cluster of nodes with cards of the image `v1`; the first is the server.
    pub fn cluster(&self, names: &[&str]) -> Cluster {
        let lab = Lab::start().expect("a lab");
        let nodes = names.iter().map(|name| lab.node(name).card_of(&self.card()).expect("a node"));
        let nodes = nodes.collect();
        self.around(lab, nodes)
    }

    /// A cluster around nodes that run already.
    pub fn around(&self, lab: Lab, nodes: Vec<Node>) -> Cluster {
        let cluster = Cluster::around(lab, nodes);
        // Its key signs the images.
        std::fs::copy(self.dir.join("vault.enc"), cluster.path("vault.enc")).expect("copied");
        cluster
    }
}

/// 8 MiB that follow from a number.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        // Knuth's MMIX generator; its upper half is random enough not to be packed.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    (0..2 << 20).flat_map(|_| next().to_le_bytes()).collect()
}

/// The id of the image that a node runs.
pub fn runs(node: &Node) -> String {
    node.sh("cat /etc/pirun/image").expect("an id").trim().to_owned()
}

/// The hash of a slot's device.
pub fn slot_hash(node: &Node, slot: &str) -> String {
    let number = if slot == "A" { 2 } else { 3 };
    node.sh(&format!("sha256sum </dev/mmcblk0p{number}")).expect("a hash")
}
