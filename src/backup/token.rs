//! The server's token: `K10<SHA-256 of the cluster's authority>::server:<password>`, as k3s writes it.
//! Source: k3s, `pkg/clientaccess/token.go` and `docs/cli/token.md`.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::verify::wrong;
use crate::error::Result;
use crate::vault::crypto::hex;

/// The token of a server.
pub struct Token {
    whole: Zeroizing<String>,
}

impl Token {
    pub fn parse(content: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(content).map_err(|_| wrong("its token is not text"))?;
        match text.trim() {
            "" => Err(wrong("its token is empty")),
            text => Ok(Self { whole: Zeroizing::new(text.to_owned()) }),
        }
    }

    fn secure(&self) -> Option<(&str, &str)> {
        self.whole.strip_prefix("K10")?.split_once("::")
    }

    /// What opens the bootstrap record: the password behind the user's name. Without the long form it is all of it.
    pub fn password(&self) -> &str {
        match self.secure() {
            Some((_, credentials)) => {
                credentials.split_once(':').map_or(credentials, |(_, password)| password)
            }
            None => &self.whole,
        }
    }

    /// What tells the password from another without giving it away: SHA-256, in lower-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.password()))
    }

    /// Compares the cluster's certificate with the hash in the token, and with what the node said.
    pub fn check_authority(&self, certificate: &[u8], cluster: &str) -> Result<()> {
        let hash = hex(&Sha256::digest(certificate));
        if hash != cluster {
            return Err(wrong("its certificate authority is not the one that INFO names"));
        }
        // With more than one authority in the file, the token has the hash of the root's alone.
        let count = String::from_utf8_lossy(certificate).matches("BEGIN CERTIFICATE").count();
        match self.secure() {
            Some((expected, _)) if count == 1 && expected != hash => {
                Err(wrong("its token belongs to another cluster's certificate authority"))
            }
            _ => Ok(()),
        }
    }
}
