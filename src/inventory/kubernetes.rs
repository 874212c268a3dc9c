//! Kubernetes' grammar for the names that end up on a node: labels, taints, the node's own name.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation` (qualified names, label values, RFC 1123
//! subdomains) and the kubelet's `--node-labels` and `--register-with-taints`.

use super::mark::{Mark, shown};
use super::yaml::{Data, Node};
use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Labels that a kubelet may give itself although they end in `kubernetes.io`.
const ALLOWED_LABELS: [&str; 11] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Checks a host's `labels`: a map from label to text, number or boolean.
pub(crate) fn labels(node: &Node) -> Result<()> {
    let Data::Map(entries) = &node.data else {
        return Err(node
            .mark
            .error(format!("`labels` must be a map, and this is {}", node.kind()))
            .hint("Write each label on a line of its own, as `disk: ssd`."));
    };
    for entry in entries {
        label_key(&entry.key)
            .map_err(|reason| refused(&entry.key_mark, "label", &entry.key, &reason))?;
        let mark = &entry.value.mark;
        let value = match &entry.value.data {
            Data::Text(text) | Data::Literal(text) => text.clone(),
            Data::Plain(value) if !value.is_null() => value.to_string(),
            Data::Plain(_) => {
                return Err(mark
                    .error(format!("the label `{}` has no value", entry.key))
                    .hint("Write `\"\"` for a label with an empty value."));
            }
            _ => {
                let kind = entry.value.kind();
                return Err(mark
                    .error(format!("the label `{}` must be text, and this is {kind}", entry.key)));
            }
        };
        label_value(&value).map_err(|reason| refused(mark, "label value", &value, &reason))?;
    }
    Ok(())
}

/// The labels that the kubelet would refuse to start with: those of Kubernetes' own domains.
pub(crate) fn reserved_labels(node: &Node) -> Vec<(&str, &Mark)> {
    let Data::Map(entries) = &node.data else { return Vec::new() };
    let reserved = entries.iter().filter(|entry| is_reserved(&entry.key));
    reserved.map(|entry| (entry.key.as_str(), &entry.key_mark)).collect()
}

/// Checks a host's `taints`: a list of `key=value:Effect` or `key:Effect`.
pub(crate) fn taints(node: &Node) -> Result<()> {
    let Data::List(items) = &node.data else {
        return Err(node
            .mark
            .error(format!("`taints` must be a list, and this is {}", node.kind()))
            .hint("Write each taint on a line of its own, as `- dedicated=storage:NoSchedule`."));
    };
    items.iter().try_for_each(taint)
}

fn taint(node: &Node) -> Result<()> {
    let (Data::Text(text) | Data::Literal(text)) = &node.data else {
        return Err(node
            .mark
            .error(format!("a taint must be text, and this is {}", node.kind()))
            .hint("Write it as `- dedicated=storage:NoSchedule`."));
    };
    let Some((pair, effect)) = text.rsplit_once(':') else {
        return Err(refused(&node.mark, "taint", text, "its effect is missing")
            .hint("A taint is `key=value:Effect` or `key:Effect`."));
    };
    if !EFFECTS.contains(&effect) {
        let error =
            refused(&node.mark, "taint", text, &format!("`{}` is no effect", shown(effect)));
        let hint = did_you_mean(effect, EFFECTS);
        return Err(
            error.hint(hint.unwrap_or_else(|| format!("Effects are {}.", EFFECTS.join(", "))))
        );
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    label_key(key)
        .and_then(|()| label_value(value))
        .map_err(|reason| refused(&node.mark, "taint", text, &reason))
}

/// Checks a host's `node_name`: an RFC 1123 subdomain.
pub(crate) fn node_name(node: &Node) -> Result<()> {
    match &node.data {
        Data::Text(name) | Data::Literal(name) => {
            subdomain(name).map_err(|reason| refused(&node.mark, "node name", name, &reason))
        }
        _ => Err(node.mark.error(format!("`node_name` must be text, and this is {}", node.kind()))),
    }
}

/// A qualified name: `name` or `prefix/name`.
fn label_key(key: &str) -> Result<(), String> {
    match key.split_once('/') {
        Some((prefix, name)) => {
            subdomain(prefix).map_err(|reason| format!("before the `/`, {reason}"))?;
            qualified(name).map_err(|reason| format!("after the `/`, {reason}"))
        }
        None => qualified(key),
    }
}

fn label_value(value: &str) -> Result<(), String> {
    if value.is_empty() { Ok(()) } else { qualified(value) }
}

/// `[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?`, at most 63 characters.
fn qualified(text: &str) -> Result<(), String> {
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
        return Err("it is empty".into());
    };
    if let Some(c) = text.chars().find(|&c| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
        return Err(format!("it contains `{}`", c.escape_debug()));
    }
    if !first.is_ascii_alphanumeric() || !last.is_ascii_alphanumeric() {
        return Err("it must start and end with a letter or a digit".into());
    }
    if text.len() > 63 {
        return Err("it is longer than 63 characters".into());
    }
    Ok(())
}

/// An RFC 1123 subdomain: lower-case labels, at most 253 characters.
fn subdomain(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.len() > 253 {
        return Err("it is longer than 253 characters".into());
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if let Some(c) = text.chars().find(|&c| !allowed(c)) {
        return Err(match c.is_ascii_uppercase() {
            true => "it must be lower case".into(),
            false => format!("it contains `{}`", c.escape_debug()),
        });
    }
    let edge = |label: &str| label.is_empty() || label.starts_with('-') || label.ends_with('-');
    match text.split('.').any(edge) {
        true => Err("each part must start and end with a letter or a digit".into()),
        false => Ok(()),
    }
}

fn is_reserved(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let within = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    (within("kubernetes.io") || within("k8s.io"))
        && !(within("kubelet.kubernetes.io") || within("node.kubernetes.io"))
        && !ALLOWED_LABELS.contains(&key)
}

fn refused(mark: &Mark, what: &str, text: &str, reason: &str) -> Error {
    mark.error(format!("`{}` cannot be a {what}: {reason}", shown(text)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::inventory::testing::{fails, shows};
    use crate::inventory::yaml::parse;

    fn check(check: fn(&Node) -> Result<()>, text: &str) -> String {
        match check(&parse("inventory.yaml", text.as_bytes()).unwrap()) {
            Ok(()) => "fine".into(),
            Err(error) => shows(&fails::<()>(Err(error))),
        }
    }

    #[test]
    fn accepts_labels_as_kubernetes_does() {
        assert_eq!(check(labels, "{ disk: ssd, gpu: true, slots: 4, empty: '' }"), "fine");
        assert_eq!(check(labels, "{ example.com/Zone_1.a: A-b_c.9 }"), "fine");
        assert_eq!(check(labels, "{}"), "fine");
    }

    #[test]
    fn refuses_labels_that_kubernetes_would_refuse() {
        assert_snapshot!(check(labels, "disk: solid state\n"), @"inventory.yaml:1:7: `solid state` cannot be a label value: it contains ` `");
        assert_snapshot!(check(labels, "disk: $(reboot)\n"), @"inventory.yaml:1:7: `$(reboot)` cannot be a label value: it contains `$`");
        assert_snapshot!(check(labels, "-disk: ssd\n"), @"inventory.yaml:1:1: `-disk` cannot be a label: it must start and end with a letter or a digit");
        assert_snapshot!(check(labels, "Example.com/disk: ssd\n"), @"inventory.yaml:1:1: `Example.com/disk` cannot be a label: before the `/`, it must be lower case");
        assert_snapshot!(check(labels, "a/b/c: ssd\n"), @"inventory.yaml:1:1: `a/b/c` cannot be a label: after the `/`, it contains `/`");
        assert_snapshot!(check(labels, &format!("a: {}\n", "x".repeat(64))), @"inventory.yaml:1:4: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` cannot be a label value: it is longer than 63 characters");
        assert_snapshot!(check(labels, "disk:\n"), @r#"
        inventory.yaml:1:5: the label `disk` has no value
        hint: Write `""` for a label with an empty value.
        "#);
        assert_snapshot!(check(labels, "[disk=ssd]"), @"
        inventory.yaml:1:1: `labels` must be a map, and this is a list
        hint: Write each label on a line of its own, as `disk: ssd`.
        ");
    }

    #[test]
    fn refuses_taints_that_kubernetes_would_refuse() {
        assert_eq!(
            check(taints, "[a=b:NoSchedule, example.com/a:NoExecute, 'a=:PreferNoSchedule']"),
            "fine"
        );
        assert_snapshot!(check(taints, "[disk=ssd:NoShedule]"), @"
        inventory.yaml:1:2: `disk=ssd:NoShedule` cannot be a taint: `NoShedule` is no effect
        hint: Did you mean `NoSchedule`?
        ");
        assert_snapshot!(check(taints, "[disk=ssd]"), @"
        inventory.yaml:1:2: `disk=ssd` cannot be a taint: its effect is missing
        hint: A taint is `key=value:Effect` or `key:Effect`.
        ");
        assert_snapshot!(check(taints, "[disk=ssd:Never]"), @"
        inventory.yaml:1:2: `disk=ssd:Never` cannot be a taint: `Never` is no effect
        hint: Effects are NoSchedule, PreferNoSchedule, NoExecute.
        ");
        assert_snapshot!(check(taints, "['=x:NoSchedule']"), @"inventory.yaml:1:2: `=x:NoSchedule` cannot be a taint: it is empty");
        assert_snapshot!(check(taints, "- disk: ssd\n"), @"
        inventory.yaml:1:3: a taint must be text, and this is a map
        hint: Write it as `- dedicated=storage:NoSchedule`.
        ");
        assert_snapshot!(check(taints, "disk: ssd\n"), @"
        inventory.yaml:1:1: `taints` must be a list, and this is a map
        hint: Write each taint on a line of its own, as `- dedicated=storage:NoSchedule`.
        ");
    }

    #[test]
    fn a_node_name_is_lower_case() {
        assert_eq!(check(node_name, "rpi40.lan"), "fine");
        assert_snapshot!(check(node_name, "RPI40"), @"inventory.yaml:1:1: `RPI40` cannot be a node name: it must be lower case");
        assert_snapshot!(check(node_name, "rpi40-"), @"inventory.yaml:1:1: `rpi40-` cannot be a node name: each part must start and end with a letter or a digit");
    }

    #[test]
    fn knows_the_labels_that_a_kubelet_refuses() {
        assert!(is_reserved("node-role.kubernetes.io/worker"));
        assert!(is_reserved("kubernetes.io/role"));
        assert!(!is_reserved("kubernetes.io/arch"));
        assert!(!is_reserved("node.kubernetes.io/disk"));
        assert!(!is_reserved("example.com/disk"));
    }
}
