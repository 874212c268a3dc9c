//! What may be a host, a group, an address, a port or a user.
//!
//! Names reach `ssh`'s command line, file paths and the node's own configuration, so that whatever
//! one of them could misread is refused here, before anything is contacted. Every check returns the
//! reason as the end of a sentence.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of a host name: the kernel allows 64, Kubernetes keeps it as a label value of 63.
const MAX_HOST_NAME: usize = 63;
/// Bytes of a name in DNS, RFC 1035.
const MAX_DNS_NAME: usize = 253;

/// A host of the inventory: its name is also the node's host name (RFC 1123).
pub(crate) fn host_name(name: &str) -> Result<(), String> {
    if name.len() > MAX_HOST_NAME {
        return Err(format!("it is longer than {MAX_HOST_NAME} characters"));
    }
    if name.parse::<Ipv6Addr>().is_ok() {
        return Err("an IPv6 address cannot be one".into());
    }
    dns_name(name)
}

/// A group: also the name of a file in `group_vars` and a word in patterns.
pub(crate) fn group_name(name: &str) -> Result<(), String> {
    let Some(first) = name.chars().next() else { return Err("it is empty".into()) };
    if !first.is_ascii_alphanumeric() && first != '_' {
        return Err(format!("it starts with `{}`", first.escape_debug()));
    }
    match name.chars().find(|&c| !(c.is_ascii_alphanumeric() || "_-.".contains(c))) {
        Some(c) => Err(format!("it contains `{}`", c.escape_debug())),
        None => Ok(()),
    }
}

/// What `ssh` connects to: a host name, an IPv4 or an IPv6 address (a zone such as `%eth0` included).
pub(crate) fn address(address: &str) -> Result<(), String> {
    if address.contains("{{") {
        return Err("its template was not rendered".into());
    }
    if address.starts_with('[') {
        return Err("brackets belong to URLs: write the IPv6 address without them".into());
    }
    let (ip, zone) = address.split_once('%').map_or((address, None), |(ip, zone)| (ip, Some(zone)));
    if ip.parse::<Ipv6Addr>().is_ok() {
        return match zone {
            Some(zone) => group_name(zone).map_err(|reason| format!("in its zone, {reason}")),
            None => Ok(()),
        };
    }
    dns_name(address)
}

/// The login user, as `useradd` would accept it.
pub(crate) fn user(user: &str) -> Result<(), String> {
    let Some(first) = user.chars().next() else { return Err("it is empty".into()) };
    if user.len() > 32 {
        return Err("it is longer than 32 characters".into());
    }
    if !first.is_ascii_alphabetic() && first != '_' {
        return Err(format!("it starts with `{}`", first.escape_debug()));
    }
    match user.chars().find(|&c| !(c.is_ascii_alphanumeric() || "_-.".contains(c))) {
        Some(c) => Err(format!("it contains `{}`", c.escape_debug())),
        None => Ok(()),
    }
}

/// A TCP port, 1 to 65535.
pub(crate) fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port: &u16| digits && port > 0)
}

/// Splits Ansible's `HOST:PORT`; colons inside brackets belong to a range.
pub(crate) fn split_port(key: &str) -> (&str, Option<&str>) {
    let after_ranges = key.rfind(']').map_or(0, |end| end + 1);
    match key[after_ranges..].split_once(':') {
        Some((host, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (&key[..after_ranges + host.len()], Some(port))
        }
        _ => (key, None),
    }
}

/// A name of dot-separated labels. One that ends in a number would be read as an IPv4 address.
fn dns_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("it is empty".into());
    }
    if name.len() > MAX_DNS_NAME {
        return Err(format!("it is longer than {MAX_DNS_NAME} characters"));
    }
    if name.starts_with('-') {
        return Err("it starts with `-`, and ssh would read it as an option".into());
    }
    if let Some(c) = name.chars().find(|&c| !(c.is_ascii_alphanumeric() || "-.".contains(c))) {
        return Err(match c {
            '_' => "it contains `_`, which host names must not: use `-`".into(),
            c => format!("it contains `{}`", c.escape_debug()),
        });
    }
    name.split('.').try_for_each(label)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) && name.parse::<Ipv4Addr>().is_err() {
        return Err("its end is a number, and it is no IPv4 address".into());
    }
    Ok(())
}

fn label(label: &str) -> Result<(), String> {
    if label.is_empty() {
        return Err("there is nothing before or after one of its dots".into());
    }
    if label.len() > 63 {
        return Err("a part of it is longer than 63 characters".into());
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("a part of it starts or ends with `-`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(check: fn(&str) -> Result<(), String>, names: &[&str]) -> String {
        let reason = |name: &&str| match check(name) {
            Ok(()) => format!("{name:?}: fine"),
            Err(reason) => format!("{name:?}: {reason}"),
        };
        names.iter().map(reason).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn refuses_a_host_name_that_ssh_would_read_as_an_option() {
        insta::assert_snapshot!(reasons(host_name, &["-oProxyCommand=reboot", "-l"]), @r#"
        "-oProxyCommand=reboot": it starts with `-`, and ssh would read it as an option
        "-l": it starts with `-`, and ssh would read it as an option
        "#);
    }

    #[test]
    fn refuses_host_names_that_a_shell_or_a_path_could_misread() {
        insta::assert_snapshot!(
            reasons(host_name, &["", "a b", "a\nb", "a;b", "..", "a/b", "$(id)", "root@a", "a_b", "fd00::1",
                "a..b", ".a", "a-.b", "rpi4ö", "40", "10.0.0.300", &"a".repeat(64)]), @r#"
        "": it is empty
        "a b": it contains ` `
        "a\nb": it contains `\n`
        "a;b": it contains `;`
        "..": there is nothing before or after one of its dots
        "a/b": it contains `/`
        "$(id)": it contains `$`
        "root@a": it contains `@`
        "a_b": it contains `_`, which host names must not: use `-`
        "fd00::1": an IPv6 address cannot be one
        "a..b": there is nothing before or after one of its dots
        ".a": there is nothing before or after one of its dots
        "a-.b": a part of it starts or ends with `-`
        "rpi4ö": it contains `ö`
        "40": its end is a number, and it is no IPv4 address
        "10.0.0.300": its end is a number, and it is no IPv4 address
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": it is longer than 63 characters
        "#);
        for name in ["rpi40", "rpi40.lan", "RPI40", "10.0.0.4", "4pi", "a-b.c-d"] {
            assert_eq!(host_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn an_address_is_a_name_or_an_ip() {
        for good in ["rpi40.lan", "192.168.1.40", "fd00::40", "fe80::1%eth0", "::ffff:10.0.0.1"] {
            assert_eq!(address(good), Ok(()), "{good}");
        }
        insta::assert_snapshot!(
            reasons(address, &["[fd00::1]", "fe80::1%-x", "-Jevil", "192.168.1.400", "a:22", "{{ ip }}"]), @r#"
        "[fd00::1]": brackets belong to URLs: write the IPv6 address without them
        "fe80::1%-x": in its zone, it starts with `-`
        "-Jevil": it starts with `-`, and ssh would read it as an option
        "192.168.1.400": its end is a number, and it is no IPv4 address
        "a:22": it contains `:`
        "{{ ip }}": its template was not rendered
        "#);
    }

    #[test]
    fn a_user_and_a_group_are_plain_words() {
        assert_eq!(user("pi"), Ok(()));
        assert_eq!(group_name("k3s_server"), Ok(()));
        insta::assert_snapshot!(reasons(user, &["-l", "a b", "", "a;b"]), @r#"
        "-l": it starts with `-`
        "a b": it contains ` `
        "": it is empty
        "a;b": it contains `;`
        "#);
        insta::assert_snapshot!(reasons(group_name, &["../x", "a/b", "a:b", "@a", "a,b"]), @r#"
        "../x": it starts with `.`
        "a/b": it contains `/`
        "a:b": it contains `:`
        "@a": it starts with `@`
        "a,b": it contains `,`
        "#);
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        assert_eq!(port("22"), Some(22));
        assert_eq!(port("65535"), Some(65535));
        for bad in ["0", "65536", "-1", "+22", "", "ssh", "22 "] {
            assert_eq!(port(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_port_may_stand_behind_the_name() {
        assert_eq!(split_port("rpi40"), ("rpi40", None));
        assert_eq!(split_port("rpi40:2222"), ("rpi40", Some("2222")));
        assert_eq!(split_port("rpi[40:42]"), ("rpi[40:42]", None));
        assert_eq!(split_port("rpi[40:42].lan:22"), ("rpi[40:42].lan", Some("22")));
        assert_eq!(split_port("fd00::1"), ("fd00::1", None));
    }
}
