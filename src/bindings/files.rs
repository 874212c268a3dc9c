//! Files, directories and links on a node.

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::options;
use crate::script::ScriptResult;
use crate::script::context::Places;
use crate::script::host::HostHandle;
use crate::script::options::{Content, Mode, Options};
use crate::state::{Absent, Attributes, Change, Directory, File, Line, Link};

pub const TOPIC: Topic = Topic {
    name: "files",
    about: "Files, directories and links on a node.",
    module,
    options: &[FileOptions::LIST, DirOptions::LIST, LineOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.file`.
    pub struct FileOptions for "file" at 1 {
        /// What the file holds. One of `content` and `source`.
        content: Option<Content>,
        /// A local file, beside the playbook or in the project, whose bytes the file holds.
        source: Option<String>,
        /// Permission bits. Default: as they are; 0644 for a new file, 0600 when the content is secret.
        mode: Option<Mode>,
        /// The owner's name or number. Default: as it is.
        owner: Option<String>,
        /// The group's name or number. Default: as it is.
        group: Option<String>,
        /// Keeps the old content beside the file, with `~` behind its name.
        backup: bool,
        /// Writes through a symbolic link (the link stays). `false` replaces the link by a file.
        follow: bool = true,
        /// The name of the handler that this file is for: `host.at_end(name, |host| …)` further down.
        notify: Option<String>,
    }
}

options! {
    /// Options of `host.dir`.
    pub struct DirOptions for "dir" at 1 {
        /// Permission bits. Default: as they are; 0755 for a new directory.
        mode: Option<Mode>,
        /// The owner's name or number. Default: as it is.
        owner: Option<String>,
        /// The group's name or number. Default: as it is.
        group: Option<String>,
    }
}

options! {
    /// Options of `host.line`.
    pub struct LineOptions for "line" at 2 {
        /// The line to replace: the last one that matches. With `state: "absent"`, all that match go.
        regex: Option<String>,
        /// Looks only below `[section]`, and makes the section if it is missing.
        section: Option<String>,
        /// `"present"` (default) or `"absent"`.
        state: String = "present".to_owned(),
    }
}

impl FileOptions {
    /// The wanted file.
    pub(super) fn file(&mut self, places: &Places, path: &str) -> Result<File> {
        let content = self.content(places)?;
        Ok(File {
            verb: "file",
            path: path.to_owned(),
            attributes: self.attributes(content.secret),
            content: content.bytes,
            secret: content.secret,
            replace_link: !self.follow,
            backup: self.backup,
        })
    }

    /// The properties, with a secret's default mode.
    fn attributes(&self, secret: bool) -> Attributes {
        let mode = self.mode.map(|mode| mode.0).or(secret.then_some(0o600));
        Attributes { mode, owner: self.owner.clone(), group: self.group.clone() }
    }

    fn content(&mut self, places: &Places) -> Result<Content> {
        match (self.content.take(), &self.source) {
            (Some(content), None) => Ok(content),
            (None, Some(source)) => Ok(Content { bytes: places.read(source)?, secret: false }),
            _ => Err(Error::playbook("`file` needs one of `content` and `source`")
                .hint("`content: \"text\"` is the content itself; `source: \"files/x\"` names a local file.")),
        }
    }
}

impl DirOptions {
    pub(super) fn directory(self, path: &str) -> Directory {
        let Self { mode, owner, group } = self;
        let attributes = Attributes { mode: mode.map(|mode| mode.0), owner, group };
        Directory { path: path.to_owned(), attributes }
    }
}

impl LineOptions {
    pub(super) fn line(&self, path: &str, line: &str) -> Result<Line> {
        let regex = self.regex.as_deref().map(regex::Regex::new).transpose();
        let regex = regex.map_err(|error| {
            Error::playbook("`regex` of `line` is not a regular expression")
                .detail(error.to_string())
        })?;
        let absent = match &*self.state {
            "present" => false,
            "absent" => true,
            other => {
                return Err(Error::playbook(format!(
                    "`state` of `line` is `present` or `absent`, not `{other}`"
                )));
            }
        };
        Ok(Line {
            path: path.to_owned(),
            line: line.to_owned(),
            regex,
            section: self.section.clone(),
            absent,
        })
    }
}

fn file(
    ctx: &NativeCallContext,
    host: &HostHandle,
    path: &str,
    mut options: FileOptions,
) -> ScriptResult<Change> {
    let file = options.file(host.run().places(), path).map_err(|error| host.raise(ctx, error))?;
    let change = host.change(ctx, &format!("file {path}"), |node| file.bring(node))?;
    if let Some(handler) = options.notify {
        host.state().notify(handler, change.clone());
    }
    Ok(change)
}

fn dir(
    ctx: &NativeCallContext,
    host: &HostHandle,
    path: &str,
    options: DirOptions,
) -> ScriptResult<Change> {
    let directory = options.directory(path);
    host.change(ctx, &format!("dir {path}"), |node| node.bring(&directory))
}

fn line(
    ctx: &NativeCallContext,
    host: &HostHandle,
    path: &str,
    line: &str,
    options: LineOptions,
) -> ScriptResult<Change> {
    let wanted = options.line(path, line).map_err(|error| host.raise(ctx, error))?;
    host.change(ctx, &format!("line {path}"), |node| wanted.bring(node))
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use rhai::Blob;

    use crate::remote::Query;
    use crate::remote::quote::sh_quote;
    use crate::script::convert::ScriptResult;
    use crate::script::options;

    /// Sees to it that a file has this content, mode and owner.
    ///
    /// The file is replaced in one step: at any moment there is the old one or the new one. A symbolic link is
    /// followed first, so that links into /data stay links.
    ///
    /// ```rhai
    /// host.file("/data/etc/motd", #{ content: "hello\n", mode: "0644" });
    /// ```
    #[rhai_fn(name = "file", pure, return_raw)]
    pub fn file(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::file(&ctx, host, path, options)
    }

    /// Sees to it that there is a directory; missing parents are made.
    ///
    /// ```rhai
    /// host.dir("/data/k3s");
    /// ```
    #[rhai_fn(name = "dir", pure, return_raw)]
    pub fn dir(ctx: NativeCallContext, host: &mut HostHandle, path: &str) -> ScriptResult<Change> {
        super::dir(&ctx, host, path, DirOptions::default())
    }

    /// Sees to it that there is a directory with this mode and owner; missing parents are made.
    ///
    /// ```rhai
    /// host.dir("/data/k3s", #{ mode: "0700" });
    /// ```
    #[rhai_fn(name = "dir", pure, return_raw)]
    pub fn dir_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::dir(&ctx, host, path, options)
    }

    /// Sees to it that `path` is a symbolic link to `target`.
    ///
    /// ```rhai
    /// host.link("/data/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn link(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        target: &str,
    ) -> ScriptResult<Change> {
        let link = Link { path: path.to_owned(), target: target.to_owned() };
        host.change(&ctx, &format!("link {path}"), |node| node.bring(&link))
    }

    /// Sees to it that there is nothing at `path`: a file, a link, or a directory with all that is in it.
    ///
    /// ```rhai
    /// host.absent("/data/k3s/incomplete-downloads");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn absent(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
    ) -> ScriptResult<Change> {
        let absent = Absent { path: path.to_owned() };
        host.change(&ctx, &format!("absent {path}"), |node| node.bring(&absent))
    }

    /// Sees to it that a text file has this line; a missing file is made.
    ///
    /// ```rhai
    /// host.line("/data/etc/hosts.extra", "10.0.0.2 nas");
    /// ```
    #[rhai_fn(name = "line", pure, return_raw)]
    pub fn line(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        line: &str,
    ) -> ScriptResult<Change> {
        super::line(&ctx, host, path, line, LineOptions::default())
    }

    /// Sees to it that a text file has, or has not, this line, as the options say.
    ///
    /// ```rhai
    /// host.line("/data/app.ini", "level = 3", #{ regex: "^level *=", section: "log" });
    /// ```
    #[rhai_fn(name = "line", pure, return_raw)]
    pub fn line_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        line: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::line(&ctx, host, path, line, options)
    }

    /// The content of a text file. In a dry run: as it would be by now.
    ///
    /// ```rhai,node
    /// host.read("/etc/hostname").len() > 0    //=> true
    /// ```
    #[rhai_fn(name = "read", pure, return_raw)]
    pub fn read(ctx: NativeCallContext, host: &mut HostHandle, path: &str) -> ScriptResult<String> {
        let bytes = host.look(&ctx, &format!("read {path}"), |node| {
            node.remote().read(path)?.ok_or_else(|| {
                Error::file(format!("there is no file {path}"))
                    .hint("`host.read(path, fallback)` gives the fallback instead of this error.")
            })
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The content of a text file, or `fallback` if there is no such file.
    ///
    /// ```rhai,node
    /// host.read("/no/such/file", "nothing")   //=> "nothing"
    /// ```
    #[rhai_fn(name = "read", pure, return_raw)]
    pub fn read_or(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        fallback: Dynamic,
    ) -> ScriptResult<Dynamic> {
        let bytes = host.look(&ctx, &format!("read {path}"), |node| node.remote().read(path))?;
        Ok(bytes.map_or(fallback, |bytes| String::from_utf8_lossy(&bytes).into_owned().into()))
    }

    /// The bytes of a file.
    ///
    /// ```rhai,node
    /// host.read_bytes("/etc/hostname").len() > 0    //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn read_bytes(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
    ) -> ScriptResult<Blob> {
        host.look(&ctx, &format!("read {path}"), |node| {
            node.remote().read(path)?.ok_or_else(|| Error::file(format!("there is no file {path}")))
        })
    }

    /// What is at `path`: a map with `kind` ("file", "directory", "link", "other"), `mode` ("0644"), `owner`,
    /// `group`, `size` (bytes) and `modified` (seconds since 1970); `()` if there is nothing.
    ///
    /// ```rhai,node
    /// host.stat("/etc").kind      //=> "directory"
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn stat(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
    ) -> ScriptResult<Dynamic> {
        let script = format!("stat -c '%f|%a|%U|%G|%s|%Y' {} 2>/dev/null", sh_quote(path));
        let output = host.look(&ctx, &format!("stat {path}"), |node| {
            node.remote().query(&Query { script, ..Query::default() })
        })?;
        Ok(stat_map(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Whether anything differed, and was (in a dry run: would be) changed.
    #[rhai_fn(get = "changed", pure)]
    pub fn changed(change: &mut Change) -> bool {
        change.changed()
    }

    /// What it is about: a path, a service's name.
    #[rhai_fn(get = "subject", pure)]
    pub fn subject(change: &mut Change) -> String {
        change.subject.clone()
    }

    /// The change in words: `file /etc/motd: changed`.
    #[rhai_fn(name = "to_string", pure)]
    pub fn change_to_string(change: &mut Change) -> String {
        let state = if change.changed() { "changed" } else { "unchanged" };
        format!("{} {}: {state}", change.verb, change.subject)
    }
}

/// The answer of `stat` as a map.
fn stat_map(line: &str) -> Dynamic {
    let fields: Vec<&str> = line.trim().split('|').collect();
    let [raw, mode, owner, group, size, modified] = fields[..] else { return Dynamic::UNIT };
    // The file type bits of st_mode, as POSIX numbers them.
    let kind = match u32::from_str_radix(raw, 16).unwrap_or(0) & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "directory",
        0o120_000 => "link",
        _ => "other",
    };
    let number = |text: &str| Dynamic::from(text.parse::<i64>().unwrap_or(0));
    let mut map = Map::new();
    map.insert("kind".into(), kind.into());
    map.insert("mode".into(), format!("{mode:0>4}").into());
    map.insert("owner".into(), owner.to_owned().into());
    map.insert("group".into(), group.to_owned().into());
    map.insert("size".into(), number(size));
    map.insert("modified".into(), number(modified));
    map.into()
}
