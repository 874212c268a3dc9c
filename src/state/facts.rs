//! What a node says about itself, in one round trip.

use std::collections::BTreeMap;

use super::node::Node;
use crate::error::Result;
use crate::remote::quote::sh_quote;
use crate::remote::{Output, Query};

/// The probe: `name=value` lines, read with builtins where the kernel has a file for it.
const PROBE: &str = r#"
line() { r=; [ ! -r "$2" ] || read -r r <"$2"; printf '%s=%s\n' "$1" "$r"; }
text() { r=; [ ! -r "$2" ] || r=$(tr -d '\0' <"$2"); printf '%s=%s\n' "$1" "$r"; }
printf 'arch=%s\nkernel=%s\n' "$(uname -m)" "$(uname -r)"
line alpine /etc/alpine-release
text board /proc/device-tree/model
line boot_id /proc/sys/kernel/random/boot_id
read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ born _ </proc/1/stat
printf 'init_born=%s\n' "$born"
line uptime /proc/uptime
line cmdline /proc/cmdline
line image /etc/pirun/image
line temperature /sys/class/thermal/thermal_zone0/temp
line throttled /sys/devices/platform/soc/soc:firmware/get_throttled
line sd /sys/block/mmcblk0/device/cid
while read -r k v _; do [ "$k" != MemTotal: ] || printf 'memory_kib=%s\n' "$v"; done </proc/meminfo
p_mount /; printf 'root=%s\n' "$MO"
for d in /uboot /boot; do p_mount "$d"; [ "$M" = "$d" ] && printf 'boot_dir=%s\n' "$d" && break; done
while read -r c _ _ e; do [ "$c" != memory ] || printf 'memory_cgroup=%s\n' "$e"; done </proc/cgroups
[ ! -r /sys/fs/cgroup/cgroup.controllers ] || line controllers /sys/fs/cgroup/cgroup.controllers
printf 'clock=%s\n' "$(date +%s)"
"#;

/// Facts by name, as the node printed them; getters give them their type.
#[derive(Debug, Clone, Default)]
pub struct Facts(BTreeMap<String, String>);

/// Space on the file system that holds a path, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disk {
    pub size: i64,
    pub free: i64,
}

impl Disk {
    pub fn free_percent(&self) -> f64 {
        if self.size == 0 { 0.0 } else { self.free as f64 * 100.0 / self.size as f64 }
    }
}

impl Facts {
    /// Asks the node.
    pub fn gather(node: &Node) -> Result<Self> {
        let output = node.remote().query(&Query { script: PROBE.into(), ..Query::default() })?;
        Ok(Self::parse(&output))
    }

    fn parse(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The raw text of a fact; "" if the node does not have it.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Memory in bytes.
    pub fn memory(&self) -> i64 {
        self.text("memory_kib").parse::<i64>().unwrap_or(0) * 1024
    }

    /// Degrees Celsius; `None` where there is no sensor.
    pub fn temperature(&self) -> Option<f64> {
        Some(self.text("temperature").parse::<f64>().ok()? / 1000.0)
    }

    /// Whether the board is throttled now, and whether it has been since boot (the firmware's bits).
    pub fn throttled(&self) -> (bool, bool) {
        let bits = u32::from_str_radix(self.text("throttled").trim_start_matches("0x"), 16);
        bits.map_or((false, false), |bits| (bits & 0xF != 0, bits >> 16 != 0))
    }

    /// The root partition that runs: "A" (p2), "B" (p3), or "" where the command line does not say.
    pub fn slot(&self) -> &'static str {
        let root = self.text("cmdline").split_whitespace().find_map(|w| w.strip_prefix("root="));
        match root {
            Some(device) if device.ends_with("p2") => "A",
            Some(device) if device.ends_with("p3") => "B",
            _ => "",
        }
    }

    /// Seconds since boot.
    pub fn uptime(&self) -> f64 {
        self.text("uptime").split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
    }

    /// Tells one boot from the next. The start of pid 1 is part of it: containers share the kernel's id.
    pub fn boot_id(&self) -> String {
        format!("{}:{}", self.text("boot_id"), self.text("init_born"))
    }

    /// Whether the kernel accounts memory per cgroup, without which k3s does not start.
    pub fn memory_cgroup(&self) -> bool {
        self.text("memory_cgroup") == "1"
            || self.text("controllers").split(' ').any(|c| c == "memory")
    }

    /// Seconds since 1970 on the node's clock.
    pub fn clock(&self) -> i64 {
        self.text("clock").parse().unwrap_or(0)
    }
}

/// Space on the file system that holds `path`.
pub fn disk(node: &Node, path: &str) -> Result<Disk> {
    let script = format!("df -Pk {}", sh_quote(path));
    let output = node.remote().query(&Query { script, ..Query::default() })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<i64> = text
        .lines()
        .last()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let kib = |index: usize| numbers.get(index).copied().unwrap_or(0) * 1024;
    Ok(Disk { size: kib(0), free: kib(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_types_and_missing_ones_are_empty() {
        let stdout =
            b"temperature=48312\nthrottled=50000\ncmdline=quiet root=/dev/mmcblk0p3 ro\n".to_vec();
        let facts = Facts::parse(&Output { stdout, ..Output::default() });
        assert_eq!(facts.temperature(), Some(48.312));
        assert_eq!(facts.throttled(), (false, true));
        assert_eq!(facts.slot(), "B");
        assert_eq!(facts.text("board"), "");
    }
}
