//! The whole log as C2SP `tlog-tiles` lays it out: what anybody's tools read, from a folder or any web server.

use std::io::Write;

use super::ExportError;
use super::bundle::archive::Archive;
use super::bundle::format::names;
use super::run::Export;
use crate::store::embedded::Books;
use crate::tiles::{Tile, bytes_of};

/// Writes `checkpoint`, every hash tile and every entry bundle under it as one tar file; answers how many entries that are.
/// Memory: one tile.
pub fn write(export: &Export, books: &Books, to: &mut impl Write) -> Result<u64, ExportError> {
    let (checkpoint, mut archive) = (export.checkpoint(), Archive::new(to));
    archive.put(names::CHECKPOINT, checkpoint.note().as_bytes())?;
    for tile in Tile::all(checkpoint.size()) {
        let bytes = bytes_of(books, &tile, checkpoint.size())?;
        let bytes = bytes.ok_or_else(|| ExportError::Entry(format!("{tile} is not there")))?;
        archive.put(&tile.to_string(), &bytes)?;
    }
    archive.end()?;
    Ok(checkpoint.size())
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use crate::export::bundle::archive::Parts;
    use crate::export::testing::World;
    use crate::export::{Export, Format, Request};
    use crate::ledger::checkpoint::SignedCheckpoint;
    use crate::ledger::entry::{Leaf, leaf_hash};
    use crate::ledger::tree::Edge;

    #[test]
    fn the_whole_log_unpacks_into_tiles_that_lead_to_the_signed_root() {
        let mut world = World::with_story();
        for n in 0..300u16 {
            let id =
                crate::model::SubjectId([[9, 0], n.to_be_bytes()].concat().repeat(4).try_into().expect("16"));
            world.person(id, &format!("1212555{n:04}"), "main", 3);
        }
        world.sign();
        let brand = "main".parse().expect("a slug");
        let export = Export::plan(&world.reader, &world.books, Request::brand(brand, Format::Tiles));
        let (export, mut tar) = (export.expect("planned"), Vec::new());
        let keep = |piece: Vec<u8>| {
            tar.extend(piece);
            Ok(())
        };
        let summary = export.run(&world.reader, &world.books, 0, keep).expect("made");
        assert_eq!(summary.sha256, <[u8; 32]>::from(Sha256::digest(&tar)));
        let mut parts = Parts::new(tar.as_slice(), 1 << 20);
        let (mut head, mut hashes, mut edge) = (None, Vec::new(), Edge::new());
        let mut names = Vec::new();
        while let Some((name, content)) = parts.next_part().expect("a tar") {
            if name == "checkpoint" {
                let note = String::from_utf8(content).expect("text");
                let keys = [world.books.verifier().clone()];
                head = Some(SignedCheckpoint::verify(&note, &keys).expect("signed"));
            } else if name.starts_with("tile/0/") {
                hashes.extend(content.chunks(32).map(<[u8]>::to_vec));
            } else if name.starts_with("tile/entries/") {
                let mut rest = content.as_slice();
                while let Some((length, after)) = rest.split_first_chunk::<2>() {
                    let (leaf, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
                    assert!(Leaf::decode(leaf).is_ok());
                    let hash = leaf_hash(leaf);
                    assert_eq!(hash.0.as_slice(), hashes[edge.size() as usize], "{name}");
                    edge.push(hash, |_| {});
                    rest = after;
                }
            }
            names.push(name);
        }
        let head = head.expect("a checkpoint");
        assert!(head.size() > 512, "more than one tile");
        assert_eq!((edge.size(), edge.root()), (head.size(), head.root()));
        assert_eq!((summary.rows, hashes.len() as u64), (head.size(), head.size()));
        for name in ["tile/0/000", "tile/1/000.p/", "tile/entries/001"] {
            assert!(names.iter().any(|n| n.starts_with(name)), "{name} in {names:?}");
        }
    }
}
