//! Scripts with the operations that real ones have, written for these tests.

use super::*;
use crate::image::tree::{Entry, Kind};

const NOW: i64 = 1_700_000_000;

/// A root with busybox and the commands that it is linked to.
fn root() -> Tree {
    let mut tree = Tree::new();
    let commands = "bin/busybox bin/sh bin/ln bin/mkdir bin/chown bin/chmod bin/cp bin/mv bin/rm bin/cat bin/grep \
                    bin/touch bin/sync usr/bin/readlink usr/bin/dirname usr/bin/basename usr/bin/install \
                    usr/sbin/addgroup usr/sbin/adduser usr/sbin/add-shell sbin/depmod bin/rmdir usr/bin/find";
    for command in commands.split_whitespace() {
        tree.insert(command, Entry::file(*b"", 0o755)).unwrap();
    }
    for (path, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group", "root:x:0:root\nshadow:x:42:\n"),
        ("etc/shadow", "root:*::0:::::\n"),
        ("etc/shells", "/bin/sh\n"),
    ] {
        tree.insert(path, Entry::file(text.as_bytes(), 0o644)).unwrap();
    }
    tree.insert("tmp", Entry::directory(0o1777)).unwrap();
    tree
}

fn script(text: &str) -> Script<'_> {
    Script { package: "daemon-1.0-r0", kind: ScriptKind::PostInstall, text: text.as_bytes() }
}

fn try_run(tree: &mut Tree, text: &str, arguments: &[&str]) -> Result<Outcome> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    interpret(tree, script(text), &arguments, Target { arch: "armv7", date: NOW })
}

/// The notes of a script that is understood and succeeds.
fn run_in(tree: &mut Tree, text: &str, arguments: &[&str]) -> Vec<String> {
    match try_run(tree, text, arguments).unwrap() {
        Outcome::Done(notes) => notes,
        Outcome::Beyond(error) => panic!("{error}"),
    }
}

/// What the script writes to /tmp/out.
fn out(text: &str) -> String {
    let mut tree = root();
    run_in(&mut tree, &format!("#!/bin/sh\n{{\n{text}\n}} > tmp/out\n"), &["one", "two words"]);
    read(&tree, "tmp/out")
}

fn read(tree: &Tree, path: &str) -> String {
    String::from_utf8(tree.read(path).unwrap().unwrap_or_default()).unwrap()
}

fn beyond(text: &str) -> String {
    match try_run(&mut root(), text, &[]).unwrap() {
        Outcome::Beyond(error) => error.message().to_owned(),
        Outcome::Done(_) => panic!("{text} is understood"),
    }
}

#[test]
fn a_daemon_gets_its_user_and_directories() {
    let mut tree = root();
    let text = "#!/bin/sh\n\nuser=daemon\ngroup=$user\n\naddgroup -S $group 2>/dev/null\n\
                adduser -S -D -H -h /var/lib/$user -s /sbin/nologin -G $group -g \"The daemon\" $user 2>/dev/null\n\
                mkdir -p -m 750 var/lib/$user/{a}\nchown -R $user:$group /var/lib/$user || exit 1\n\
                add-shell '/bin/bash'\nexit 0\n";
    run_in(&mut tree, text, &[]);
    assert!(
        read(&tree, "etc/passwd")
            .ends_with("daemon:x:100:100:The daemon:/var/lib/daemon:/sbin/nologin\n")
    );
    assert!(read(&tree, "etc/group").ends_with("daemon:x:100:daemon\n"));
    assert_eq!(read(&tree, "etc/shells"), "/bin/sh\n/bin/bash\n");
    let dir = tree.get("var/lib/daemon/{a}").unwrap();
    assert_eq!((dir.uid, dir.gid, dir.mode), (100, 100, 0o750));
    // Once more changes nothing.
    let before = tree.clone();
    run_in(&mut tree, text, &[]);
    for path in ["etc/passwd", "etc/group", "etc/shadow", "etc/shells"] {
        assert_eq!(read(&tree, path), read(&before, path));
    }
}

#[test]
fn words_become_arguments_as_in_a_shell() {
    assert_eq!(out("for i in \"$@\"; do echo \"<$i>\"; done"), "<one>\n<two words>\n");
    assert_eq!(out("for i in $@; do echo \"<$i>\"; done"), "<one>\n<two>\n<words>\n");
    assert_eq!(out("x='a  b'; echo $x \"$x\" '$x' \\$x"), "a b a  b $x $x\n");
    assert_eq!(
        out("x=/a/b.c; echo ${x##*/} ${x%.*} ${y:-none} ${x:+set} ${#x}"),
        "b.c /a/b none set 6\n"
    );
    assert_eq!(out("echo \"$(echo a; echo b)\" $(echo c; echo d) $# $1"), "a\nb c d 2 one\n");
    assert_eq!(out("x=1; y=$(x=2; echo $x); echo $x$y"), "12\n");
    assert_eq!(out("cd etc && echo s*s ../bin/s[h]"), "shells ../bin/sh\n");
    assert_eq!(out("printf '%s=%s\\n' a b c d"), "a=b\nc=d\n");
    assert_eq!(out("cat <<-EOF\n\tx$1\n\tEOF\ncat <<'EOF'\n$1\nEOF"), "xone\n$1\n");
    assert_eq!(out("echo x 2>&1 | cat; echo no >&2; echo no >/dev/null"), "x\n");
}

#[test]
fn conditions_and_loops_are_those_of_a_shell() {
    assert_eq!(
        out(
            "if [ -f bin/no ]; then echo 1; elif [ -d etc ] && ! [ -L etc ]; then echo 2; else echo 3; fi"
        ),
        "2\n"
    );
    assert_eq!(out("case x.y in *.*) echo dot;; *) echo none;; esac"), "dot\n");
    assert_eq!(out("false || echo a && echo b; true && false || echo c"), "a\nb\nc\n");
    assert_eq!(
        out("for i in 1 2 3; do [ $i = 2 ] && continue; [ $i -gt 2 ] && break; echo $i; done"),
        "1\n"
    );
    assert_eq!(
        out("f() { local v=$1; echo \"$v $#\"; return 3; echo no; }; f x y; echo $?"),
        "x 2\n3\n"
    );
    assert_eq!(out("set -- a b c; while [ $# -gt 0 ]; do echo $1; shift; done"), "a\nb\nc\n");
    assert_eq!(out("(cd etc; echo in); [ -e passwd ] || echo out"), "in\nout\n");
    assert_eq!(
        out("command -v addgroup; command -v nothing || echo none"),
        "/usr/sbin/addgroup\nnone\n"
    );
}

#[test]
fn files_are_moved_linked_and_copied() {
    let mut tree = root();
    run_in(
        &mut tree,
        "#!/bin/sh\nset -e\nmkdir -p etc/old/sub srv\necho 1 > etc/old/a\nchmod 600 etc/old/a\nchown root:shadow etc/old/a\n\
         ln etc/old/a etc/old/hard\nln -s old etc/link\ncp -a etc/old srv/copy\ncp etc/old/a srv/plain\n\
         mv etc/old srv/moved\nrm -rf srv/moved/a\nln -sf /x etc/link\ntouch srv/empty\nrmdir srv/moved/sub\n\
         [ -s srv/plain ]\n! [ -s srv/empty ]\ninstall -m 4755 -o root -g shadow srv/plain srv/bin\n",
        &[],
    );
    let about = |path: &str| tree.get(path).map(|entry| (entry.mode, entry.gid, entry.mtime));
    assert_eq!(about("srv/copy/a"), Some((0o600, 42, NOW)));
    assert_eq!(about("srv/plain"), Some((0o600, 0, NOW)));
    assert_eq!(about("srv/bin"), Some((0o4755, 42, NOW)));
    assert_eq!(read(&tree, "srv/moved/hard"), "1\n");
    assert!(matches!(tree.get("srv/moved/hard").unwrap().kind, Kind::File(_)));
    assert_eq!(tree.get("etc/link").unwrap().kind, Kind::Link("/x".into()));
    assert!(tree.get("etc/old").is_none() && tree.get("srv/moved/sub").is_none());
}

#[test]
fn a_trigger_is_told_the_directories() {
    let mut tree = root();
    tree.insert("lib/modules/6.12-rpi/modules.order", Entry::file(*b"", 0o644)).unwrap();
    tree.insert("lib/modules/6.12-rpi/modules.dep", Entry::file(*b"kernel/a.ko:\n", 0o644))
        .unwrap();
    tree.insert("lib/modules/6.12-rpi/kernel/a.ko", Entry::file(*b"", 0o644)).unwrap();
    let text = "#!/bin/sh\n\nfor i in \"$@\"; do\n\tif [ -e \"$i\"/modules.order ]; then\n\
                \t\t/sbin/depmod \"${i#*/lib/modules/}\"\n\telif [ -d \"$i\" ]; then\n\t\trmdir \"$i\" 2>/dev/null || :\n\tfi\ndone\n";
    run_in(&mut tree, text, &["/lib/modules/6.12-rpi", "/lib/modules/none"]);
    tree.insert("lib/modules/6.12-rpi/extra/b.ko.gz", Entry::file(*b"", 0o644)).unwrap();
    let Outcome::Beyond(error) = try_run(&mut tree, text, &["/lib/modules/6.12-rpi"]).unwrap()
    else {
        panic!("an unknown module is understood")
    };
    assert!(
        error.message().ends_with(
            "line 5, `depmod` for a module that modules.dep does not list, extra/b.ko.gz"
        )
    );
}

#[test]
fn a_configuration_can_be_sourced() {
    let mut tree = root();
    tree.insert("etc/tool.conf", Entry::file(*b"# on\ndisable_trigger=\"yes\"\n", 0o644)).unwrap();
    let text = "#!/bin/sh\nCONFIG='/etc/tool.conf'\nif [ -f \"$CONFIG\" ]; then\n\
                \tcase \"$(. \"$CONFIG\" >/dev/null; printf %s \"$disable_trigger\")\" in\n\t\tyes | YES) exit 0;;\n\tesac\nfi\n\
                exit 1\n";
    run_in(&mut tree, text, &[]);
    tree.remove("etc/tool.conf");
    let error = try_run(&mut tree, text, &[]).unwrap_err();
    assert_eq!(error.message(), "the post-install script of daemon-1.0-r0 failed with 1");
}

#[test]
fn programs_that_are_scripts_are_interpreted_too() {
    let mut tree = root();
    let program = "#!/bin/sh -e\nkernel=$1\ncat > /tmp/config <<-EOF\n\tkernel=$kernel\n\tmachine=$(uname -m)\nEOF\nexit 3\n";
    tree.insert("sbin/update-loader", Entry::file(program.as_bytes(), 0o755)).unwrap();
    tree.insert("bin/uname", Entry::file(*b"", 0o755)).unwrap();
    run_in(
        &mut tree,
        "#!/bin/sh\nkernel=\nupdate-loader vmlinuz || echo $?$kernel > tmp/status\n",
        &[],
    );
    assert_eq!(read(&tree, "tmp/config"), "kernel=vmlinuz\nmachine=armv7l\n");
    assert_eq!(read(&tree, "tmp/status"), "3\n");
    let program = "#!/bin/sh\n\nreboot\n";
    tree.insert("sbin/reboot", Entry::file(*b"\x7fELF", 0o755)).unwrap();
    tree.insert("sbin/update-loader", Entry::file(program.as_bytes(), 0o755)).unwrap();
    let Outcome::Beyond(error) =
        try_run(&mut tree, "#!/bin/sh\nexec update-loader\n", &[]).unwrap()
    else {
        panic!("a reboot is understood")
    };
    let end = "line 2, which runs /sbin/update-loader: line 3, `reboot`";
    assert!(error.message().ends_with(end), "{error}");
}

#[test]
fn lines_are_added_once() {
    let mut tree = root();
    let text = "#!/bin/sh\nif ! grep -q -w /sbin/tool /etc/list 2>/dev/null; then\n\techo \"/sbin/tool\" >> /etc/list\nfi\n";
    run_in(&mut tree, text, &[]);
    run_in(&mut tree, text, &[]);
    assert_eq!(read(&tree, "etc/list"), "/sbin/tool\n");
    assert_eq!(out("grep '^root:x:0*:' etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
    assert_eq!(out("echo ab | grep -E '(b|c)$'; grep -F '.' etc/shells || echo no"), "ab\nno\n");
}

#[test]
fn what_is_made_at_first_boot_is_left_out_with_a_sentence() {
    let mut tree = root();
    tree.insert("usr/bin/dbus-uuidgen", Entry::file(*b"", 0o755)).unwrap();
    let notes =
        run_in(&mut tree, "#!/bin/sh\n\nexec dbus-uuidgen --ensure=/etc/machine-id\nfalse\n", &[]);
    assert_eq!(
        notes,
        ["`dbus-uuidgen` is left to the first boot: no two nodes share what it makes."]
    );
    assert!(tree.get("etc/machine-id").is_none());
}

#[test]
fn what_is_beyond_the_interpreter_names_package_script_and_line() {
    assert_eq!(
        beyond("#!/bin/sh\n\nfind / -name x\n"),
        "the post-install script of daemon-1.0-r0 does more than pirun can do by itself: line 3, `find / -name x`"
    );
    for (text, what) in [
        ("#!/usr/bin/lua\n", "line 1, it is for /usr/bin/lua, not for a shell"),
        ("echo\n", "line 1, it does not say what it is for (`#!`)"),
        ("#!/bin/sh\nadduser pi\n", "line 2, `adduser pi`"),
        ("#!/bin/sh\nwhile :; do :; done\n", "line 2, it does not come to an end"),
        ("#!/bin/sh\nx=aaaaaaaa\nwhile :; do x=$x$x; done\n", "line 3, `x` grows without end"),
        ("#!/bin/sh\nf() { f; }\nf\n", "line 2, functions call one another without end"),
        ("#!/bin/sh\neval x\n", "line 2, `eval x`"),
        ("#!/bin/sh\nln --symbolic a b\n", "line 2, `ln --symbolic a b`"),
    ] {
        assert!(beyond(text).ends_with(what), "{}", beyond(text));
    }
}

#[test]
fn a_failing_script_says_what_it_said() {
    let error =
        try_run(&mut root(), "#!/bin/sh\nset -e\nrmdir /no\necho not here\n", &[]).unwrap_err();
    assert_eq!(error.message(), "the post-install script of daemon-1.0-r0 failed with 1");
    assert_eq!(error.explanation(), Some("rmdir: '/no': not an empty directory\n"));
    let missing = try_run(&mut root(), "#!/bin/sh\nset -e\nno-such-command\n", &[]).unwrap_err();
    assert_eq!(missing.explanation(), Some("no-such-command: not found\n"));
}

proptest::proptest! {
    #[test]
    fn no_script_makes_the_interpreter_panic(text in "([a-z/.*\\[ ]{0,6}|[${}()'\"<>&|;#=!\n-]|rm -rf |mv a b|cp -a / x|ln -s .. a/b|cd a|if |then |fi\n|\\$\\(|for i in|do |done\n){0,20}") {
        let _ = try_run(&mut root(), &format!("#!/bin/sh\n{text}"), &["/a b"]);
    }
}
