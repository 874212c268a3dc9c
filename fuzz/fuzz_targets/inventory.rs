//! No bytes make the inventory panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::inventory::Inventory;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(inventory) = Inventory::from_yaml("inventory.yaml", bytes) {
        for host in inventory.hosts() {
            inventory.explain(host);
        }
        for group in inventory.groups() {
            let _ = inventory.select(&group.name);
        }
    }
});
