//! What a node says about itself.

use rhai::Module;
use rhai::plugin::*;

use super::Topic;
use crate::script::host::HostHandle;
use crate::state::{Disk, Facts};

pub const TOPIC: Topic = Topic {
    name: "facts",
    about: "What a node says about itself: one look, when the first fact is asked for.",
    module,
    options: &[],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<HostFacts>("Facts").set_custom_type::<Disk>("Disk");
    module
}

/// The facts of a host, and the host, for those that need another look.
#[derive(Debug, Clone)]
pub struct HostFacts {
    host: HostHandle,
    facts: std::sync::Arc<Facts>,
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use rhai::Map;

    use crate::script::convert::ScriptResult;
    use crate::state::disk as disk_of;

    /// What the node says about itself. It is asked once in a run.
    ///
    /// ```rhai,node
    /// host.facts.arch.len() > 0   //=> true
    /// ```
    #[rhai_fn(get = "facts", pure, return_raw)]
    pub fn facts(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<HostFacts> {
        let facts = host.look(&ctx, "facts", |node| host.state().facts(node))?;
        Ok(HostFacts { host: host.clone(), facts })
    }

    /// The processor's architecture as `uname -m` says it: "aarch64".
    #[rhai_fn(get = "arch", pure)]
    pub fn arch(facts: &mut HostFacts) -> String {
        facts.facts.text("arch").to_owned()
    }

    /// The board's model as the device tree says it: "Raspberry Pi 4 Model B Rev 1.4"; "" where there is none.
    #[rhai_fn(get = "board", pure)]
    pub fn board(facts: &mut HostFacts) -> String {
        facts.facts.text("board").to_owned()
    }

    /// The version of Alpine: "3.23.0".
    #[rhai_fn(get = "alpine", pure)]
    pub fn alpine(facts: &mut HostFacts) -> String {
        facts.facts.text("alpine").to_owned()
    }

    /// The version of the kernel.
    #[rhai_fn(get = "kernel", pure)]
    pub fn kernel(facts: &mut HostFacts) -> String {
        facts.facts.text("kernel").to_owned()
    }

    /// Memory in bytes.
    #[rhai_fn(get = "memory", pure)]
    pub fn memory(facts: &mut HostFacts) -> i64 {
        facts.facts.memory()
    }

    /// Whether the kernel accounts memory per cgroup, which k3s needs.
    #[rhai_fn(get = "memory_cgroup", pure)]
    pub fn memory_cgroup(facts: &mut HostFacts) -> bool {
        facts.facts.memory_cgroup()
    }

    /// The root partition that runs: "A" or "B"; "" where the kernel's command line does not say.
    #[rhai_fn(get = "slot", pure)]
    pub fn slot(facts: &mut HostFacts) -> String {
        facts.facts.slot().to_owned()
    }

    /// The id of the running image; "" for images that have none.
    #[rhai_fn(get = "image", pure)]
    pub fn image(facts: &mut HostFacts) -> String {
        facts.facts.text("image").to_owned()
    }

    /// Where the boot partition is mounted: "/uboot" or "/boot"; "" if it is not.
    #[rhai_fn(get = "boot_dir", pure)]
    pub fn boot_dir(facts: &mut HostFacts) -> String {
        facts.facts.text("boot_dir").to_owned()
    }

    /// The processor's temperature in degrees Celsius; `()` where there is no sensor.
    #[rhai_fn(get = "temperature", pure)]
    pub fn temperature(facts: &mut HostFacts) -> Dynamic {
        facts.facts.temperature().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Whether the board runs slower to protect itself: a map with `now` and `since_boot`.
    #[rhai_fn(get = "throttled", pure)]
    pub fn throttled(facts: &mut HostFacts) -> Map {
        let (now, since_boot) = facts.facts.throttled();
        Map::from([("now".into(), now.into()), ("since_boot".into(), since_boot.into())])
    }

    /// The id of the SD card; "" where there is none.
    #[rhai_fn(get = "sd", pure)]
    pub fn sd(facts: &mut HostFacts) -> String {
        facts.facts.text("sd").to_owned()
    }

    /// Whether the root file system is mounted read-only.
    #[rhai_fn(get = "root_ro", pure)]
    pub fn root_ro(facts: &mut HostFacts) -> bool {
        facts.facts.text("root") == "ro"
    }

    /// Tells one boot from the next.
    #[rhai_fn(get = "boot_id", pure)]
    pub fn boot_id(facts: &mut HostFacts) -> String {
        facts.facts.boot_id()
    }

    /// Seconds since boot.
    #[rhai_fn(get = "uptime", pure)]
    pub fn uptime(facts: &mut HostFacts) -> f64 {
        facts.facts.uptime()
    }

    /// The node's clock when it was asked, in seconds since 1970.
    #[rhai_fn(get = "clock", pure)]
    pub fn clock(facts: &mut HostFacts) -> i64 {
        facts.facts.clock()
    }

    /// Space on the file system that holds `path`.
    ///
    /// ```rhai,node
    /// host.facts.disk("/data").free_percent > 0.0     //=> true
    /// ```
    #[rhai_fn(name = "disk", pure, return_raw)]
    pub fn disk(ctx: NativeCallContext, facts: &mut HostFacts, path: &str) -> ScriptResult<Disk> {
        facts.host.look(&ctx, &format!("disk {path}"), |node| disk_of(node, path))
    }

    /// The size of the file system in bytes.
    #[rhai_fn(get = "size", pure)]
    pub fn size(disk: &mut Disk) -> i64 {
        disk.size
    }

    /// Free bytes.
    #[rhai_fn(get = "free", pure)]
    pub fn free(disk: &mut Disk) -> i64 {
        disk.free
    }

    /// Free space in percent.
    #[rhai_fn(get = "free_percent", pure)]
    pub fn free_percent(disk: &mut Disk) -> f64 {
        disk.free_percent()
    }
}
