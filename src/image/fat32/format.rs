//! A tree laid out as FAT32 in one go: every file lies in one piece, so nothing has to be searched for.

use std::collections::BTreeMap;

use super::names::{ENTRY, Names};
use super::time;
use super::{Fat32, wrong};
use crate::error::{Error, Result};
use crate::image::tree::{Content, Entry, Kind, Tree};
use crate::image::volume::{Holds, ReadAt, Volume};

const SECTOR: u64 = 512;
/// Fewer clusters would be FAT16.
const MIN_CLUSTERS: u64 = 65_525;
const FATS: u64 = 2;
/// Boot sector, file system information, and at 6 the copies of both.
const MIN_RESERVED: u64 = 32;
const BACKUP: usize = 6;
/// Contents start at a multiple of so many sectors, as flash likes it.
const ALIGNED: u64 = 8;
const ROOT: u32 = 2;
const END_OF_CHAIN: u32 = 0x0FFF_FFFF;
const MEDIA: u8 = 0xF8;

const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const LABEL: u8 = 0x08;

/// Where things are, in sectors and clusters.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    sectors: u64,
    reserved: u64,
    sectors_per_fat: u64,
    /// Bytes.
    cluster: u64,
    clusters: u64,
}

/// Something that has clusters: a directory or a file.
struct Item<'a> {
    path: &'a str,
    entry: &'a Entry,
    content: Option<&'a Content>,
    first: u32,
    clusters: u64,
}

pub(super) fn format(options: &Fat32, tree: &Tree) -> Result<Volume> {
    let geometry = Geometry::of(options.size);
    let items = place(tree, geometry.cluster)?;
    let used: u64 = items.iter().map(|item| item.clusters).sum();
    if used > geometry.clusters {
        return Err(too_small(options, used * geometry.cluster));
    }

    let mut volume = Volume::default();
    volume.push_bytes(reserved_area(options, &geometry, used));
    let fat = allocation_table(&items);
    for _ in 0..FATS {
        volume.push_bytes(fat.clone());
        volume.push(geometry.sectors_per_fat * SECTOR - fat.len() as u64, Holds::Zeros);
    }
    let firsts: BTreeMap<&str, u32> = items.iter().map(|item| (item.path, item.first)).collect();
    for item in &items {
        let end = volume.size() + item.clusters * geometry.cluster;
        match item.content {
            Some(content) => volume.push(content.len(), Holds::Content(content.clone(), 0)),
            None => volume.push_bytes(directory(options, tree, item, &firsts)?),
        }
        volume.push(end - volume.size(), Holds::Zeros);
    }
    volume.push(options.size - volume.size(), Holds::Free);
    Ok(volume)
}

impl Geometry {
    fn of(size: u64) -> Self {
        let sectors = size / SECTOR;
        // The largest clusters of which there are enough: they make the smallest tables.
        let per_cluster = [64, 32, 16, 8, 4, 2]
            .into_iter()
            .find(|per_cluster| sectors / per_cluster > MIN_CLUSTERS + MIN_CLUSTERS / 64)
            .unwrap_or(1);
        let sectors_per_fat = ((sectors / per_cluster + 2) * 4).div_ceil(SECTOR);
        let tables = FATS * sectors_per_fat;
        let reserved = (MIN_RESERVED + tables).next_multiple_of(ALIGNED) - tables;
        let clusters = (sectors - reserved - tables) / per_cluster;
        Self { sectors, reserved, sectors_per_fat, cluster: per_cluster * SECTOR, clusters }
    }
}

/// Gives each directory and file its clusters: directories first, then files, each in the order of their paths.
fn place(tree: &Tree, cluster: u64) -> Result<Vec<Item<'_>>> {
    let (directories, files): (Vec<_>, Vec<_>) =
        tree.iter().partition(|(_, entry)| entry.kind == Kind::Directory);
    let mut items = Vec::new();
    let mut next = ROOT;
    for (path, entry) in directories.into_iter().chain(files) {
        let content = content(tree, path, entry).map_err(|why| cannot(path, why))?;
        let bytes = match content {
            Some(content) => content.len(),
            None => directory_size(tree, path)?,
        };
        let clusters = bytes.div_ceil(cluster);
        let first = if clusters == 0 { 0 } else { next };
        items.push(Item { path, entry, content, first, clusters });
        // More than the volume has is noticed when all are counted.
        next = next.saturating_add(u32::try_from(clusters).unwrap_or(u32::MAX));
    }
    Ok(items)
}

/// The content of a file, or none for a directory.
fn content<'a>(
    tree: &'a Tree,
    path: &str,
    entry: &'a Entry,
) -> std::result::Result<Option<&'a Content>, &'static str> {
    let content = match &entry.kind {
        Kind::Directory => return Ok(None),
        Kind::File(content) => content,
        Kind::Hard(_) => tree.content(path).ok_or("the file it is another name of is not there")?,
        Kind::Link(_) => return Err("FAT has no symbolic links"),
        Kind::Character { .. } | Kind::Block { .. } | Kind::Fifo => {
            return Err("FAT has files and directories only");
        }
    };
    match u32::try_from(content.len()) {
        Ok(_) => Ok(Some(content)),
        Err(_) => Err("FAT has no files of 4 GiB and more"),
    }
}

/// Names and entries in a directory, in their order.
fn inside<'a>(tree: &'a Tree, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let skip = if path.is_empty() { 0 } else { path.len() + 1 };
    tree.below(path).filter_map(move |(below, _)| {
        let name = &below[skip..];
        (!name.contains('/')).then_some((below, name))
    })
}

fn directory_size(tree: &Tree, path: &str) -> Result<u64> {
    let mut names = Names::default();
    // The label, or the directory itself and the one above it.
    let mut entries = if path.is_empty() { 1 } else { 2 };
    for (below, name) in inside(tree, path) {
        let (_, long) = names.add(name).map_err(|why| cannot(below, why))?;
        entries += 1 + long.len() / ENTRY;
    }
    if entries > 65_536 {
        return Err(cannot(path, "FAT has no directories of more than 65536 entries"));
    }
    Ok((entries * ENTRY) as u64)
}

fn directory(
    options: &Fat32,
    tree: &Tree,
    item: &Item,
    firsts: &BTreeMap<&str, u32>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if item.path.is_empty() {
        bytes.extend(entry_bytes(&padded_label(&options.label), LABEL, item.entry.mtime, 0, 0));
    } else {
        let parent = item.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        // The root counts as cluster 0 here.
        let above = if parent.is_empty() { 0 } else { firsts[parent] };
        for (name, first) in [(b".          ", item.first), (b"..         ", above)] {
            bytes.extend(entry_bytes(name, DIRECTORY, item.entry.mtime, first, 0));
        }
    }
    let mut names = Names::default();
    for (below, name) in inside(tree, item.path) {
        let (short, long) = names.add(name).map_err(|why| cannot(below, why))?;
        bytes.extend(long);
        let Some(entry) = tree.get(below) else { continue };
        let size = tree.content(below).map_or(0, Content::len);
        let kind = if entry.kind == Kind::Directory { DIRECTORY } else { ARCHIVE };
        bytes.extend(entry_bytes(&short, kind, entry.mtime, firsts[below], size as u32));
    }
    Ok(bytes)
}

fn entry_bytes(name: &[u8; 11], attributes: u8, mtime: i64, first: u32, size: u32) -> [u8; ENTRY] {
    let (date, time) = time::words(mtime);
    let mut entry = [0; ENTRY];
    entry[..11].copy_from_slice(name);
    entry[11] = attributes;
    // Made, last read, last written.
    entry[14..16].copy_from_slice(&time.to_le_bytes());
    entry[16..18].copy_from_slice(&date.to_le_bytes());
    entry[18..20].copy_from_slice(&date.to_le_bytes());
    entry[20..22].copy_from_slice(&((first >> 16) as u16).to_le_bytes());
    entry[22..24].copy_from_slice(&time.to_le_bytes());
    entry[24..26].copy_from_slice(&date.to_le_bytes());
    entry[26..28].copy_from_slice(&(first as u16).to_le_bytes());
    entry[28..32].copy_from_slice(&size.to_le_bytes());
    entry
}

/// The table up to its last entry in use.
fn allocation_table(items: &[Item]) -> Vec<u8> {
    // The media byte, and: cleanly unmounted, no read errors.
    let mut chain: Vec<u32> = vec![0x0FFF_FF00 | u32::from(MEDIA), END_OF_CHAIN];
    for item in items.iter().filter(|item| item.clusters > 0) {
        let end = item.first + item.clusters as u32;
        chain.extend(item.first + 1..end);
        chain.push(END_OF_CHAIN);
    }
    chain.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn reserved_area(options: &Fat32, geometry: &Geometry, used: u64) -> Vec<u8> {
    let mut area = vec![0; (geometry.reserved * SECTOR) as usize];
    let boot = boot_sector(options, geometry);
    let information = information_sector(geometry, used);
    for (sector, bytes) in [(0, boot), (1, information), (BACKUP, boot), (BACKUP + 1, information)]
    {
        let at = sector * SECTOR as usize;
        area[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    area
}

fn boot_sector(options: &Fat32, geometry: &Geometry) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xEB, 0x58, 0x90]);
    put(3, b"PIRUN   ");
    put(11, &(SECTOR as u16).to_le_bytes());
    put(13, &[(geometry.cluster / SECTOR) as u8]);
    put(14, &(geometry.reserved as u16).to_le_bytes());
    put(16, &[FATS as u8]);
    put(21, &[MEDIA]);
    // Tracks and heads, for those who still count in them.
    put(24, &63u16.to_le_bytes());
    put(26, &255u16.to_le_bytes());
    put(32, &(geometry.sectors as u32).to_le_bytes());
    put(36, &(geometry.sectors_per_fat as u32).to_le_bytes());
    put(44, &ROOT.to_le_bytes());
    put(48, &1u16.to_le_bytes());
    put(50, &(BACKUP as u16).to_le_bytes());
    put(64, &[0x80, 0, 0x29]);
    put(67, &options.volume_id.to_le_bytes());
    put(71, &padded_label(&options.label));
    put(82, b"FAT32   ");
    put(510, &[0x55, 0xAA]);
    sector
}

fn information_sector(geometry: &Geometry, used: u64) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RRaA");
    put(484, b"rrAa");
    put(488, &((geometry.clusters - used) as u32).to_le_bytes());
    // Where to look for a free cluster.
    put(492, &(used as u32 + ROOT - 1).to_le_bytes());
    put(510, &[0x55, 0xAA]);
    sector
}

fn padded_label(label: &str) -> [u8; 11] {
    let mut padded = [b' '; 11];
    padded[..label.len()].copy_from_slice(label.as_bytes());
    padded
}

fn cannot(path: &str, why: &str) -> Error {
    wrong(format!("/{path} cannot be put into the boot partition: {why}"))
}

fn too_small(options: &Fat32, needed: u64) -> Error {
    wrong(format!(
        "the boot files do not fit into {} MiB: they take {} MiB",
        options.size >> 20,
        needed.div_ceil(1 << 20)
    ))
    .hint("Give the boot partition more room, or put fewer files into it.")
}
