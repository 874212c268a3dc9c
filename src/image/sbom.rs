//! The list of an image's packages, as SPDX 2.3 in JSON; and what an upgrade reads from two of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::apk::Package;
use crate::calendar;
use crate::error::{Error, ErrorKind, Result};

/// Of whom the document is.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The image's id.
    pub id: &'a str,
    pub arch: &'a str,
    /// Alpine's version, such as `3.23.6`.
    pub alpine: &'a str,
    /// Seconds since 1970.
    pub created: i64,
}

/// The document's text. It depends on nothing but its arguments, and not on the packages' order.
pub fn write<'a>(subject: &Subject, packages: impl IntoIterator<Item = &'a Package>) -> String {
    let packages: BTreeMap<&str, &Package> =
        packages.into_iter().map(|package| (package.name.as_str(), package)).collect();
    let image = "SPDXRef-Image";
    let mut listed = vec![json!({
        "SPDXID": image,
        "name": subject.id,
        "versionInfo": subject.id,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    })];
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", image)];
    let mut unlisted = BTreeSet::new();
    for package in packages.values() {
        listed.push(entry(subject, package, &mut unlisted));
        relations.push(relation(image, "CONTAINS", &reference(&package.name)));
    }
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject.id,
        "documentNamespace": format!("https://spdx.org/spdxdocs/pirun-{}", subject.id),
        "creationInfo": {
            "created": calendar::timestamp(subject.created),
            "creators": [concat!("Tool: pirun-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": listed,
        "relationships": relations,
    });
    if !unlisted.is_empty() {
        let names = unlisted.iter().map(|name| {
            json!({
                "licenseId": own_id(name),
                "name": name,
                "extractedText": format!("Alpine's name for a licence that SPDX does not list: {name}"),
            })
        });
        document["hasExtractedLicensingInfos"] = names.collect();
    }
    format!("{document:#}\n")
}

/// `unlisted` takes the names of licences that SPDX does not list.
fn entry(subject: &Subject, package: &Package, unlisted: &mut BTreeSet<String>) -> Value {
    let Package { name, version, arch, license, .. } = package;
    let release = subject.alpine.rsplitn(2, '.').last().unwrap_or(subject.alpine);
    let declared = expression(license, unlisted);
    let mut entry = json!({
        "SPDXID": reference(name),
        "name": name,
        "versionInfo": version.as_str(),
        "supplier": "Organization: Alpine Linux",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": declared.as_deref().unwrap_or("NOASSERTION"),
        "copyrightText": "NOASSERTION",
        "summary": package.description,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator":
                format!("pkg:apk/alpine/{}@{}?arch={arch}&distro=alpine-{release}", escaped(name), escaped(version.as_str())),
        }],
    });
    if declared.is_none() && !license.is_empty() {
        entry["licenseComments"] = format!("Alpine says: {license}").into();
    }
    entry
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// SPDX's ids have letters, digits, dots and hyphens only; other bytes are spelled out, so that no two are the same.
fn reference(name: &str) -> String {
    let spelled = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => letter.to_string(),
        other => format!(".{:x}.", u32::from(other)),
    };
    format!("SPDXRef-Package-{}", name.chars().map(spelled).collect::<String>())
}

/// As the purl specification has it.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Alpine's field as SPDX's licence expression, such as `MIT AND (GPL-2.0-only OR Zlib)`; names that SPDX does not list get ids
/// of the document's own. `None` for free text, which the field sometimes is.
fn expression(license: &str, unlisted: &mut BTreeSet<String>) -> Option<String> {
    let spaced = license.replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    let mut own = BTreeSet::new();
    let mut is_exception = false;
    for word in &mut words {
        let is_name = !matches!(word.as_str(), "AND" | "OR" | "WITH" | "(" | ")");
        let is_known = match is_exception {
            true => spdx::exception_id(word).is_some(),
            false => spdx::license_id(word.trim_end_matches('+')).is_some(),
        };
        if is_name && !is_known && !is_exception && word != "custom" {
            let name = std::mem::take(word);
            *word = own_id(&name);
            own.insert(name);
        }
        is_exception = word == "WITH";
    }
    let text = words.join(" ").replace("( ", "(").replace(" )", ")");
    // The grammar, and what is listed, are SPDX's own.
    spdx::Expression::parse(&text).ok()?;
    unlisted.extend(own);
    Some(text)
}

/// The document's own id of a licence.
fn own_id(name: &str) -> String {
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    format!("LicenseRef-{}", name.chars().map(plain).collect::<String>())
}

/// The packages that a document lists, each with its version.
///
/// # Errors
/// When it is not an SPDX document in JSON.
pub fn versions(text: &str) -> Result<BTreeMap<String, String>> {
    let wrong = |why: String| {
        Error::new(
            ErrorKind::Image,
            format!("the list of the image's packages cannot be read: {why}"),
        )
    };
    let document: Value =
        serde_json::from_str(text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
    let version = document["spdxVersion"].as_str().unwrap_or_default();
    if !version.starts_with("SPDX-2.") {
        return Err(wrong("it is not an SPDX 2 document".into()));
    }
    let packages = document["packages"].as_array();
    let packages = packages.ok_or_else(|| wrong("it lists no packages".into()))?;
    let pair = |package: &Value| {
        let is_image = package["primaryPackagePurpose"] == "OPERATING-SYSTEM";
        let text = |field: &str| package[field].as_str().map(str::to_owned);
        (!is_image).then(|| Some((text("name")?, text("versionInfo")?)))
    };
    packages
        .iter()
        .filter_map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("a package in it has no name or no version".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::apk::{Checksum, Version};

    fn package(name: &str, version: &str, license: &str) -> Package {
        Package {
            name: name.into(),
            version: Version::parse(version).unwrap(),
            arch: "aarch64".into(),
            checksum: Checksum([7; 20]),
            size: 1,
            installed_size: 1,
            description: format!("the package {name}"),
            url: String::new(),
            license: license.into(),
            origin: name.into(),
            maintainer: String::new(),
            build_time: 0,
            commit: String::new(),
            provider_priority: 0,
            depends: vec![],
            provides: vec![],
            install_if: vec![],
            unusable: None,
        }
    }

    fn packages() -> [Package; 3] {
        [
            package("libstdc++", "15.2.0-r2", "GPL-2.0-or-later AND (LGPL-2.1-or-later OR MIT)"),
            package("busybox", "1.37.0-r30", "GPL-2.0-only"),
            package("firmware", "20260110-r0", "custom: see file"),
        ]
    }

    const SUBJECT: Subject =
        Subject { id: "20261127-k3s", arch: "aarch64", alpine: "3.23.6", created: 1_700_000_000 };

    #[test]
    fn lists_each_package_and_gives_back_its_version() {
        let text = write(&SUBJECT, &packages());
        let versions: Vec<_> = versions(&text).unwrap().into_iter().collect();
        insta::assert_snapshot!(format!("{versions:?}"), @r#"[("busybox", "1.37.0-r30"), ("firmware", "20260110-r0"), ("libstdc++", "15.2.0-r2")]"#);
        let document: Value = serde_json::from_str(&text).unwrap();
        insta::assert_snapshot!(format!("{:#}", document["packages"][3]), @r#"
        {
          "SPDXID": "SPDXRef-Package-libstdc.2b..2b.",
          "name": "libstdc++",
          "versionInfo": "15.2.0-r2",
          "supplier": "Organization: Alpine Linux",
          "downloadLocation": "NOASSERTION",
          "filesAnalyzed": false,
          "licenseConcluded": "NOASSERTION",
          "licenseDeclared": "GPL-2.0-or-later AND (LGPL-2.1-or-later OR MIT)",
          "copyrightText": "NOASSERTION",
          "summary": "the package libstdc++",
          "externalRefs": [
            {
              "referenceCategory": "PACKAGE-MANAGER",
              "referenceType": "purl",
              "referenceLocator": "pkg:apk/alpine/libstdc%2B%2B@15.2.0-r2?arch=aarch64&distro=alpine-3.23"
            }
          ]
        }
        "#);
        insta::assert_snapshot!(document["packages"][2]["licenseDeclared"], @r#""NOASSERTION""#);
        assert_eq!(document["relationships"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn has_the_same_text_in_whatever_order_the_packages_come() {
        let mut reversed = packages();
        reversed.reverse();
        assert_eq!(write(&SUBJECT, &packages()), write(&SUBJECT, &reversed));
    }

    #[test]
    fn tells_licences_from_free_text() {
        let mut unlisted = BTreeSet::new();
        let mut expression = |text: &str| expression(text, &mut unlisted);
        for license in
            ["MIT", "MIT AND Zlib", "(MIT OR Zlib) AND GPL-2.0-only WITH GCC-exception-3.1"]
        {
            assert_eq!(expression(license).as_deref(), Some(license));
        }
        for license in [
            "",
            "custom",
            "see file",
            "MIT AND",
            "(MIT",
            "MIT)",
            "AND",
            "MIT, Zlib",
            "MIT WITH nothing",
        ] {
            assert_eq!(expression(license), None, "{license}");
        }
        assert_eq!(
            expression("0BSD AND Public-Domain").as_deref(),
            Some("0BSD AND LicenseRef-Public-Domain")
        );
        assert_eq!(unlisted.into_iter().collect::<Vec<_>>(), ["Public-Domain"]);
    }

    #[test]
    fn says_what_is_no_list() {
        for text in [
            "",
            "{}",
            r#"{"spdxVersion":"SPDX-2.3"}"#,
            r#"{"spdxVersion":"SPDX-2.3","packages":[{}]}"#,
        ] {
            assert!(versions(text).is_err(), "{text}");
        }
    }
}
