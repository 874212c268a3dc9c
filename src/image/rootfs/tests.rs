use super::*;
use crate::image::Content;
use crate::state::{
    Absent, Aspect, Attributes, AuthorizedKey, ConfigTxt, Directory, File, Hostname, Line, Link,
    Service, Setting,
};

/// A root with a passwd, a group and a service, as Alpine lays them out.
fn root() -> Rootfs {
    let mut root = Rootfs::new(1_700_000_000, Alpine::default());
    let files = [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nrpc:x:32:32::/var/lib/rpc:/sbin/nologin\n"),
        ("etc/group", "root:x:0:\nrpc:x:32:\n"),
        ("etc/init.d/rpcbind", "#!/sbin/openrc-run\n"),
        ("etc/hostname", "localhost\n"),
    ];
    for (path, text) in files {
        root.tree.insert(path, Entry::file(text.as_bytes(), 0o644)).unwrap();
    }
    root
}

fn enabled(name: &str) -> Service {
    let mut service = Service::new(name).unwrap();
    service.enabled = Some(true);
    service
}

fn file(path: &str, content: &str, attributes: Attributes) -> File {
    let content = content.as_bytes().to_vec();
    File { verb: "file", path: path.into(), content, attributes, ..File::default() }
}

#[test]
fn a_second_bring_changes_nothing() {
    let mut root = root();
    let owner =
        Attributes { mode: Some(0o640), owner: Some("rpc".into()), group: Some("32".into()) };
    let enabled = enabled("rpcbind");
    let wanted: [&dyn Lay; 5] = [
        &file("/etc/rpc", "x\n", owner),
        &Directory { path: "/run/k3s".into(), attributes: Attributes::default() },
        &Link { path: "/etc/localtime".into(), target: "/usr/share/zoneinfo/UTC".into() },
        &enabled,
        &Absent { path: "/etc/init.d/never".into() },
    ];
    let changed = wanted.map(|wanted| root.bring(wanted).unwrap().changed());
    assert_eq!(changed, [true, true, true, true, false]);
    assert!(wanted.iter().all(|wanted| !root.bring(*wanted).unwrap().changed()));

    let entry = root.tree.get("etc/rpc").unwrap();
    assert_eq!((entry.mode, entry.uid, entry.gid, entry.mtime), (0o640, 32, 32, 1_700_000_000));
    let link = root.tree.get("etc/runlevels/default/rpcbind").map(|entry| &entry.kind);
    assert_eq!(link, Some(&Kind::Link("/etc/init.d/rpcbind".into())));
}

#[test]
fn a_change_of_content_and_owner_is_told_as_on_a_node() {
    let mut root = root();
    let wanted = file(
        "/etc/hostname",
        "rpi40\n",
        Attributes { owner: Some("rpc".into()), ..Attributes::default() },
    );
    let change = root.bring(&wanted).unwrap();
    let owner = Aspect::Attribute { name: "owner", before: Some("0".into()), after: "rpc".into() };
    assert_eq!(
        change.aspects,
        [Aspect::Text { before: "localhost\n".into(), after: "rpi40\n".into() }, owner]
    );
}

#[test]
fn writes_go_where_links_lead_and_the_links_stay() {
    let mut root = root();
    root.bring(&Absent { path: "/etc/hostname".into() }).unwrap();
    root.bring(&Link { path: "/etc/hostname".into(), target: "/data/etc/hostname".into() })
        .unwrap();
    root.hostname(&Hostname::new("rpi40").unwrap()).unwrap();
    root.bind_to_data("/var/lib", "rshared").unwrap();
    root.bring(&file("/var/lib/x/y", "1", Attributes::default())).unwrap();

    let parts = root.split().unwrap();
    assert_eq!(parts.data.read("etc/hostname").unwrap().unwrap(), b"rpi40\n");
    assert_eq!(parts.data.read("var/lib/x/y").unwrap().unwrap(), b"1");
    assert_eq!(parts.root.read("etc/pirun/binds").unwrap().unwrap(), b"/var/lib rshared\n");
    assert!(parts.root.below("data").next().is_none());
    assert!(matches!(parts.root.get("etc/hostname").unwrap().kind, Kind::Link(_)));
}

#[test]
fn keys_go_to_the_users_home_and_stay_private() {
    let mut root = root();
    let key = AuthorizedKey::new("root", "ssh-ed25519 AAAAC3 me@here").unwrap();
    assert!(root.authorized_key(&key).unwrap().changed());
    assert!(!root.authorized_key(&key).unwrap().changed());
    assert_eq!(root.tree.get("root/.ssh").unwrap().mode, 0o700);
    assert_eq!(root.tree.get("root/.ssh/authorized_keys").unwrap().mode, 0o600);
    let nobody = AuthorizedKey::new("rpx", "ssh-ed25519 AAAAC3 me@here").unwrap();
    let error = root.authorized_key(&nobody).unwrap_err();
    assert_eq!(error.message(), "the image has no user `rpx` in /etc/passwd");
    assert_eq!(error.hints(), ["Did you mean `rpc`?"]);
}

#[test]
fn a_service_must_be_there_to_be_enabled() {
    let enabled = enabled("rpcbnd");
    let error = root().bring(&enabled).unwrap_err();
    assert_eq!(error.message(), "there is no service `rpcbnd`");
    assert_eq!(error.hints(), ["Did you mean `rpcbind`?"]);
}

#[test]
fn copies_by_pattern_with_modes_and_times() {
    let mut root = root();
    for name in ["a.dtb", "b.dtb", "c.txt"] {
        root.tree
            .insert(&format!("boot/{name}"), Entry::file(name.as_bytes(), 0o755).at(7))
            .unwrap();
    }
    assert_eq!(root.copy("/boot/*.dtb", "/uboot").unwrap(), 2);
    let copied = root.tree.get("uboot/b.dtb").unwrap();
    assert_eq!((copied.mode, copied.mtime), (0o755, 7));
    assert_eq!(copied.kind, Kind::File(Content::Bytes(b"b.dtb"[..].into())));
    assert_eq!(root.copy("/boot", "/uboot/boot").unwrap(), 3);
    assert!(root.copy("/boot/*.elf", "/uboot").is_err());
}

#[test]
fn a_local_directory_is_laid_over_the_image_with_modes_of_its_own_kind() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("etc/local.d")).unwrap();
    std::fs::write(dir.path().join("etc/motd"), "hello\n").unwrap();
    let script = dir.path().join("etc/local.d/x.start");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    symlink("motd", dir.path().join("etc/issue")).unwrap();

    let mut root = root();
    assert_eq!(root.overlay(dir.path(), "/").unwrap(), 3);
    assert_eq!(root.tree.get("etc/motd").unwrap().mode, 0o644);
    assert_eq!(root.tree.get("etc/local.d/x.start").unwrap().mode, 0o755);
    assert_eq!(root.tree.get("etc/issue").unwrap().kind, Kind::Link("motd".into()));
    std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let error = root.overlay(dir.path(), "/").unwrap_err();
    assert!(error.message().ends_with("it is neither file, link nor directory"), "{error:?}");
}

#[test]
fn a_line_and_the_boot_files_are_edited_as_on_a_node() {
    let mut root = root();
    let line = Line { path: "/etc/motd".into(), line: "hello".into(), ..Line::default() };
    assert!(root.line(&line).unwrap().changed());
    let config = ConfigTxt::new(vec![("gpu_mem".into(), Setting::Values(vec!["16".into()]))], None);
    assert!(root.config_txt(&config.unwrap()).unwrap().changed());
    assert_eq!(root.text("/uboot/config.txt").unwrap().unwrap(), "gpu_mem=16\n");
}

/// Two modules that need a third, one that nobody needs.
fn with_modules() -> Rootfs {
    let mut root = root();
    let dir = "lib/modules/6.12.1-rpi";
    let modules = ["fs/nfs/nfs", "net/sunrpc/sunrpc", "drivers/net/usb/lan78xx", "sound/snd-bcm"];
    for module in modules {
        let path = format!("{dir}/kernel/{module}.ko.gz");
        root.tree.insert(&path, Entry::file(*b"ko", 0o644)).unwrap();
    }
    let dep = "kernel/fs/nfs/nfs.ko.gz: kernel/net/sunrpc/sunrpc.ko.gz\nkernel/net/sunrpc/sunrpc.ko.gz:\n\
               kernel/drivers/net/usb/lan78xx.ko.gz:\nkernel/sound/snd-bcm.ko.gz:\n";
    let alias = "# Aliases\nalias usb:v0424p7800* lan78xx\nalias of:bcm snd_bcm\n";
    for (name, text) in [("modules.dep", dep), ("modules.alias", alias)] {
        root.tree.insert(&format!("{dir}/{name}"), Entry::file(text.as_bytes(), 0o644)).unwrap();
    }
    root
}

#[test]
fn pruned_modules_leave_what_others_need_and_the_indexes_agree() {
    let mut root = with_modules();
    let keep = ["fs/nfs", "lan78xx"].map(str::to_owned);
    assert_eq!(root.prune_modules(&keep).unwrap(), 1);
    let left: Vec<&str> = root.tree.below("lib/modules").map(|(path, _)| path).collect();
    assert!(left.iter().any(|path| path.ends_with("sunrpc.ko.gz")));
    assert!(!left.iter().any(|path| path.ends_with("snd-bcm.ko.gz")));
    let alias = root.text("/lib/modules/6.12.1-rpi/modules.alias").unwrap().unwrap();
    assert_eq!(alias, "# Aliases\nalias usb:v0424p7800* lan78xx\n");
    assert_eq!(root.prune_modules(&keep).unwrap(), 0);
}
