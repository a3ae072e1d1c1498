//! Message Encryption for Web Push (RFC 8291) in the `aes128gcm` coding (RFC 8188): one record, padded so that its length
//! tells little. Every primitive is a library's; here stands their order.

use hkdf::Hkdf;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Salt, record size, length of the key's name, and the key itself.
const HEADER: usize = 16 + 4 + 1 + POINT;
const POINT: usize = 65;
const TAG: usize = 16;
/// What every service takes (RFC 8030, section 7.2).
const BODY_MAX: usize = 4_096;
/// Most bytes of a plaintext: its delimiter needs one more.
pub const PLAINTEXT_MAX: usize = BODY_MAX - HEADER - TAG - 1;
/// Plaintexts are filled up to a multiple of this.
const BUCKET: usize = 256;

/// Encrypts for a browser. None: its key is no point of the curve, the text is too long, or there is no randomness.
pub fn encrypt(plain: &[u8], ua_public: &[u8], auth: &[u8]) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    let mut salt = [0; 16];
    random.fill(&mut salt).ok()?;
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &random).ok()?;
    let as_public = own.compute_public_key().ok()?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, ua_public);
    let keys =
        agree_ephemeral(own, &peer, |shared| derive(shared, auth, ua_public, as_public.as_ref(), &salt));
    seal(plain, &keys.ok()??, as_public.as_ref(), &salt)
}

/// Key and nonce of the one record.
struct Keys {
    key: Zeroizing<[u8; 16]>,
    nonce: [u8; 12],
}

/// RFC 8291, section 3.4.
fn derive(shared: &[u8], auth: &[u8], ua_public: &[u8], as_public: &[u8], salt: &[u8; 16]) -> Option<Keys> {
    let mut ikm = Zeroizing::new([0; 32]);
    let info = [b"WebPush: info\0", ua_public, as_public].concat();
    Hkdf::<Sha256>::new(Some(auth), shared).expand(&info, ikm.as_mut_slice()).ok()?;
    let record = Hkdf::<Sha256>::new(Some(salt), ikm.as_slice());
    let (mut key, mut nonce) = (Zeroizing::new([0; 16]), [0; 12]);
    record.expand(b"Content-Encoding: aes128gcm\0", key.as_mut_slice()).ok()?;
    record.expand(b"Content-Encoding: nonce\0", &mut nonce).ok()?;
    Some(Keys { key, nonce })
}

/// RFC 8188, section 2: the header, then the last and only record, delimited by 2 and padded with zeros.
fn seal(plain: &[u8], keys: &Keys, as_public: &[u8], salt: &[u8; 16]) -> Option<Vec<u8>> {
    if plain.len() > PLAINTEXT_MAX || as_public.len() != POINT {
        return None;
    }
    let padded = (plain.len() + 1).next_multiple_of(BUCKET).min(PLAINTEXT_MAX + 1);
    let mut record = Vec::with_capacity(padded + TAG);
    record.extend_from_slice(plain);
    record.push(2);
    record.resize(padded, 0);
    // The key is fresh, so the nonce is used once.
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, keys.key.as_slice()).ok()?);
    let nonce = Nonce::assume_unique_for_key(keys.nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).ok()?;
    let mut body = Vec::with_capacity(HEADER + record.len());
    body.extend_from_slice(salt);
    body.extend_from_slice(&(BODY_MAX as u32).to_be_bytes());
    body.push(POINT as u8);
    body.extend_from_slice(as_public);
    body.extend_from_slice(&record);
    Some(body)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
    }

    const UA_PUBLIC: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const RFC: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w\
                       EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    /// RFC 8291, appendix A: the shared secret, and the key and nonce that follow from it.
    #[test]
    fn key_and_nonce_are_those_of_the_rfc() {
        let salt: [u8; 16] = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().expect("16 bytes");
        let as_public =
            bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let keys = derive(&shared, &bytes(AUTH), &bytes(UA_PUBLIC), &as_public, &salt).expect("keys");
        assert_eq!(keys.key.to_vec(), bytes("oIhVW04MRdy2XN9CiKLxTg"));
        assert_eq!(keys.nonce.to_vec(), bytes("4h_95klXJ5E_qnoN"));
        let text = b"When I grow up, I want to be a watermelon\x02";
        let body = seal(&text[..text.len() - 1], &keys, &as_public, &salt).expect("sealed");
        // The RFC's record has no padding, so it is ours up to there.
        let same = HEADER + text.len();
        assert_eq!(body[..same], bytes(RFC)[..same]);
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, keys.key.as_slice()).expect("16 bytes"));
        let mut record = body[HEADER..].to_vec();
        let opened = cipher
            .open_in_place(Nonce::assume_unique_for_key(keys.nonce), Aad::empty(), &mut record)
            .expect("opens");
        assert_eq!((&opened[..text.len()], opened.len()), (&text[..], BUCKET));
    }

    #[test]
    fn lengths_come_in_buckets_and_never_pass_what_services_take() {
        for (length, body) in
            [(0, 256), (255, 256), (256, 512), (PLAINTEXT_MAX - 1, 3_994), (PLAINTEXT_MAX, 3_994)]
        {
            let sealed = encrypt(&vec![b'x'; length], &bytes(UA_PUBLIC), &bytes(AUTH)).expect("sealed");
            assert_eq!(sealed.len(), (HEADER + body + TAG).min(BODY_MAX), "{length}");
        }
        assert!(encrypt(&vec![b'x'; PLAINTEXT_MAX + 1], &bytes(UA_PUBLIC), &bytes(AUTH)).is_none());
        let mut off_the_curve = bytes(UA_PUBLIC);
        off_the_curve[64] ^= 1;
        assert!(encrypt(b"x", &off_the_curve, &bytes(AUTH)).is_none());
    }
}
