//! Alpine packages of format 2 and repositories of them, signed with keys made here: what apk checks on a real node, it
//! checks with these.

mod archive;
mod info;
mod package;
mod repository;
mod sign;

pub use info::Info;
pub use package::{Content, Entry, Package, base64};
pub use repository::write_repository;
pub use sign::Signer;
