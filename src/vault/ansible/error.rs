use crate::error::{Error, ErrorKind};
use crate::vault::yaml::YamlError;

/// Why a file of ansible-vault cannot be imported. Shows nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnsibleError {
    #[error("there is nothing of ansible-vault in it")]
    NothingSealed,
    #[error("format {0} of ansible-vault is not read")]
    Version(String),
    #[error("damaged: {0}")]
    Damaged(&'static str),
    #[error("none of the passwords opens it{}, or it was altered", id_shown(.id.as_deref()))]
    WrongPassword { id: Option<String> },
    #[error("{0}")]
    Yaml(#[from] YamlError),
    #[error("`{name}`: {error}")]
    Value { name: String, error: Box<AnsibleError> },
    #[error("`{0}` cannot be a name in the vault")]
    BadName(String),
    #[error("the name `{0}` comes out twice")]
    SameName(String),
}

fn id_shown(id: Option<&str>) -> String {
    id.map(|id| format!(" (vault id `{id}`)")).unwrap_or_default()
}

impl AnsibleError {
    /// The error with the file that it is about.
    pub fn in_file(self, file: &std::path::Path) -> Error {
        let hint = self.hint();
        let error = Error::new(ErrorKind::Vault, format!("{}: {self}", file.display()));
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NothingSealed => Some(
                "A sealed file begins with `$ANSIBLE_VAULT;`; in a YAML file, sealed values have the tag `!vault`.",
            ),
            Self::Version(_) => {
                Some("Run `ansible-vault rekey` on it first: that writes format 1.1 or 1.2.")
            }
            Self::WrongPassword { .. } => Some(
                "ansible-vault cannot tell a wrong password from a damaged file. \
                 Give several passwords as `--ansible-vault-id ID@FILE`.",
            ),
            Self::BadName(_) => Some("Names are 1 to 128 of the characters A-Z a-z 0-9 . _ / -"),
            Self::Value { error, .. } => error.hint(),
            _ => None,
        }
    }
}
