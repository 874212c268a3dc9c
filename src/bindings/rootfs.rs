//! The root file system of an image: the verbs of a host, before there is a node.

use rhai::plugin::*;
use rhai::{Array, Map, Module};

use super::Topic;
use super::boot::{ConfigTxtOptions, settings};
use super::files::{DirOptions, FileOptions, LineOptions};
use super::services::ServiceOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::image::alpine::MIRROR;
use crate::image::{Alpine, Rootfs, UnknownScripts};
use crate::options;
use crate::script::ScriptResult;
use crate::script::context::{Places, context};
use crate::script::options::{FromOption, Options};
use crate::script::root::RootHandle;
use crate::state::{Absent, AuthorizedKey, Change, ConfigTxt, Hostname, KernelArgs, Link, Service};

pub const TOPIC: Topic = Topic {
    name: "rootfs",
    about: "The root file system of an image: the verbs of a host, before there is a node.",
    module,
    options: &[RootfsOptions::LIST, BindOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<RootHandle>("Rootfs");
    module
}

options! {
    /// Options of `rootfs`.
    pub struct RootfsOptions for "rootfs" at 0 {
        /// Alpine's branch.
        alpine: String = "v3.23".to_owned(),
        /// `"aarch64"` (Pi 3 and newer), `"armv7"` (Pi 2), `"armhf"` (Pi 1 and Zero) or `"x86_64"`.
        arch: String = "aarch64".to_owned(),
        /// Mirrors of Alpine, asked one after the other until one answers.
        mirrors: Vec<String> = vec![MIRROR.to_owned()],
        /// Which parts of Alpine.
        repositories: Vec<String> = Alpine::default().repositories,
        /// Local files with public keys that may sign packages, besides Alpine's own, which are built in.
        keys: Vec<String>,
        /// The file, in the project, that keeps the choice of packages, so that a build can be repeated.
        lock: String = "image.lock".to_owned(),
        /// Chooses the newest packages, and writes the lock file anew.
        update: bool,
        /// Takes packages from the cache only.
        offline: bool,
        /// What is done about install scripts that pirun does not understand: `"error"`, `"qemu"` (they run in a
        /// namespace) or `"skip"`.
        scripts: String = "error".to_owned(),
    }
}

impl RootfsOptions {
    fn alpine(&self, places: &Places) -> Result<Alpine> {
        let key = |path: &String| {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let pem = String::from_utf8_lossy(&places.read(path)?).into_owned();
            Ok((name, pem))
        };
        let alpine = Alpine {
            branch: self.alpine.clone(),
            arch: self.arch.clone(),
            mirrors: self.mirrors.clone(),
            repositories: self.repositories.clone(),
            keys: self.keys.iter().map(key).collect::<Result<_>>()?,
            lock: places.project.join(&self.lock),
            update: self.update,
            offline: self.offline,
            scripts: UnknownScripts::parse(&self.scripts)?,
        };
        alpine.check()?;
        Ok(alpine)
    }
}

options! {
    /// Options of `root.bind_to_data`.
    pub struct BindOptions for "bind_to_data" at 1 {
        /// Mount options, comma-separated, such as `"rshared"`.
        options: String,
    }
}

fn file(
    ctx: &NativeCallContext,
    root: &RootHandle,
    path: &str,
    mut options: FileOptions,
) -> ScriptResult<Change> {
    let places = root.run().places().clone();
    root.change(ctx, |root| {
        if options.notify.is_some() || options.backup {
            return Err(Error::playbook("in an image there is nothing to notify or to back up"));
        }
        root.bring(&options.file(&places, path)?)
    })
}

fn service(
    ctx: &NativeCallContext,
    root: &RootHandle,
    name: &str,
    options: ServiceOptions,
) -> ScriptResult<Change> {
    root.change(ctx, |root| {
        if options.state.is_some() {
            return Err(Error::playbook(
                "nothing runs in an image, so a service has no state there",
            )
            .hint("`#{ enabled: true }` starts it at boot."));
        }
        let mut service = Service::new(name)?;
        service.enabled = options.enabled;
        service.runlevel = options.runlevel;
        root.bring(&service)
    })
}

fn config_txt(
    ctx: &NativeCallContext,
    root: &RootHandle,
    map: &Map,
    options: &ConfigTxtOptions,
) -> ScriptResult<Change> {
    root.change(ctx, |root| {
        root.config_txt(&ConfigTxt::new(settings(map)?, options.section.as_deref())?)
    })
}

fn strings(what: &str, value: Dynamic) -> Result<Vec<String>> {
    Vec::<String>::from_option(value)
        .map_err(|problem| Error::playbook(format!("{what} {problem}")))
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::convert::{OrRaise, site};
    use crate::script::options;

    /// An empty root file system, to be filled with Alpine's packages and with what else a node needs.
    ///
    /// What is laid out below `/uboot` becomes the boot partition, what is below `/data` the data partition.
    ///
    /// ```rhai
    /// let root = rootfs(#{ alpine: "v3.23", arch: "aarch64" });
    /// root.exists("/etc/passwd")      //=> false
    /// ```
    #[rhai_fn(name = "rootfs", return_raw)]
    pub fn rootfs(ctx: NativeCallContext, options: Map) -> ScriptResult<RootHandle> {
        let run = context(&ctx).or_raise(&ctx)?;
        let options: RootfsOptions = options::read(options).or_raise(&ctx)?;
        let alpine = options.alpine(run.places()).or_raise(&ctx)?;
        Ok(RootHandle::new(&run, Rootfs::new(0, alpine)))
    }

    /// Names packages of the image. They are chosen together and laid out when the first other verb comes, so name all of
    /// them before. `name=1.2-r0`, `name>1.2` and `!name` work as in /etc/apk/world.
    ///
    /// ```rhai,parse
    /// root.packages(["k3s", "nfs-utils"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn packages(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        names: Dynamic,
    ) -> ScriptResult<()> {
        let here = site(ctx.call_source().unwrap_or_default(), ctx.call_position());
        strings("the packages' names", names)
            .and_then(|names| root.want(names, here))
            .or_raise(&ctx)
    }

    /// Lays out a file with this content, mode and owner. Symbolic links are followed, so that what is linked to
    /// `/data` goes to the data partition.
    ///
    /// ```rhai
    /// root.file("/etc/motd", #{ content: "hello\n", mode: "0644" });
    /// ```
    #[rhai_fn(name = "file", pure, return_raw)]
    pub fn file(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        super::file(&ctx, root, path, options::read(options).or_raise(&ctx)?)
    }

    /// Lays out a directory; missing parents are made.
    #[rhai_fn(name = "dir", pure, return_raw)]
    pub fn dir(ctx: NativeCallContext, root: &mut RootHandle, path: &str) -> ScriptResult<Change> {
        root.change(&ctx, |root| root.bring(&DirOptions::default().directory(path)))
    }

    /// Lays out a directory with this mode and owner.
    ///
    /// ```rhai
    /// root.dir("/data/k3s", #{ mode: "0700" });
    /// ```
    #[rhai_fn(name = "dir", pure, return_raw)]
    pub fn dir_with(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options: DirOptions = options::read(options).or_raise(&ctx)?;
        root.change(&ctx, |root| root.bring(&options.directory(path)))
    }

    /// Lays out a symbolic link.
    ///
    /// ```rhai
    /// root.link("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn link(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        target: &str,
    ) -> ScriptResult<Change> {
        let link = Link { path: path.to_owned(), target: target.to_owned() };
        root.change(&ctx, |root| root.bring(&link))
    }

    /// Takes a file, a link, or a directory with all that is in it out of the image.
    ///
    /// ```rhai
    /// root.absent("/usr/share/man").changed   //=> false
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn absent(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
    ) -> ScriptResult<Change> {
        root.change(&ctx, |root| root.bring(&Absent { path: path.to_owned() }))
    }

    /// Sees to it that a text file has this line; a missing file is made.
    ///
    /// ```rhai
    /// root.line("/etc/modules", "br_netfilter");
    /// ```
    #[rhai_fn(name = "line", pure, return_raw)]
    pub fn line(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        line: &str,
    ) -> ScriptResult<Change> {
        root.change(&ctx, |root| root.line(&LineOptions::default().line(path, line)?))
    }

    /// Sees to it that a text file has, or has not, this line, as the options say.
    #[rhai_fn(name = "line", pure, return_raw)]
    pub fn line_with(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        line: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options: LineOptions = options::read(options).or_raise(&ctx)?;
        root.change(&ctx, |root| root.line(&options.line(path, line)?))
    }

    /// Copies what `from` names to `to`, inside the image; gives how many files. `*` and `?` stand for parts of names;
    /// then, or with a `/` at its end, `to` is the directory that they go into.
    ///
    /// ```rhai
    /// root.file("/boot/dtbs-rpi/a.dtb", #{ content: "" });
    /// root.copy("/boot/dtbs-rpi/*.dtb", "/uboot/")     //=> 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn copy(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        from: &str,
        to: &str,
    ) -> ScriptResult<i64> {
        root.look(&ctx, |root| Ok(i64::try_from(root.copy(from, to)?).unwrap_or(i64::MAX)))
    }

    /// Lays out everything in a local directory below `path`, root's, executable if it is so here; gives how many files.
    ///
    /// ```rhai,parse
    /// root.overlay("files/root", "/");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn overlay(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        directory: &str,
        path: &str,
    ) -> ScriptResult<i64> {
        let from = root.run().places().find(directory);
        root.look(&ctx, |root| Ok(i64::try_from(root.overlay(&from, path)?).unwrap_or(i64::MAX)))
    }

    /// Sees to it that a service starts at boot, or does not, as the options say. Nothing runs in an image.
    ///
    /// ```rhai
    /// root.file("/etc/init.d/rpcbind", #{ content: "#!/sbin/openrc-run\n", mode: "0755" });
    /// root.service("rpcbind", #{ enabled: true, runlevel: "default" });
    /// ```
    #[rhai_fn(name = "service", pure, return_raw)]
    pub fn service(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        name: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        super::service(&ctx, root, name, options::read(options).or_raise(&ctx)?)
    }

    /// Names the node before it has a name of its own.
    #[rhai_fn(pure, return_raw)]
    pub fn hostname(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        name: &str,
    ) -> ScriptResult<Change> {
        root.change(&ctx, |root| root.hostname(&Hostname::new(name)?))
    }

    /// Lets the holder of a public key log in as `user`.
    ///
    /// ```rhai,parse
    /// root.authorized_key("root", read_local("~/.ssh/id_ed25519.pub"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn authorized_key(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        user: &str,
        key: &str,
    ) -> ScriptResult<Change> {
        root.change(&ctx, |root| root.authorized_key(&AuthorizedKey::new(user, key)?))
    }

    /// Sets lines of the firmware's `config.txt`, as `host.config_txt` does.
    ///
    /// ```rhai
    /// root.config_txt(#{ arm_64bit: 1, gpu_mem: 16 });
    /// ```
    #[rhai_fn(name = "config_txt", pure, return_raw)]
    pub fn config_txt(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        settings: Map,
    ) -> ScriptResult<Change> {
        super::config_txt(&ctx, root, &settings, &ConfigTxtOptions::default())
    }

    /// Sets lines of a section of the firmware's `config.txt`, as `host.config_txt` does.
    #[rhai_fn(name = "config_txt", pure, return_raw)]
    pub fn config_txt_with(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        settings: Map,
        options: Map,
    ) -> ScriptResult<Change> {
        super::config_txt(&ctx, root, &settings, &options::read(options).or_raise(&ctx)?)
    }

    /// Sets arguments of the kernel in `cmdline.txt`, as `host.kernel_args` does.
    ///
    /// ```rhai
    /// root.kernel_args(#{ cgroup_enable: "memory", panic: 10, quiet: true });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn kernel_args(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        settings: Map,
    ) -> ScriptResult<Change> {
        root.change(&ctx, |root| root.kernel_args(&KernelArgs::new(super::settings(&settings)?)?))
    }

    /// Lays out a script for U-Boot, made of the text of a local file.
    ///
    /// ```rhai,parse
    /// root.boot_script("/uboot/boot.scr", "image/boot.cmd");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn boot_script(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        source: &str,
    ) -> ScriptResult<Change> {
        let text = root.run().places().read(source).or_raise(&ctx)?;
        root.change(&ctx, |root| root.boot_script(path, &String::from_utf8_lossy(&text)))
    }

    /// The architecture of the image, as Alpine calls it.
    #[rhai_fn(get = "arch", pure, return_raw)]
    pub fn arch(ctx: NativeCallContext, root: &mut RootHandle) -> ScriptResult<String> {
        root.look(&ctx, |root| Ok(root.alpine.arch.clone()))
    }

    /// Keeps a directory on the data partition, where it can be written to and outlives upgrades.
    ///
    /// ```rhai
    /// root.bind_to_data("/var/log");
    /// ```
    #[rhai_fn(name = "bind_to_data", pure, return_raw)]
    pub fn bind_to_data(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
    ) -> ScriptResult<Change> {
        root.change(&ctx, |root| root.bind_to_data(path, ""))
    }

    /// Keeps a directory on the data partition, mounted with these options.
    ///
    /// ```rhai
    /// root.bind_to_data("/var/lib", #{ options: "rshared" });
    /// ```
    #[rhai_fn(name = "bind_to_data", pure, return_raw)]
    pub fn bind_to_data_with(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options: BindOptions = options::read(options).or_raise(&ctx)?;
        root.change(&ctx, |root| root.bind_to_data(path, &options.options))
    }

    /// Removes all kernel modules but these, and those that these need; gives how many were removed. A pattern is for
    /// a module's name, or for its path or directory below `kernel/`.
    ///
    /// ```rhai,parse
    /// root.prune_modules(["fs/nfs*", "net/**", "lan78xx"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn prune_modules(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        keep: Dynamic,
    ) -> ScriptResult<i64> {
        root.look(&ctx, |root| {
            let removed = root.prune_modules(&strings("the modules to keep", keep)?)?;
            Ok(i64::try_from(removed).unwrap_or(i64::MAX))
        })
    }

    /// The text of a file of the image.
    #[rhai_fn(name = "read", pure, return_raw)]
    pub fn read(ctx: NativeCallContext, root: &mut RootHandle, path: &str) -> ScriptResult<String> {
        root.look(&ctx, |root| {
            root.text(path)?.ok_or_else(|| {
                Error::new(ErrorKind::Image, format!("there is no file {path} in the image"))
                    .hint("`root.read(path, fallback)` gives the fallback instead of this error.")
            })
        })
    }

    /// The text of a file of the image, or `fallback` if there is none.
    #[rhai_fn(name = "read", pure, return_raw)]
    pub fn read_or(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        path: &str,
        fallback: &str,
    ) -> ScriptResult<String> {
        root.look(&ctx, |root| Ok(root.text(path)?.unwrap_or_else(|| fallback.to_owned())))
    }

    /// Whether there is something at a path of the image; symbolic links are followed.
    #[rhai_fn(name = "exists", pure, return_raw)]
    pub fn exists(ctx: NativeCallContext, root: &mut RootHandle, path: &str) -> ScriptResult<bool> {
        root.look(&ctx, |root| root.exists(path))
    }

    /// The paths of the image that a pattern names, sorted. `*` and `?` do not cross a `/`, `**` does.
    ///
    /// ```rhai
    /// for path in root.glob("/etc/init.d/*") { root.absent(path); }
    /// ```
    #[rhai_fn(name = "glob", pure, return_raw)]
    pub fn glob(
        ctx: NativeCallContext,
        root: &mut RootHandle,
        pattern: &str,
    ) -> ScriptResult<Array> {
        root.look(&ctx, |root| Ok(root.glob(pattern)?.into_iter().map(Dynamic::from).collect()))
    }
}
