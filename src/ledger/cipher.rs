//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): HChaCha20 makes a subkey of key and nonce, ChaCha20-Poly1305 (RFC 8439)
//! works under it.
//!
//! The first is RustCrypto's, the second ring's assembly, three to eight times as fast as the whole of it in portable code: a
//! replay opens two boxes for each decision. ring keeps a copy of the subkey that nobody wipes; it opens this one box and tells
//! nothing about the key.

use chacha20::cipher::consts::U10;
use chacha20::hchacha;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

pub(super) const NONCE_BYTES: usize = 24;
pub(super) const TAG_BYTES: usize = 16;

/// Encrypts `message` where it lies; answers the tag over it and `aad`. A message has at most some megabytes.
pub(super) fn encrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    message: &mut [u8],
) -> [u8; TAG_BYTES] {
    let (key, nonce) = under(key, nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), message);
    tag.expect("a few megabytes are within the cipher's limit").as_ref().try_into().expect("16 bytes")
}

/// Decrypts `message` where it lies. Nothing: the tag does not fit, and what lies there now is worthless.
#[must_use]
pub(super) fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    message: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Option<()> {
    let (key, nonce) = under(key, nonce);
    key.open_in_place_separate_tag(nonce, Aad::from(aad), (*tag).into(), message, 0..).ok().map(drop)
}

fn under(key: &[u8; 32], nonce: &[u8; NONCE_BYTES]) -> (LessSafeKey, Nonce) {
    let (first, last) = nonce.split_at(16);
    let subkey = Zeroizing::new(<[u8; 32]>::from(hchacha::<U10>(key.into(), first.into())));
    let mut short = [0; 12];
    short[4..].copy_from_slice(last);
    let key = UnboundKey::new(&CHACHA20_POLY1305, subkey.as_slice()).expect("32 bytes");
    (LessSafeKey::new(key), Nonce::assume_unique_for_key(short))
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::{AeadInPlace, KeyInit};
    use chacha20poly1305::{Tag, XChaCha20Poly1305};
    use proptest::prelude::*;

    use super::*;

    /// Appendix A.3.1 of the draft.
    #[test]
    fn as_in_the_draft() {
        let mut message =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                            sunscreen would be it."
                .to_vec();
        let bytes = |hex: &str| hex::decode(hex).expect("hexadecimal");
        let key = std::array::from_fn(|n| 0x80 + n as u8);
        let nonce = std::array::from_fn(|n| 0x40 + n as u8);
        let aad = bytes("50515253c0c1c2c3c4c5c6c7");
        let tag = encrypt(&key, &nonce, &aad, &mut message);
        let expected = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39\
                        ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
                        21f9664c97637da9768812f615c68b13b52e";
        assert_eq!(hex::encode(&message), expected);
        assert_eq!(hex::encode(tag), "c0875924c1c7987947deafd8780acf49");
        assert_eq!(decrypt(&key, &nonce, &aad, &mut message, &tag), Some(()));
        assert!(message.starts_with(b"Ladies and Gentlemen"));
    }

    proptest! {
        #[test]
        fn another_maker_of_it_agrees(
            key: [u8; 32],
            nonce: [u8; 24],
            aad in prop::collection::vec(any::<u8>(), 0..40),
            plain in prop::collection::vec(any::<u8>(), 0..1_500),
            flip in any::<prop::sample::Index>(),
        ) {
            let theirs = XChaCha20Poly1305::new((&key).into());
            let (mut a, mut b) = (plain.clone(), plain.clone());
            let tag = encrypt(&key, &nonce, &aad, &mut a);
            let their_tag = theirs.encrypt_in_place_detached((&nonce).into(), &aad, &mut b).expect("short");
            prop_assert_eq!(&a, &b);
            prop_assert_eq!(tag.as_slice(), their_tag.as_slice());
            theirs
                .decrypt_in_place_detached((&nonce).into(), &aad, &mut b, Tag::from_slice(&tag))
                .expect("ours opens");
            prop_assert_eq!(&b, &plain);

            // One bit of anything else, and it stays shut.
            let mut whole = [nonce.as_slice(), &aad, &a, &tag].concat();
            let bit = flip.index(whole.len() * 8);
            whole[bit / 8] ^= 1 << (bit % 8);
            let (nonce, rest) = whole.split_first_chunk().expect("24 bytes");
            let (rest, tag) = rest.split_last_chunk().expect("16 bytes");
            let (aad, changed) = rest.split_at(aad.len());
            prop_assert_eq!(decrypt(&key, nonce, aad, &mut changed.to_vec(), tag), None);
        }
    }
}
