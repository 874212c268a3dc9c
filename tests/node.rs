//! The remote and the verbs against real Alpine userland over a real dropbear.

use std::path::Path;
use std::sync::Arc;

use pirun::cancel::Cancel;
use pirun::inventory::Host;
use pirun::remote::{DryRemote, Query, Remote, SshConfig, SshRemote};
use pirun::state::{
    Action, Ask, Aspect, Attributes, AuthorizedKey, Change, Directory, File, Hostname, Line, Node,
    Service, ServiceState, Upload, finish_writable, start_writable,
};
use pirun_lab::Lab;

/// A lab, one node, and what a connection needs.
struct Bench {
    lab: Lab,
    node: pirun_lab::Node,
    runtime: tokio::runtime::Runtime,
    config: SshConfig,
    host: Host,
}

impl Bench {
    fn start() -> Self {
        let lab = Lab::start().expect("a lab");
        let node = lab.fast_node("rpi40").expect("a node");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let host = Host {
            name: "rpi40".into(),
            address: node.address().to_string(),
            user: "root".into(),
            ..Host::default()
        };
        let config = SshConfig::write([&host], &lab.known_hosts()).expect("a configuration");
        let mut text = std::fs::read_to_string(config.path()).expect("readable");
        text.insert_str(0, &format!("IdentityFile {}\n", lab.private_key().display()));
        std::fs::write(config.path(), text).expect("writable");
        Self { lab, node, runtime, config, host }
    }

    /// Runs `body` in a thread on the lab's network, with a connected node.
    fn with<T: Send>(&self, dry: bool, body: impl FnOnce(&Node) -> T + Send) -> T {
        self.with_step(dry, None, body)
    }

    /// The same; `ask` is asked before each change.
    fn with_step<T: Send>(
        &self,
        dry: bool,
        ask: Option<Ask>,
        body: impl FnOnce(&Node) -> T + Send,
    ) -> T {
        let connect = || {
            let remote = SshRemote::connect(
                &self.host,
                &self.config,
                self.runtime.handle(),
                &Cancel::default(),
                !dry,
            );
            let remote: Arc<dyn Remote> = Arc::new(remote.expect("a login"));
            let remote = if dry { Arc::new(DryRemote::new(remote)) } else { remote };
            Ok(body(&Node::new(remote, ask.clone())))
        };
        self.lab.hub().run(connect).expect("the hub")
    }

    /// Files of `content`, small and large, and a copy of a local file: each made, or declined.
    fn three_files(&self, local: &Path, ask: Option<Ask>, mode: u32) -> Vec<Change> {
        let attributes = Attributes { mode: Some(mode), ..Attributes::default() };
        let size = std::fs::metadata(local).expect("a file").len();
        let sha256 = || pirun::state::hash_file(local).map(|(hash, _)| hash);
        let upload = |dry| {
            let bring = |node: &Node| {
                let (sha256, attributes) = (&sha256, attributes.clone());
                let upload = Upload { local, remote: "/data/up", size, sha256, attributes };
                let large = File { content: vec![b'x'; 100_000], ..file("/data/large", "") };
                vec![
                    file("/data/small", "x").bring(node).expect("a small file"),
                    large.bring(node).expect("a large file"),
                    upload.bring(node, &mut |_, _| {}).expect("an upload"),
                ]
            };
            self.with_step(dry, ask.clone(), bring)
        };
        let (foreseen, done) = (upload(true), upload(false));
        let aspects = |c: &Change| c.aspects.clone();
        if ask.is_none() {
            let both = [&foreseen, &done].map(|c| c.iter().map(aspects).collect::<Vec<_>>());
            assert_eq!(both[0], both[1]);
        }
        done
    }
}

fn file(path: &str, content: &str) -> File {
    File {
        verb: "file",
        path: path.into(),
        content: content.as_bytes().to_vec(),
        attributes: Attributes { mode: Some(0o640), ..Attributes::default() },
        ..File::default()
    }
}

#[test]
fn verbs_change_a_node_once() {
    let bench = Bench::start();
    let run = |node: &Node| -> Vec<Change> {
        let all = || -> pirun::error::Result<Vec<Change>> {
            let mut service = Service::new("rpcbind")?;
            service.state = Some(ServiceState::Started);
            let mut changes = vec![
                node.bring(&Hostname::new("rpi40-new")?)?,
                node.bring(&AuthorizedKey::new("root", "ssh-ed25519 AAAAC3Nza me")?)?,
                node.bring(&Directory { path: "/data/a/b".into(), ..Directory::default() })?,
                file("/data/a/b/c.txt", "one\ntwo's\n").bring(node)?,
                Line { path: "/data/a/b/c.txt".into(), line: "three".into(), ..Line::default() }
                    .bring(node)?,
                Line { path: "/data/a/b/new".into(), line: "one".into(), ..Line::default() }
                    .bring(node)?,
                node.bring(&service)?,
            ];
            start_writable(node, "/", &["rpcbind".to_owned()])?;
            let inside = || -> pirun::error::Result<Vec<Change>> {
                let mut service = Service::new("rpcbind")?;
                service.enabled = Some(true);
                service.state = Some(ServiceState::Started);
                Ok(vec![file("/etc/motd", "hello\n").bring(node)?, node.bring(&service)?])
            };
            let inner = inside();
            changes.push(finish_writable(node)?);
            changes.extend(inner?);
            Ok(changes)
        };
        all().unwrap_or_else(|error| panic!("{error:?}"))
    };
    let foreseen = bench.with(true, run);
    let done = bench.with(false, run);
    let again = bench.with(false, run);
    let told = |changes: &[Change]| {
        let tell = |c: &Change| format!("{} {} {:#?} {:?}", c.verb, c.subject, c.aspects, c.remark);
        changes.iter().map(tell).collect::<Vec<_>>()
    };
    assert_eq!(told(&foreseen), told(&done));
    let left: Vec<_> = again.iter().filter(|change| change.changed()).collect();
    // The second run's file verb takes away what the line verb then adds again.
    let subjects: Vec<_> = left.iter().map(|change| (change.verb, &*change.subject)).collect();
    assert_eq!(subjects, [("file", "/data/a/b/c.txt"), ("line", "/data/a/b/c.txt")]);
    assert!(
        done.iter().any(|c| c.verb == "writable"
            && c.aspects.contains(&Aspect::Action { action: Action::Remount }))
    );
    assert_eq!(bench.node.sh("cat /data/a/b/c.txt").expect("cat"), "one\ntwo's\nthree\n");
    assert_eq!(bench.node.sh("stat -c %a /data/a/b/c.txt").expect("stat").trim(), "640");
    assert_eq!(
        bench.node.sh("cat /etc/hostname; hostname").expect("cat"),
        "rpi40-new\nrpi40-new\n"
    );
    let root = bench.node.sh("grep ' / ' /proc/mounts").expect("grep");
    assert!(root.contains(" ro,"), "{root}");
}

#[test]
fn files_of_every_size_are_made_once_and_not_at_all_when_declined() {
    let bench = Bench::start();
    let dir = tempfile::tempdir().expect("a directory");
    let local = dir.path().join("local");
    std::fs::write(&local, vec![b'u'; 300_000]).expect("written");
    let no: Ask = Arc::new(|_| Ok(false));
    let declined = bench.three_files(&local, Some(no), 0o640);
    assert!(declined.iter().all(|change| change.declined && !change.changed()), "{declined:?}");
    assert_eq!(bench.node.sh("ls -A /data | grep -E 'small|large|up' || :").expect("listed"), "");

    let made = bench.three_files(&local, None, 0o640);
    assert!(made.iter().all(|change| change.aspects.contains(&Aspect::Created)), "{made:?}");
    let modes = bench.node.sh("stat -c %a /data/small /data/large /data/up").expect("modes");
    assert_eq!(modes, "640\n640\n640\n");
    assert_eq!(bench.node.read("/data/up").expect("read"), vec![b'u'; 300_000]);
    let again = bench.three_files(&local, None, 0o640);
    assert!(again.iter().all(|change| !change.changed()), "{again:?}");

    let upload = bench.three_files(&local, None, 0o600).pop().expect("three");
    let mode =
        Aspect::Attribute { name: "mode", before: Some("0640".into()), after: "0600".into() };
    assert_eq!(upload.aspects, [mode]);
    assert_eq!(bench.node.sh("stat -c %a /data/up").expect("mode"), "600\n");
    // Of the same size, so that only the hash tells.
    std::fs::write(&local, vec![b'v'; 300_000]).expect("written");
    let upload = bench.three_files(&local, None, 0o600).pop().expect("three");
    assert_eq!(upload.aspects, [Aspect::Binary { before: 300_000, after: 300_000 }]);
    assert_eq!(bench.node.read("/data/up").expect("read"), vec![b'v'; 300_000]);
}

#[test]
fn a_link_that_another_user_has_planted_is_not_followed() {
    let bench = Bench::start();
    let home = "adduser -D -h /data/eve eve && mkdir /data/eve/.ssh /data/eve/real && printf old >/data/precious && \
                ln -s /data/precious /data/eve/file && ln -s /data/precious /data/eve/.ssh/authorized_keys && \
                ln -s /data/eve/real /data/eve/dir && chown -hR eve /data/eve && ln -s /data/precious /data/mine";
    bench.node.sh(&format!("mount -o remount,rw / && {home}")).expect("planted");
    let local = tempfile::NamedTempFile::new().expect("a file");
    let sha256 = || pirun::state::hash_file(local.path()).map(|(hash, _)| hash);
    let owned = |path: &str, size| File {
        content: vec![b'x'; size],
        attributes: Attributes { owner: Some("eve".into()), ..Attributes::default() },
        ..file(path, "")
    };
    let refused = |node: &Node| {
        let upload = Upload {
            local: local.path(),
            remote: "/data/eve/file",
            size: 0,
            sha256: &sha256,
            attributes: Attributes::default(),
        };
        let dir = Directory { path: "/data/eve/dir/new".into(), ..Directory::default() };
        let key = AuthorizedKey::new("eve", "ssh-ed25519 AAAAC3Nza me").expect("a key");
        let line = Line { path: "/data/eve/file".into(), line: "three".into(), ..Line::default() };
        [
            owned("/data/eve/file", 10).bring(node),
            owned("/data/eve/file", 100_000).bring(node),
            owned("/data/eve/dir/file", 10).bring(node),
            upload.bring(node, &mut |_, _| {}),
            node.bring(&dir),
            node.bring(&key),
            line.bring(node),
        ]
        .map(|result| result.expect_err("refused").message().to_owned())
    };
    for dry in [true, false] {
        for message in bench.with(dry, refused) {
            assert!(message.ends_with("is a link that does not belong to root"), "{message}");
        }
    }
    // Root's own link is followed, and what is beside eve's links can be written.
    bench.with(false, |node| {
        owned("/data/eve/new", 10).bring(node).expect("written");
        assert_eq!(node.remote().read("/data/precious").expect("read"), Some(b"old".to_vec()));
        file("/data/mine", "new").bring(node).expect("written");
    });
    let found = bench.node.sh("cat /data/precious; stat -c ' %U' /data/precious /data/eve/new");
    assert_eq!(found.expect("read"), "new root\n eve\n");
}

#[test]
fn no_file_is_ever_more_open_than_it_is_meant_to_be() {
    let bench = Bench::start();
    let dir = tempfile::tempdir().expect("a directory");
    let local = dir.path().join("local");
    std::fs::write(&local, vec![b'u'; 3_000_000]).expect("written");
    let watch = "mkdir /data/w; while [ ! -e /tmp/stop ]; do find /data/w -type f -exec stat -c %a {} + 2>/dev/null; \
                 done | sort -u";
    let seen = std::thread::scope(|scope| {
        let watch = scope.spawn(|| bench.node.sh(watch).expect("watched"));
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        bench.node.sh("until [ -d /data/w ]; do sleep 0.1; done").expect("watching");
        bench.with(false, |node| {
            let sha256 = || pirun::state::hash_file(&local).map(|(hash, _)| hash);
            for (path, size) in [("/data/w/small", 1000), ("/data/w/large", 2_000_000)] {
                let content = vec![b'x'; size];
                let attributes = attributes.clone();
                File { content, attributes, ..file(path, "") }.bring(node).expect("written");
            }
            let (remote, size) = ("/data/w/up", 3_000_000);
            let upload = Upload { local: &local, remote, size, sha256: &sha256, attributes };
            upload.bring(node, &mut |_, _| {}).expect("sent");
        });
        bench.node.sh("touch /tmp/stop").expect("stopped");
        watch.join().expect("the watcher")
    });
    assert_eq!(seen, "600\n");
}

#[test]
fn every_byte_survives_the_way_to_the_node_and_back() {
    let bench = Bench::start();
    bench.with(false, |node| {
        let all: Vec<u8> =
            (0..=255).chain(b"'\"$`\\\n\r\t !*?[]{}~#&;|<>()".iter().copied()).collect();
        for content in [
            all.clone(),
            all[1..].to_vec(),
            "ünï\u{81}\u{88}x\n".into(),
            Vec::new(),
            vec![b'x'; 200_000],
        ] {
            let wanted = File { content: content.clone(), ..file("/data/bytes", "") };
            wanted.bring(node).expect("written");
            assert_eq!(node.remote().read("/data/bytes").expect("read"), Some(content));
        }
    });
}

#[test]
fn a_write_to_the_read_only_root_is_refused_the_same_way_dry_and_real() {
    let bench = Bench::start();
    for dry in [true, false] {
        let error =
            bench.with(dry, |node| file("/etc/motd", "x").bring(node).expect_err("refused"));
        assert_eq!(error.message(), "/ is mounted read-only");
        let error =
            bench.with(dry, |node| file("/data/no/such", "x").bring(node).expect_err("refused"));
        assert_eq!(error.message(), "there is no directory /data/no");
    }
}

#[test]
fn a_query_cannot_eat_the_requests_that_follow() {
    let bench = Bench::start();
    bench.with(false, |node| {
        let ask = |script: &str| {
            let query = Query { script: script.into(), ..Query::default() };
            node.remote().query(&query).expect("an answer")
        };
        assert_eq!(ask("cat; echo $?").stdout, b"0\n");
        assert_eq!(ask("exit 3").code, 3);
        assert_eq!(ask("this is (not shell").code, 2);
        assert_eq!(ask("printf '\\0\\377'; echo e >&2").stdout, b"\0\xff");
        let query = Query {
            script: "sleep 30".into(),
            timeout: Some(std::time::Duration::from_secs(1)),
            ..Query::default()
        };
        assert_ne!(node.remote().query(&query).expect("an answer").code, 0);
        assert_eq!(ask("echo still here").stdout, b"still here\n");
    });
}

#[test]
fn an_unknown_host_key_is_refused_with_the_way_out() {
    let bench = Bench::start();
    let config = SshConfig::write([&bench.host], Path::new("/nonexistent/known_hosts"))
        .expect("a configuration");
    let error = bench.lab.hub().run(|| {
        let cancel = Cancel::default();
        let login = SshRemote::connect(&bench.host, &config, bench.runtime.handle(), &cancel, true);
        Ok(login.err().expect("refused"))
    });
    let error = error.expect("the hub");
    assert_eq!(error.message(), "the host key of rpi40 is not known yet");
}

#[test]
fn any_text_survives_busybox_ash() {
    use pirun::remote::quote::sh_quote;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    let bench = Bench::start();
    bench.with(false, |node| {
        let mut runner =
            TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
        let text = proptest::string::string_regex("(?s)[^\0]{0,60}").expect("a pattern");
        let survives = |text: String| {
            let script = format!("printf %s {}", sh_quote(&text));
            let output =
                node.remote().query(&Query { script, ..Query::default() }).expect("an answer");
            prop_assert_eq!(output.stdout, text.into_bytes());
            Ok(())
        };
        runner.run(&text, survives).expect("every text survives");
    });
}
