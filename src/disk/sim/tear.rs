//! What a power cut may leave of bytes and names that were not synced.

use rand::RngCore;
use rand::rngs::StdRng;

use super::{Content, Names};

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// How a power cut treats what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// All of it is gone.
    Lost,
    /// All of it is there: only the process died.
    Kept,
    /// Each file keeps its unsynced bytes up to an arbitrary one.
    Byte,
    /// Each 512-byte sector was written or reads as zeros.
    Sector,
    /// Each 4 KiB page was written or reads as zeros.
    Page,
    /// Everything was written but one sector, which reads as zeros.
    SectorHole,
    /// Everything was written but one page, which reads as zeros.
    PageHole,
    /// Each page was written or holds what somebody else left there.
    Noise,
}

impl Tear {
    /// Every kind, for tests that try them all.
    pub const ALL: [Tear; 8] = [
        Tear::Lost,
        Tear::Kept,
        Tear::Byte,
        Tear::Sector,
        Tear::Page,
        Tear::SectorHole,
        Tear::PageHole,
        Tear::Noise,
    ];

    /// Leaves of the pending names none, all or the first few, as a journaling file system does.
    pub(super) fn names(self, rng: &mut StdRng, names: &mut Names) {
        let pending = std::mem::take(&mut names.pending);
        let keep = match self {
            Tear::Lost => 0,
            Tear::Kept => pending.len(),
            _ => below(rng, pending.len() + 1),
        };
        for change in &pending[..keep] {
            change.apply(&mut names.durable);
        }
        names.now = names.durable.clone();
    }

    /// Leaves of the unsynced bytes of a file what this kind of cut leaves.
    pub(super) fn content(self, rng: &mut StdRng, file: &mut Content) {
        let base = file.dirty_from;
        let was_cut = base < file.durable.len();
        let forget = match self {
            Tear::Lost => true,
            Tear::Kept => false,
            // An unsynced cut may or may not have reached the platter.
            _ => was_cut && below(rng, 2) == 0,
        };
        if !forget && (was_cut || base < file.now.len()) {
            let torn = self.tail(rng, base, &file.now[base..]);
            file.durable.truncate(base);
            file.durable.extend_from_slice(&torn);
        }
        file.now = file.durable.clone();
        file.dirty_from = file.now.len();
    }

    /// The unsynced `tail` of a file, which starts at offset `base`, after the cut.
    fn tail(self, rng: &mut StdRng, base: usize, tail: &[u8]) -> Vec<u8> {
        let mut out = tail.to_vec();
        match self {
            Tear::Lost => out.clear(),
            Tear::Kept => {}
            Tear::Byte => out.truncate(below(rng, tail.len() + 1)),
            Tear::Sector => drop_blocks(rng, base, &mut out, SECTOR, false),
            Tear::Page => drop_blocks(rng, base, &mut out, PAGE, false),
            Tear::Noise => drop_blocks(rng, base, &mut out, PAGE, true),
            Tear::SectorHole => one_hole(rng, base, &mut out, SECTOR),
            Tear::PageHole => one_hole(rng, base, &mut out, PAGE),
        }
        out
    }
}

fn below(rng: &mut StdRng, bound: usize) -> usize {
    (rng.next_u64() % (bound as u64).max(1)) as usize
}

/// The blocks of the file that `tail` touches, as ranges within `tail`.
fn blocks(base: usize, len: usize, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let first = base / size;
    let last = (base + len).div_ceil(size);
    (first..last).map(move |b| (b * size).max(base) - base..((b + 1) * size).min(base + len) - base)
}

fn drop_blocks(rng: &mut StdRng, base: usize, out: &mut Vec<u8>, size: usize, noise: bool) {
    for block in blocks(base, out.len(), size).collect::<Vec<_>>() {
        if below(rng, 2) == 0 {
            out[block.clone()].fill(0);
            if noise {
                rng.fill_bytes(&mut out[block]);
            }
        }
    }
    // The length is metadata of its own: it may have stayed behind.
    if below(rng, 2) == 0 {
        out.truncate(below(rng, out.len() + 1));
    }
}

fn one_hole(rng: &mut StdRng, base: usize, out: &mut [u8], size: usize) {
    let all: Vec<_> = blocks(base, out.len(), size).collect();
    if !all.is_empty() {
        let hole = all[below(rng, all.len())].clone();
        out[hole].fill(0);
    }
}
