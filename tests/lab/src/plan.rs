//! How a node comes to be: what it is made like, its own files, its medium.

use std::ffi::CString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, mount};

use crate::cache::Cache;
use crate::card::Card;
use crate::cgroup::Cgroup;
use crate::fast::Overlay;
use crate::lab::Lab;
use crate::medium::Medium;
use crate::namespaces::inside;
use crate::node::Node;
use crate::supply::Parts;
use crate::uboot_env::ByteOrder;
use crate::userland::Layout;
use crate::{card_image, dropbear, hub, ssh, tree};

/// A node to be. [`fast`](Self::fast) or [`card`](Self::card) makes it.
pub struct NodePlan<'a> {
    lab: &'a Lab,
    name: &'a str,
    layout: Layout,
    authorized: bool,
    order: ByteOrder,
    data_mib: Option<u32>,
}

/// A medium, and the public half of the host key that is on it.
type Furnished = (Box<dyn Medium>, String);

impl<'a> NodePlan<'a> {
    pub(crate) fn new(lab: &'a Lab, name: &'a str) -> Self {
        Self {
            lab,
            name,
            layout: Layout::default(),
            authorized: true,
            order: ByteOrder::default(),
            data_mib: None,
        }
    }

    /// Which images the node's was built like.
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// The original's layout: `/etc/conf.d/k3s` is a file on the read-only root.
    pub fn seed_layout(self) -> Self {
        self.layout(Layout::Seed)
    }

    /// Nobody's key may log in yet, only root's password (`alpine`).
    pub fn without_key(mut self) -> Self {
        self.authorized = false;
        self
    }

    /// In which byte order the card's boot loader takes the CRC of `uboot.dat`; the other one is damage to it.
    pub fn crc_order(mut self, order: ByteOrder) -> Self {
        self.order = order;
        self
    }

    /// How large `/data` of a fast node is, in MiB, to be able to fill it. (A card's has 128.)
    pub fn data_mib(mut self, size: u32) -> Self {
        self.data_mib = Some(size);
        self
    }

    /// Starts it as a fast node; it answers SSH when this returns.
    pub fn fast(self) -> Result<Node> {
        self.start(|dir, address| {
            let data = dir.join("data");
            if let Some(size) = self.data_mib {
                fs::create_dir(&data)?;
                let options = CString::new(format!("mode=0755,size={size}m"))?;
                mount("data", &data, "tmpfs", MountFlags::empty(), options.as_c_str())?;
            }
            let host_key = self.furnish(&data, address)?;
            let userland = &self.lab.userland;
            let mut layers = vec![userland.overlay(), userland.root()];
            if self.layout == Layout::Seed {
                layers.insert(0, userland.seed());
            }
            if self.lab.run_state.is_some() {
                layers.insert(0, userland.warm());
            }
            Ok((Box::new(Overlay::create(dir, layers, self.lab.run_state.clone())?), host_key))
        })
    }

    /// Starts it with an SD card of its own; it answers SSH when this returns.
    pub fn card(self) -> Result<Node> {
        let template = card_image::template(&Cache::open()?, &self.lab.userland, self.layout)?;
        self.start(|dir, address| {
            let card = Card::create(&template, dir, self.order)?;
            let host_key = card.with_data(|data| self.furnish(data, address))?;
            Ok((Box::new(card), host_key))
        })
    }

    /// Starts it with an SD card that has the content of a card image (not compressed) that pirun built for this
    /// machine's architecture; it answers SSH when this returns. Its boot partition is empty and holds ext4, which the
    /// image's `/etc/fstab` has to say. An address, the lab's keys, and a host key if there is none, go to `/data`.
    pub fn card_of(self, image: &Path) -> Result<Node> {
        self.start(|dir, address| {
            let card = Card::of_image(image, dir, self.order)?;
            let host_key = card.with_data(|data| self.connect(data, address))?;
            Ok((Box::new(card), host_key))
        })
    }

    fn start(
        &self,
        medium: impl FnOnce(&Path, Ipv4Addr) -> Result<Furnished> + Send,
    ) -> Result<Node> {
        check_name(self.name)?;
        let lab = self.lab;
        ensure!(!lab.lock_nodes().contains_key(self.name), "{} is in this lab already", self.name);
        let address = lab.next_address();
        let dir = lab.hub().disks().join(self.name);
        let (medium, host_key) = inside(&[lab.hub().mounts()], || {
            fs::create_dir(&dir).with_context(|| format!("create {}", dir.display()))?;
            medium(&dir, address)
        })?;
        let node = Node::start(Parts {
            name: self.name.to_owned(),
            address,
            host_key,
            dir,
            hub: lab.hub().clone(),
            medium,
            cgroup: Cgroup::create(&lab.id(), self.name),
        })?;
        {
            let mut nodes = lab.lock_nodes();
            lab.operator.add(&node)?;
            nodes.insert(self.name.to_owned(), node.clone());
        }
        node.wait_up()?;
        Ok(node)
    }

    /// Makes the content of the node's data partition; its host key's public half.
    fn furnish(&self, data: &Path, address: Ipv4Addr) -> Result<String> {
        let userland = &self.lab.userland;
        tree::copy(&userland.data(), data)?;
        self.connect(data, address)
    }

    /// Lets the node be found on the network, and logged in to; its host key's public half.
    fn connect(&self, data: &Path, address: Ipv4Addr) -> Result<String> {
        let userland = &self.lab.userland;
        tree::write(&data.join("etc/hostname"), format!("{}\n", self.name), 0o644)?;
        tree::write(&data.join("etc/network/interfaces"), interfaces(address), 0o644)?;
        if self.authorized {
            tree::write(
                &data.join("root/.ssh/authorized_keys"),
                self.lab.authorized_keys(),
                0o600,
            )?;
        }
        // Where an image has OpenSSH, its data partition has this directory.
        if data.join("etc/ssh").is_dir() {
            return ssh::make_host_key(&data.join("etc/ssh/ssh_host_ed25519_key"));
        }
        dropbear::make_host_key(
            &userland.root(),
            &data.join("etc/dropbear/dropbear_ed25519_host_key"),
        )
    }
}

fn interfaces(address: Ipv4Addr) -> String {
    let (prefix, gateway) = (hub::PREFIX, hub::ADDRESS);
    format!(
        "auto lo\niface lo inet loopback\n\n\
         auto eth0\niface eth0 inet static\n\taddress {address}/{prefix}\n\tgateway {gateway}\n"
    )
}

fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        !name.is_empty() && name.len() <= 63 && name.chars().all(good),
        "a node's name is made of a-z, 0-9 and -, not {name:?}"
    );
    Ok(())
}
