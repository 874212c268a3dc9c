//! Names, keys and users of a node.

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use crate::options;
use crate::script::ScriptResult;
use crate::script::host::HostHandle;
use crate::script::options::Options;
use crate::state::{AuthorizedKey, Change, Hostname, User};

pub const TOPIC: Topic = Topic {
    name: "accounts",
    about: "Names, keys and users of a node.",
    module,
    options: &[UserOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.user`.
    pub struct UserOptions for "user" at 1 {
        /// The user's number. Default: as it is; the next free one for a new user.
        uid: Option<usize>,
        /// The home directory.
        home: Option<String>,
        /// The login shell.
        shell: Option<String>,
        /// Groups besides its own; others that it is in are left alone.
        groups: Vec<String>,
        /// A system user: no password, a low number.
        system: bool,
        /// `"present"` (default) or `"absent"`.
        state: String = "present".to_owned(),
    }
}

fn user(
    ctx: &NativeCallContext,
    host: &HostHandle,
    name: &str,
    options: UserOptions,
) -> ScriptResult<Change> {
    let user = User {
        name: name.to_owned(),
        uid: options.uid.and_then(|uid| u32::try_from(uid).ok()),
        home: options.home,
        shell: options.shell,
        groups: options.groups,
        system: options.system,
        absent: options.state == "absent",
    };
    host.change(ctx, &format!("user {name}"), |node| node.bring(&user))
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Sees to it that the node is called `name`, now and after a reboot.
    ///
    /// ```rhai
    /// host.hostname(host.name);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn hostname(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        name: &str,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "hostname", |node| node.bring(&Hostname::new(name)?))
    }

    /// Sees to it that the holder of a public key may log in as `user`. Other keys stay.
    ///
    /// ```rhai
    /// host.authorized_key("root", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHcB3 me@laptop");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn authorized_key(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        user: &str,
        key: &str,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "authorized_key", |node| node.bring(&AuthorizedKey::new(user, key)?))
    }

    /// Sees to it that there is a user.
    ///
    /// ```rhai
    /// host.user("backup");
    /// ```
    #[rhai_fn(name = "user", pure, return_raw)]
    pub fn user(ctx: NativeCallContext, host: &mut HostHandle, name: &str) -> ScriptResult<Change> {
        super::user(&ctx, host, name, UserOptions::default())
    }

    /// Sees to it that there is, or is not, a user as the options say.
    ///
    /// ```rhai
    /// host.user("backup", #{ shell: "/bin/sh", groups: ["disk"] });
    /// ```
    #[rhai_fn(name = "user", pure, return_raw)]
    pub fn user_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        name: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::user(&ctx, host, name, options)
    }
}
