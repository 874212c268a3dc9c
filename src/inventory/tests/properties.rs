//! What holds for every input.

use proptest::prelude::*;

use super::*;

/// Texts that look enough like an inventory to get past the first checks.
fn inventory_like() -> impl Strategy<Value = String> {
    let words = [
        "all:",
        "hosts:",
        "vars:",
        "children:",
        "server:",
        "rpi[1:3]:",
        "rpi40:",
        "a: &x",
        "b: *x",
        "<<: *x",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "!vault |",
        "'",
        "\"",
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        "\n\t",
        "? ",
        ": ",
        "port: 22",
        "labels:",
        "taints:",
        "{{ a }}",
        "#",
        "---\n",
        "é",
        "\u{0}",
        "|\n",
        ">-\n",
        "!!str",
        "%YAML",
        ",",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Inventory::from_yaml("inventory.yaml", bytes);
    }

    #[test]
    fn no_text_makes_it_panic(text in inventory_like(), pattern in "[a-z0-9*?~!&:,@\\[\\]{}-]{0,12}") {
        if let Ok(inventory) = Inventory::from_yaml("inventory.yaml", &text) {
            let _ = inventory.select(&pattern);
            for host in inventory.hosts() {
                inventory.explain(host);
            }
        }
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in "\\PC{0,20}") {
        let _ = read(CLUSTER).select(&pattern);
    }

    #[test]
    fn what_is_selected_is_in_the_inventorys_order(parts in prop::collection::vec(
        prop::sample::select(vec!["all", "agent", "server", "rpi4*", "!rpi41", "&cluster", "agent[1:]", "lonely"]), 1..5)) {
        let inventory = read(CLUSTER);
        if let Ok(hosts) = inventory.select(&parts.join(":")) {
            let order: Vec<_> = hosts.iter().map(|host| inventory.hosts().iter().position(|other| other == host)).collect();
            prop_assert!(order.is_sorted());
        }
    }
}
