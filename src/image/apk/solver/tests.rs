use super::*;
use crate::image::apk::Checksum;
use sha1::{Digest as _, Sha1};

/// A repository of packages such as `k3s 1.30-r0 D:cni-plugins>=1 p:cmd:k3s=1.30-r0`; `_` stands for a blank in a list.
fn repository(tag: Option<&str>, packages: &[&str]) -> Repository {
    let entry = |package: &&str| {
        let checksum = Checksum(Sha1::digest(package).into());
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let rest: String = words.map(|word| format!("{}\n", word.replace('_', " "))).collect();
        format!("C:{checksum}\nP:{name}\nV:{version}\nI:1\n{rest}\n")
    };
    let text: String = packages.iter().map(entry).collect();
    let index = Index { packages: Index::parse(&text).unwrap(), ..Index::default() };
    Repository { name: "main".into(), tag: tag.map(str::to_owned), index }
}

fn try_solve(world: &str, repositories: &[Repository]) -> Result<String> {
    let world: Vec<_> = world.split(' ').map(|wish| Dependency::parse(wish).unwrap()).collect();
    let solution = solve(&world, repositories, "aarch64")?;
    let names: Vec<_> = solution.packages.iter().map(|one| one.package.full_name()).collect();
    Ok(names.join(" "))
}

fn solved(world: &str, packages: &[&str]) -> String {
    try_solve(world, &[repository(None, packages)]).unwrap()
}

fn refusal(world: &str, packages: &[&str]) -> String {
    told(&try_solve(world, &[repository(None, packages)]).unwrap_err())
}

/// All that the user sees of an error.
fn told(error: &Error) -> String {
    let mut lines = vec![error.message().to_owned()];
    lines.extend(error.explanation().map(str::to_owned));
    lines.extend(error.hints().iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

#[test]
fn takes_the_newest_and_puts_dependencies_first() {
    let packages = ["a 1 D:b_so:c", "b 1", "b 2 D:c", "c 1 p:so:c=1", "d 1"];
    assert_eq!(solved("a", &packages), "c-1 b-2 a-1");
    assert_eq!(solved("a b<2", &packages), "b-1 c-1 a-1");
}

#[test]
fn installs_by_itself_what_belongs_to_what_is_installed() {
    let packages = ["dropbear 1", "openrc 1", "dropbear-openrc 1 i:openrc_dropbear=1"];
    assert_eq!(solved("dropbear", &packages), "dropbear-1");
    assert_eq!(solved("dropbear openrc", &packages), "dropbear-1 openrc-1 dropbear-openrc-1");
    assert_eq!(solved("dropbear openrc !dropbear-openrc", &packages), "dropbear-1 openrc-1");
}

#[test]
fn takes_one_of_many_by_priority_or_by_the_users_choice() {
    let packages = ["a 1 D:mta", "x 1 p:mta k:1", "y 1 p:mta k:2", "z 1 p:mta"];
    assert_eq!(solved("a", &packages), "y-1 a-1");
    assert_eq!(solved("a z", &packages), "z-1 a-1");
}

#[test]
fn the_last_wish_for_a_name_counts() {
    assert_eq!(solved("a<2 a", &["a 1", "a 2"]), "a-2");
}

#[test]
fn names_the_repository_and_the_tag() {
    let repositories =
        [repository(None, &["a 1 D:b", "b 1"]), repository(Some("edge"), &["b 1", "b 2"])];
    assert_eq!(try_solve("a", &repositories).unwrap(), "b-1 a-1");
    let world = ["a", "b@edge"].map(|wish| Dependency::parse(wish).unwrap());
    let solution = solve(&world, &repositories, "aarch64").unwrap();
    let b = &solution.packages[0];
    assert_eq!(
        (b.package.full_name(), b.repository, b.tag.as_deref()),
        ("b-2".into(), 1, Some("edge"))
    );
    insta::assert_snapshot!(told(&try_solve("a@egde", &repositories).unwrap_err()), @r#"
    you ask for a@egde, and no repository has the tag @egde
    hint: Did you mean `edge`?
    "#);
    insta::assert_snapshot!(told(&try_solve("b>1", &repositories).unwrap_err()), @r#"
    b-2 is only in the repository with the tag @edge
    hint: Ask for b@edge to take it from there.
    "#);
}

#[test]
fn a_missing_package_is_named_with_who_needs_it() {
    let packages = ["k3s 1.30-r0 D:cni-plugin>=1.0_iptables", "cni-plugins 1.4-r0", "iptables 1"];
    insta::assert_snapshot!(refusal("k3s", &packages), @r#"
    k3s-1.30-r0 needs cni-plugin>=1.0, which no repository has
    hint: Did you mean `cni-plugins`?
    "#);
    insta::assert_snapshot!(refusal("k3", &packages), @r#"
    you ask for k3, which no repository has
    hint: Did you mean `k3s`?
    "#);
}

#[test]
fn a_version_that_is_not_there_is_named_with_those_that_are() {
    insta::assert_snapshot!(refusal("a", &["a 1 D:b>=2", "b 1.1-r0", "b 1.0-r0", "c 1 p:b=1.5"]), @"a-1 needs b>=2, and there is only b-1.1-r0, b-1.0-r0 and 1.5 of c-1");
}

#[test]
fn the_reason_is_told_however_deep_it_lies() {
    insta::assert_snapshot!(refusal("a", &["a 1 D:b", "b 1 D:c", "c 1 D:d"]), @r#"
    c-1 needs d, which no repository has
    hint: Did you mean `a`?
    "#);
}

#[test]
fn packages_that_exclude_each_other_are_both_named() {
    insta::assert_snapshot!(refusal("a b", &["a 1 D:!b", "b 1"]), @"a-1 excludes b, but b-1 is needed by you");
    insta::assert_snapshot!(refusal("a !b", &["a 1 D:b", "b 1"]), @"you exclude b, but b-1 is needed by a-1");
    insta::assert_snapshot!(refusal("a b", &["a 1 p:sh=1", "b 1 p:sh=2"]), @"b-1 and a-1 are both sh, and only one can be");
    insta::assert_snapshot!(refusal("a b", &["a 1 D:c=1", "b 1 D:c=2", "c 1", "c 2"]), @"b-1 needs c=2, but c-2 is excluded by a-1, which needs c=1");
}

#[test]
fn what_cannot_be_used_at_all_is_said_so() {
    insta::assert_snapshot!(refusal("a", &["a 1 A:x86_64"]), @"a-1 is for x86 64, and there is none for this architecture");
    insta::assert_snapshot!(refusal("a", &["a 1 D:b>new"]), @"a-1 cannot be used: `b>new` does not name a package: `new` is not a version: `new` cannot stand there");
    insta::assert_snapshot!(refusal("mta", &["x 1 p:mta", "y 1 p:mta"]), @r#"
    you ask for mta, which x and y can be, and none is preferred
    hint: Add the one that you want to your packages: x.
    "#);
}

#[test]
fn a_long_chain_of_dependencies_needs_no_deep_stack() {
    let packages: Vec<String> =
        (0..20_000).map(|at| format!("p{at} 1 D:p{}", at + 1)).chain(["p20000 1".into()]).collect();
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    assert!(solved("p0", &packages).starts_with("p20000-1 p19999-1"));
}
