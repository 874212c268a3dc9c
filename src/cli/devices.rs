//! `pirun devices`: what can be written to.

use clap::Args;
use serde::Serialize;

use crate::device::{Disk, Objection, Signature, System, gigabytes, objections};
use crate::error::{Error, Result};
use crate::ui::Ui;

/// Lists the disks that an image can be written to, and why the others are refused.
///
/// Cards in readers and USB sticks are candidates. A reason that can be forced is named to `write_image.rhai` with
/// `--force`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Prints an array of objects: the disks with their partitions, uses and the objections to them.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    disk: Disk,
    /// Nothing speaks against writing to it.
    candidate: bool,
    objections: Vec<Objection>,
}

/// Runs `pirun devices` on this machine.
pub fn run(args: &DevicesArgs, ui: &Ui) -> Result<()> {
    let rows = rows(&System::default())?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&rows).map_err(|e| Error::bug(e.to_string()))?,
        false => text(&rows),
    };
    ui.out(text.trim_end());
    Ok(())
}

fn rows(system: &System) -> Result<Vec<Row>> {
    let row = |disk: Disk| {
        let objections = objections(&disk, None);
        Row { disk, candidate: objections.is_empty(), objections }
    };
    Ok(system.disks()?.into_iter().map(row).collect())
}

fn text(rows: &[Row]) -> String {
    let (candidates, refused): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.candidate);
    let width = |text: fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let path = width(|row| row.disk.path.as_os_str().len());
    let title = width(|row| row.disk.title().chars().count());
    let head = |row: &Row| {
        let disk = &row.disk;
        let serial = disk.serial.as_deref().map(|s| format!("   serial {s}")).unwrap_or_default();
        format!("{:path$}   {:title$}   {}{serial}\n", disk.path.display(), disk.title(), disk.bus)
    };
    let mut text = String::new();
    if candidates.is_empty() {
        text += "No card was found. Put one into a reader, and try again.\n";
    }
    for row in candidates {
        text += &head(row);
        text += &contents(&row.disk);
    }
    if !refused.is_empty() {
        text += "\nRefused:\n";
    }
    for row in refused {
        text += &head(row);
        for objection in &row.objections {
            let insist = if objection.forcible { "" } else { " (cannot be forced)" };
            text += &format!("    {}: {}{insist}\n", objection.reason, objection.text);
        }
    }
    text
}

/// One line a partition.
fn contents(disk: &Disk) -> String {
    let shown = |signature: &Option<Signature>| match signature {
        Some(Signature { kind, label: Some(label) }) => format!("{kind} \"{label}\""),
        Some(Signature { kind, label: None }) => kind.clone(),
        None => "unknown".to_owned(),
    };
    let parts = disk.partitions.iter().map(|part| {
        format!("    {:<10} {:>10}   {}\n", part.name, gigabytes(part.size), shown(&part.signature))
    });
    match (disk.partitions.is_empty(), &disk.signature) {
        (false, _) => parts.collect(),
        (true, Some(_)) => format!("    no partitions, {}\n", shown(&disk.signature)),
        (true, None) => "    no partitions that this machine can read\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::{ATA, MMC, Machine, USB};

    fn machine() -> Machine {
        Machine::new()
            .disk("sda", ATA, 500)
            .set("sda", "device/model", "Samsung SSD 870")
            .part("sda", "sda1", 490)
            .mount("sda1", "/")
            .disk("sdc", USB, 32)
            .set("sdc", "device/vendor", "Generic")
            .set("sdc", "device/model", "MassStorage")
            .part("sdc", "sdc1", 1)
            .udev("sdc1", "vfat", "BOOT")
            .part("sdc", "sdc2", 20)
            .udev("sdc2", "ext4", "data")
            .part("sdc", "sdc3", 1)
            .disk("mmcblk0", MMC, 64)
            .set("mmcblk0", "device/name", "SC64G")
            .set("mmcblk0", "device/serial", "0x7a1c5503")
    }

    #[test]
    fn shows_candidates_and_why_others_are_refused() {
        insta::assert_snapshot!(text(&rows(&machine().system()).unwrap()), @r#"
        /dev/sdc       Generic MassStorage 32.0 GB   usb
            sdc1           1.0 GB   vfat "BOOT"
            sdc2          20.0 GB   ext4 "data"
            sdc3           1.0 GB   unknown
        /dev/mmcblk0   SC64G 64.0 GB                 mmc   serial 0x7a1c5503
            no partitions that this machine can read

        Refused:
        /dev/sda       Samsung SSD 870 500.0 GB      ata
            holds-system: sda1 holds this machine's / (cannot be forced)
            not-removable: it is built in (ata)
            too-large: it has 500.0 GB, more than a card
        "#);
    }

    #[test]
    fn says_what_to_do_when_there_is_no_card() {
        let machine = Machine::new();
        insta::assert_snapshot!(text(&rows(&machine.system()).unwrap()), @"No card was found. Put one into a reader, and try again.");
    }

    #[test]
    fn json_has_the_reasons_by_name() {
        let rows = serde_json::to_value(rows(&machine().system()).unwrap()).unwrap();
        let disk = rows.as_array().unwrap().iter().find(|row| row["name"] == "sda").unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(disk).unwrap(), @r#"
        {
          "name": "sda",
          "path": "/dev/sda",
          "model": "Samsung SSD 870",
          "size": 500000000000,
          "bus": "ata",
          "serial": null,
          "removable": false,
          "read_only": false,
          "partitions": [
            {
              "name": "sda1",
              "number": 1,
              "start": 4194304,
              "size": 490000000000,
              "signature": null
            }
          ],
          "uses": [
            {
              "device": "sda1",
              "mounted": "/"
            }
          ],
          "signature": null,
          "number": "8:0",
          "diskseq": 7,
          "candidate": false,
          "objections": [
            {
              "reason": "holds-system",
              "text": "sda1 holds this machine's /",
              "forcible": false
            },
            {
              "reason": "not-removable",
              "text": "it is built in (ata)",
              "forcible": true
            },
            {
              "reason": "too-large",
              "text": "it has 500.0 GB, more than a card",
              "forcible": true
            }
          ]
        }
        "#);
    }
}
