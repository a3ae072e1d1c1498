//! The container: an uncompressed POSIX tar of plain files, with every byte of it determined by names and contents.
//!
//! Mode 0644, owner 0, time 0, no extensions, zero padding, two zero blocks at the end. The reader takes nothing
//! else, so that no bit of a bundle is free to differ.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::format::{Manifest, Part, json, names};

/// A tar file is made of blocks of this size.
const BLOCK: usize = 512;

/// The one header of a part.
fn header(name: &str, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK as u64) - size) as usize
}

/// Writes parts one after another.
pub struct Archive<W: Write> {
    to: W,
    parts: Vec<Part>,
}

impl<W: Write> Archive<W> {
    /// An empty archive.
    pub fn new(to: W) -> Archive<W> {
        Archive { to, parts: Vec::new() }
    }

    /// Adds a part.
    pub fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.put(name, content)?;
        let sha256 = hex::encode(Sha256::digest(content));
        self.parts.push(Part { name: name.to_owned(), bytes: content.len() as u64, sha256 });
        Ok(())
    }

    /// Adds a file that no manifest will list.
    pub fn put(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let size = content.len() as u64;
        self.to.write_all(header(name, size)?.as_bytes())?;
        self.to.write_all(content)?;
        self.to.write_all(&[0; BLOCK][..padding(size)])
    }

    /// Adds the manifest and ends the archive.
    pub fn finish(mut self, mut manifest: Manifest) -> io::Result<()> {
        manifest.parts = std::mem::take(&mut self.parts);
        self.put(names::MANIFEST, &json(&manifest))?;
        self.end()
    }

    /// Ends the archive as it is, without a manifest.
    pub fn end(mut self) -> io::Result<()> {
        self.to.write_all(&[0; 2 * BLOCK])
    }
}

/// Why bytes are not an archive of ours.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// They could not be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// They do not follow the form.
    #[error("byte {at}: {why}")]
    Form {
        /// Where, from the beginning of the file.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A part is larger than any we write.
    #[error("byte {at}: part {name:?} has {size} bytes, more than a bundle's parts may have")]
    TooLarge {
        /// Where.
        at: u64,
        /// Which.
        name: String,
        /// How large.
        size: u64,
    },
}

/// Reads parts one after another; refuses every byte the writer would not have written.
pub struct Parts<R: Read> {
    from: R,
    at: u64,
    part_max: u64,
}

impl<R: Read> Parts<R> {
    /// Reads an archive whose parts have at most `part_max` bytes.
    pub fn new(from: R, part_max: u64) -> Parts<R> {
        Parts { from, at: 0, part_max }
    }

    /// The next part; nothing at a proper end.
    pub fn next_part(&mut self) -> Result<Option<(String, Vec<u8>)>, ArchiveError> {
        let at = self.at;
        let block = self.take(BLOCK as u64)?;
        if block.iter().all(|b| *b == 0) {
            return self.end().map(|()| None);
        }
        let form = |why| ArchiveError::Form { at, why };
        let block: [u8; BLOCK] = block.try_into().map_err(|_| form("a header is cut short"))?;
        let read = Header::from_byte_slice(&block);
        let size = read.entry_size().map_err(|_| form("a header without a size"))?;
        let name = read.path_bytes().into_owned();
        let name = String::from_utf8(name).map_err(|_| form("a name that is not UTF-8"))?;
        let same = header(&name, size).is_ok_and(|h| h.as_bytes() == &block);
        if !same {
            return Err(form("a header that differs from the one form allowed"));
        }
        if size > self.part_max {
            return Err(ArchiveError::TooLarge { at, name, size });
        }
        let content = self.take(size)?;
        let at = self.at;
        if self.take(padding(size) as u64)?.iter().any(|b| *b != 0) {
            return Err(ArchiveError::Form { at, why: "padding that is not zero" });
        }
        Ok(Some((name, content)))
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        let at = self.at;
        if self.take(BLOCK as u64)?.iter().any(|b| *b != 0) {
            return Err(ArchiveError::Form { at, why: "the end is not two blocks of zeros" });
        }
        let at = self.at;
        match self.from.read(&mut [0; 1])? {
            0 => Ok(()),
            _ => Err(ArchiveError::Form { at, why: "something follows the end" }),
        }
    }

    fn take(&mut self, len: u64) -> Result<Vec<u8>, ArchiveError> {
        // At most `part_max`; what a header claims and the file does not hold is never touched.
        let mut bytes = Vec::with_capacity(len as usize);
        (&mut self.from).take(len).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        if bytes.len() as u64 == len {
            Ok(bytes)
        } else {
            Err(ArchiveError::Form { at: self.at, why: "the file ends here; it was cut short" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.add("bundle.json", b"{}\n").expect("memory");
        archive.add("policy/aa.json", &[7; 600]).expect("memory");
        archive.finish(Manifest::new()).expect("memory");
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
        let mut parts = Parts::new(bytes, 1 << 20);
        let mut all = Vec::new();
        while let Some(part) = parts.next_part()? {
            all.push(part);
        }
        Ok(all)
    }

    #[test]
    fn any_tar_reads_it_and_so_do_we() {
        let bytes = sample();
        let ours = read(&bytes).expect("our own");
        let mut tar = tar::Archive::new(bytes.as_slice());
        let theirs = tar.entries().expect("a tar").map(|entry| {
            let mut entry = entry.expect("a part");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            (entry.path().expect("a name").display().to_string(), content)
        });
        assert_eq!(ours, theirs.collect::<Vec<_>>());
        assert_eq!(ours.len(), 3);
    }

    #[test]
    fn every_flipped_bit_is_an_error_or_in_a_content() {
        let (bytes, sound) = (sample(), read(&sample()).expect("our own"));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            if let Ok(parts) = read(&other) {
                assert_ne!(parts, sound, "bit {bit} is free");
            }
        }
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "cut at {len}");
        }
        assert!(read(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}
