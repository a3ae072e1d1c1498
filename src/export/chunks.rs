//! The stream of an export: pieces of at most 64 KiB, a running hash, and a beginning that may be left out.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

/// The largest piece, in bytes.
pub const CHUNK_BYTES: usize = 64 << 10;

/// Cuts what is written into pieces for `deliver`, hashes all of it, and delivers nothing before byte `skip`.
pub struct Chunks<F: FnMut(Vec<u8>) -> io::Result<()>> {
    skip: u64,
    written: u64,
    hash: Sha256,
    piece: Vec<u8>,
    deliver: F,
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Chunks<F> {
    /// A stream that begins with byte `skip`.
    pub fn new(skip: u64, deliver: F) -> Self {
        Self { skip, written: 0, hash: Sha256::new(), piece: Vec::with_capacity(CHUNK_BYTES), deliver }
    }

    /// Delivers what is left; answers size and SHA-256 of everything, what was left out included.
    pub fn finish(mut self) -> io::Result<(u64, [u8; 32])> {
        if !self.piece.is_empty() {
            (self.deliver)(std::mem::take(&mut self.piece))?;
        }
        Ok((self.written, self.hash.finalize().into()))
    }
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Write for Chunks<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        let left_out = self.skip.saturating_sub(self.written).min(bytes.len() as u64) as usize;
        self.written += bytes.len() as u64;
        let mut rest = &bytes[left_out..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(CHUNK_BYTES - self.piece.len()));
            self.piece.extend_from_slice(now);
            rest = later;
            if self.piece.len() == CHUNK_BYTES {
                (self.deliver)(std::mem::replace(&mut self.piece, Vec::with_capacity(CHUNK_BYTES)))?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(writes: &[Vec<u8>], skip: u64) -> (Vec<Vec<u8>>, u64, [u8; 32]) {
        let mut pieces = Vec::new();
        let mut chunks = Chunks::new(skip, |piece| {
            pieces.push(piece);
            Ok(())
        });
        writes.iter().for_each(|bytes| chunks.write_all(bytes).expect("memory"));
        let (size, hash) = chunks.finish().expect("memory");
        (pieces, size, hash)
    }

    proptest! {
        #[test]
        fn any_beginning_may_be_left_out(lengths in prop::collection::vec(0usize..100_000, 0..6), skip in 0u64..300_000) {
            let writes: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(n, len)| vec![n as u8; *len]).collect();
            let whole = writes.concat();
            let (pieces, size, hash) = stream(&writes, skip);
            prop_assert!(pieces.iter().all(|p| (1..=CHUNK_BYTES).contains(&p.len())));
            prop_assert_eq!(pieces.concat(), &whole[(skip as usize).min(whole.len())..]);
            prop_assert_eq!((size, hash), (whole.len() as u64, Sha256::digest(&whole).into()));
        }
    }

    #[test]
    fn a_receiver_that_goes_away_ends_it() {
        let mut chunks = Chunks::new(0, |_| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(chunks.write_all(&vec![0; CHUNK_BYTES]).is_err());
    }
}
