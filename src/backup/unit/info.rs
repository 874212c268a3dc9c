//! The entry `INFO`: lines of a key and a value, which say what a unit holds and where it comes from.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Result;

use super::refused;

/// The only format so far.
const FORMAT: &str = "1";

/// Where a unit comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The node's name in the inventory.
    pub node: String,
    /// When it was taken, in seconds since 1970 by the operator's clock: a Pi has none that goes on without power.
    pub taken: i64,
    /// As Alpine names architectures: `aarch64`.
    pub arch: String,
    pub kind: Kind,
}

/// What a unit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Files and directories of any node that its user named, below `data/`.
    Paths,
    /// A control plane.
    Server {
        /// The version of k3s, as `k3s --version` has it: `v1.34.2+k3s1`. Empty if it could not be told.
        k3s: String,
        method: Method,
        /// SHA-256 of `server-ca.crt` in lower-case hexadecimal: what tells a cluster from others, and what its tokens have
        /// behind `K10`.
        cluster: String,
        /// The last revision that was committed before the snapshot began; 0 if the node could not tell.
        max_id: i64,
    },
}

/// How the datastore was copied while k3s writes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `VACUUM INTO` by `sqlite3`: k3s goes on.
    Vacuum,
    /// k3s stands still for as long as a copy takes.
    Freeze,
    /// k3s is stopped.
    Stop,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Vacuum => "vacuum",
            Self::Freeze => "freeze",
            Self::Stop => "stop",
        }
    }

    /// The method of that [name](Self::name).
    pub fn named(name: &str) -> Option<Self> {
        [Self::Vacuum, Self::Freeze, Self::Stop].into_iter().find(|method| method.name() == name)
    }
}

impl Info {
    /// Reads the entry's content.
    ///
    /// # Errors
    /// Another format; a line that is missing, unknown, said twice or not what it should be.
    pub fn parse(text: &str) -> Result<Self> {
        let mut fields = BTreeMap::new();
        for line in text.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            if fields.insert(key, value).is_some() {
                return Err(refused(format!("INFO says `{key}` twice")));
            }
        }
        let mut fields = Fields(fields);
        match fields.take("format")? {
            FORMAT => {}
            other => {
                return Err(refused(format!(
                    "it has format {other}, which this pirun does not know"
                ))
                .hint("Update pirun."));
            }
        }
        let kind = match fields.take("kind")? {
            "paths" => Kind::Paths,
            "server" => fields.server()?,
            other => return Err(refused(format!("it is of the unknown kind `{other}`"))),
        };
        let node = fields.take("node")?.to_owned();
        let (taken, arch) = (fields.number("taken")?, fields.take("arch")?.to_owned());
        match fields.0.keys().next() {
            Some(key) => Err(refused(format!("INFO has an unknown line `{key}`"))),
            None => Ok(Self { node, taken, arch, kind }),
        }
    }
}

struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn take(&mut self, key: &str) -> Result<&'a str> {
        self.0.remove(key).ok_or_else(|| refused(format!("INFO does not say `{key}`")))
    }

    /// A number, 0 or more.
    fn number(&mut self, key: &str) -> Result<i64> {
        let value = self.take(key)?;
        let number = value.parse().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| refused(format!("INFO says `{key} {value}`, which is no number")))
    }

    fn server(&mut self) -> Result<Kind> {
        let method = self.take("method")?;
        let cluster = self.take("cluster")?.to_owned();
        if cluster.len() != 64 || !cluster.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refused("INFO has no SHA-256 for `cluster`"));
        }
        Ok(Kind::Server {
            k3s: self.take("k3s")?.to_owned(),
            method: Method::named(method)
                .ok_or_else(|| refused(format!("INFO names the unknown method `{method}`")))?,
            cluster,
            max_id: self.number("max-id")?,
        })
    }
}

/// The entry's content, as [`Info::parse`] reads it.
impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, taken, arch, kind } = self;
        writeln!(f, "format {FORMAT}")?;
        match kind {
            Kind::Paths => writeln!(f, "kind paths")?,
            Kind::Server { .. } => writeln!(f, "kind server")?,
        }
        writeln!(f, "node {node}\ntaken {taken}\narch {arch}")?;
        match kind {
            Kind::Paths => Ok(()),
            Kind::Server { k3s, method, cluster, max_id } => {
                writeln!(f, "k3s {k3s}\nmethod {}", method.name())?;
                writeln!(f, "cluster {cluster}\nmax-id {max_id}")
            }
        }
    }
}
