//! Paths of the image by pattern.

use globset::GlobBuilder;

use super::Rootfs;
use crate::error::{Error, Result};

impl Rootfs {
    /// The paths that `pattern` names, sorted, with a leading slash. `*` and `?` do not cross a `/`, `**` does. A path
    /// without such signs is followed through links, and named when there is something.
    ///
    /// # Errors
    /// When the pattern is wrong.
    pub fn glob(&self, pattern: &str) -> Result<Vec<String>> {
        if !pattern.contains(['*', '?', '[', '{']) {
            let there = self.exists(pattern)?;
            return Ok(there.then(|| pattern.to_owned()).into_iter().collect());
        }
        let glob =
            GlobBuilder::new(pattern.trim_start_matches('/')).literal_separator(true).build();
        let glob = glob
            .map_err(|error| {
                Error::playbook(format!("`{pattern}` is not a pattern")).detail(error.to_string())
            })?
            .compile_matcher();
        let paths = self.tree.iter().map(|(path, _)| path).filter(|path| !path.is_empty());
        Ok(paths.filter(|path| glob.is_match(path)).map(|path| format!("/{path}")).collect())
    }
}
