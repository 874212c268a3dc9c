//! Wanted and found: what the verbs of a playbook compare, show and put right.

mod attributes;
mod authorized_key;
mod boot;
mod change;
mod directory;
mod facts;
mod file;
mod hostname;
mod line;
mod mount;
mod node;
mod packages;
mod reboot;
mod service;
mod transfer;
mod undo;
mod user;
mod writable;

pub use attributes::Attributes;
pub use authorized_key::AuthorizedKey;
pub use boot::{ConfigTxt, KernelArgs, Setting};
pub use change::{Action, Aspect, Change};
pub use directory::{Absent, Directory, Link};
pub use facts::{Disk, Facts, disk};
pub use file::{File, sha256};
pub use hostname::Hostname;
pub use line::Line;
pub use mount::{Mount, MountState};
pub use node::{Ask, Node, Wanted};
pub use packages::{KeptPackages, Packages};
pub use reboot::reboot;
pub use service::{Service, ServiceState};
pub use transfer::{Progress, Upload, download, hash_file};
pub use undo::Undo;
pub use user::User;
pub use writable::{finish_stopped, finish_writable, start_stopped, start_writable};
