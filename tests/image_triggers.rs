//! What triggers make natively, read by the programs that it is made for.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use pirun::image::install::triggers::hwdb;
use pirun::image::{Entry, Tree};
use pirun_lab::{Cache, debian_packages};

/// Asks libudev for the properties of devices, in a namespace where it finds our database.
const ASK: &str = r#"
import ctypes, sys
udev = ctypes.CDLL("libudev.so.1")
for name in ("udev_new", "udev_hwdb_new", "udev_hwdb_get_properties_list_entry", "udev_list_entry_get_next"):
    getattr(udev, name).restype = ctypes.c_void_p
for name in ("udev_list_entry_get_name", "udev_list_entry_get_value"):
    getattr(udev, name).restype = ctypes.c_char_p
hwdb = ctypes.c_void_p(udev.udev_hwdb_new(ctypes.c_void_p(udev.udev_new())))
assert hwdb, "libudev does not open the database"
for device in sys.argv[1:]:
    entry = udev.udev_hwdb_get_properties_list_entry(hwdb, device.encode(), 0)
    properties = []
    while entry:
        entry = ctypes.c_void_p(entry)
        pair = udev.udev_list_entry_get_name(entry), udev.udev_list_entry_get_value(entry)
        properties.append(b"=".join(pair).decode())
        entry = udev.udev_list_entry_get_next(entry)
    print(device, *sorted(properties), sep="\n    ")
"#;

#[test]
fn libudev_finds_devices_in_the_hardware_database() {
    let package = debian_packages(&Cache::open().unwrap(), &["udev"]).unwrap();
    let files = ["usr/lib/udev/hwdb.d", "lib/udev/hwdb.d"].map(|dir| package.join(dir));
    let files = files.iter().find(|dir| dir.exists()).unwrap();
    let mut tree = Tree::new();
    for file in fs::read_dir(files).unwrap().flatten() {
        let name = format!("usr/lib/udev/hwdb.d/{}", file.file_name().to_str().unwrap());
        tree.insert(&name, Entry::file(fs::read(file.path()).unwrap(), 0o644)).unwrap();
    }
    tree.insert("lib", Entry::link("usr/lib")).unwrap();
    let own = "usb:v2E8Ap0003*\n OWN=yes\n\nusb:v2E8Ap000[56]*\n OWN=glob\n";
    tree.insert("etc/udev/hwdb.d/99-own.hwdb", Entry::file(own.as_bytes(), 0o644)).unwrap();
    // In the place of the one that the package brings.
    tree.insert("etc/udev/hwdb.d/20-OUI.hwdb", Entry::file(*b"", 0o644)).unwrap();
    hwdb::update(&mut tree, 7).unwrap();

    let etc = tempfile::tempdir().unwrap();
    fs::create_dir(etc.path().join("udev")).unwrap();
    fs::write(etc.path().join("udev/hwdb.bin"), tree.read("etc/udev/hwdb.bin").unwrap().unwrap())
        .unwrap();
    let devices = [
        "usb:v2E8Ap0003d0100",
        "usb:v2E8Ap0005",
        "pci:v00008086d00001533",
        "OUI:B827EB000000",
        "usb:vFFFF",
    ];
    let output = Command::new("unshare")
        .args([
            "--mount",
            "sh",
            "-c",
            r#"mount --bind "$1" /etc && shift && exec python3 -c "$@""#,
            "sh",
        ])
        .arg(etc.path())
        .arg(ASK)
        .args(devices)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
}
