//! Paths below a log: those of C2SP `tlog-tiles`, and what anchors gave. Of the former: `tile/<L>/<N>[.p/<W>]`, numbers in groups of three digits, all but the last after an `x`.

use std::fmt;
use std::ops::Range;

/// Hashes or entries in a full tile.
pub const TILE_WIDTH: u64 = 256;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileKind {
    /// Hashes of level `8 · L` of the tree; L is 0 to 7, which is more than any log needs.
    Hashes(u8),
    /// Leaves.
    Entries,
}

/// One tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    pub kind: TileKind,
    /// Its place in its level.
    pub number: u64,
    /// 1 to 256.
    pub width: u64,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Checkpoint,
    Tile(Tile),
    /// The newest receipt of each anchor.
    Anchors,
    /// A file of one receipt.
    Receipt(u64, ReceiptFile),
}

/// A file of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptFile {
    /// The checkpoint as it was shown; of a witness, with its cosignature.
    Checkpoint,
    /// An RFC 3161 token.
    Token,
    /// What a command printed, or a file's name.
    Text,
}

impl Resource {
    /// Reads a path below the log's own; only the one spelling of each.
    pub fn parse(path: &str) -> Option<Resource> {
        if path == "checkpoint" {
            return Some(Resource::Checkpoint);
        }
        if path == "anchors" {
            return Some(Resource::Anchors);
        }
        if let Some((number, ending)) = path.strip_prefix("anchors/").and_then(|file| file.split_once('.')) {
            let file = match ending {
                "checkpoint" => ReceiptFile::Checkpoint,
                "tst" => ReceiptFile::Token,
                "txt" => ReceiptFile::Text,
                _ => return None,
            };
            let read: u64 = number.parse().ok()?;
            return (format!("{read:08}") == number).then_some(Resource::Receipt(read, file));
        }
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().ok().filter(|level| *level < 8)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|w| (1..TILE_WIDTH).contains(w))?),
            None => (rest, TILE_WIDTH),
        };
        let groups: Vec<&str> = number.split('/').map(|group| group.trim_start_matches('x')).collect();
        if groups.len() > 6 || groups.iter().any(|g| g.len() != 3 || !g.bytes().all(|b| b.is_ascii_digit())) {
            return None;
        }
        let tile = Tile { kind, number: groups.concat().parse().ok()?, width };
        (tile.to_string() == path).then_some(Resource::Tile(tile))
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => f.write_str("tile/entries/")?,
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.number % 1_000];
        let mut rest = self.number / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl Tile {
    /// The places of its hashes or entries in their level, in a tree of `size` entries; none when it is not all there.
    pub fn range(&self, size: u64) -> Option<Range<u64>> {
        let there = match self.kind {
            TileKind::Hashes(level) => size >> (8 * u32::from(level)),
            TileKind::Entries => size,
        };
        let start = self.number.checked_mul(TILE_WIDTH)?;
        let end = start.checked_add(self.width)?;
        (end <= there).then_some(start..end)
    }

    /// Every tile of a tree of `size` entries, full ones and those at its edge: hashes level by level, then leaves.
    pub fn all(size: u64) -> impl Iterator<Item = Tile> {
        let levels = (0..8u8).map(move |level| (TileKind::Hashes(level), size >> (8 * u32::from(level))));
        levels.chain([(TileKind::Entries, size)]).flat_map(|(kind, there)| {
            (0..there.div_ceil(TILE_WIDTH)).map(move |number| {
                let width = (there - number * TILE_WIDTH).min(TILE_WIDTH);
                Tile { kind, number, width }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        // The example of C2SP tlog-tiles: 1234067 is x001/x234/067.
        let tile = Tile { kind: TileKind::Hashes(0), number: 1_234_067, width: 256 };
        assert_eq!(tile.to_string(), "tile/0/x001/x234/067");
        let edge = Tile { kind: TileKind::Entries, number: 273, width: 112 };
        assert_eq!(edge.to_string(), "tile/entries/273.p/112");
        for tile in [tile, edge, Tile { kind: TileKind::Hashes(3), number: 0, width: 1 }] {
            assert_eq!(Resource::parse(&tile.to_string()), Some(Resource::Tile(tile)));
        }
        for wrong in [
            "",
            "tile",
            "tile/0",
            "tile/0/1",
            "tile/0/0001",
            "tile/0/x000/001",
            "tile/8/000",
            "tile/00/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/001/002",
            "tile/data/000",
            "tile/0/000/",
            "checkpoint/",
            "tile/-1/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Resource::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn receipts_have_one_spelling_each() {
        assert_eq!(Resource::parse("anchors"), Some(Resource::Anchors));
        let token = Resource::Receipt(12, ReceiptFile::Token);
        assert_eq!(Resource::parse("anchors/00000012.tst"), Some(token));
        for wrong in
            ["anchors/", "anchors/12.tst", "anchors/00000012", "anchors/00000012.exe", "anchors/+0000012.txt"]
        {
            assert_eq!(Resource::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tile_is_there_when_all_of_it_is_covered() {
        let tile = |level, number, width| Tile { kind: TileKind::Hashes(level), number, width };
        assert_eq!(tile(0, 0, 256).range(256), Some(0..256));
        assert_eq!(tile(0, 0, 256).range(255), None);
        assert_eq!(tile(0, 1, 44).range(300), Some(256..300));
        assert_eq!(tile(1, 0, 1).range(256), Some(0..1));
        assert_eq!(tile(1, 0, 1).range(255), None);
        assert_eq!(tile(0, u64::MAX, 256).range(u64::MAX), None);
    }
}
