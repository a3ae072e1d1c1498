//! Pages of lists. A token says where to go on and which question it belongs to; it holds no address.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};

use super::Fields;

const SIZE_DEFAULT: usize = 100;
const SIZE_MAX: usize = 1_000;
const TOKEN_MAX: usize = 512;
const MARK: usize = 8;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Most items to answer, 1 to 1,000.
    pub size: usize,
    /// Go on behind this key; empty: from the beginning.
    pub after: Vec<u8>,
    mark: [u8; MARK],
}

/// Names the question a token belongs to: the request without its paging fields.
pub type PageToken = String;

impl Page {
    /// The token of the page behind `last`.
    pub fn next(&self, last: &[u8]) -> PageToken {
        URL_SAFE_NO_PAD.encode([&self.mark[..], last].concat())
    }
}

impl Fields {
    /// Reads `page_size` and `page_token`. `question` is the request with both cleared: a token of another question is
    /// refused instead of answering a page of neither.
    pub fn page(&mut self, size: i32, token: &str, question: &impl Message) -> Option<Page> {
        let size = match usize::try_from(size) {
            Ok(0) => Some(SIZE_DEFAULT),
            Ok(size) => Some(size.min(SIZE_MAX)),
            Err(_) => self.refuse("page_size", "must be 1 to 1,000, or 0 for 100"),
        };
        let hash = Sha256::digest(question.encode_to_vec());
        let mut mark = [0; MARK];
        mark.copy_from_slice(&hash[..MARK]);
        let after = self.after(token, &mark);
        Some(Page { size: size?, after: after?, mark })
    }

    fn after(&mut self, token: &str, mark: &[u8]) -> Option<Vec<u8>> {
        if token.is_empty() {
            return Some(Vec::new());
        }
        let bytes = (token.len() <= TOKEN_MAX).then(|| URL_SAFE_NO_PAD.decode(token).ok()).flatten();
        match bytes {
            Some(bytes) if bytes.len() > MARK && bytes.starts_with(mark) => Some(bytes[MARK..].to_vec()),
            _ => self.refuse(
                "page_token",
                "must be `next_page_token` of the same list, all other fields unchanged",
            ),
        }
    }
}
