//! Checkpoints: a signed statement of how long the log is and what its root is.
//!
//! The text is a C2SP `tlog-checkpoint`, signed as a C2SP `signed-note` with Ed25519 by a key that is named like
//! the log's origin. Anything that reads those formats reads ours.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;
use signed_note::{Note, NoteError, StandardSigner, StandardVerifier, Verifier as _, VerifierList};
use zeroize::Zeroizing;

use super::tree::Root;
use crate::entropy::Entropy;
use crate::model::SellerId;

#[cfg(test)]
mod tests;

/// The type byte of Ed25519 in signed-note keys.
const ED25519: u8 = 1;
/// The longest checkpoint worth parsing in bytes: 16 signatures of any assigned type fit.
const CHECKPOINT_BYTES_MAX: usize = 100_000;

/// Why a checkpoint or a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// An origin cannot name a log.
    #[error("the origin {0:?} must be <host>/log/<seller>/e<epoch>, without spaces or +")]
    Origin(String),
    /// The text is no checkpoint.
    #[error("this is no checkpoint: {0}")]
    Text(&'static str),
    /// A key does not parse, or its id does not fit its bytes.
    #[error("this is no {0} key of the signed-note format with Ed25519")]
    Key(&'static str),
    /// A key belongs to another log.
    #[error("the key is that of {name}")]
    OtherLog {
        /// The log the key signs for.
        name: String,
    },
    /// No known key signed it.
    #[error("no signature of a known key is on the checkpoint of {origin}")]
    Unsigned {
        /// The origin it claims.
        origin: String,
    },
    /// A known key's signature does not fit the text.
    #[error("the signature by {name} is wrong: the checkpoint was changed or forged")]
    Forged {
        /// The key's name.
        name: String,
    },
}

/// The name of one log: one seller, one epoch. A new epoch starts after a loss that cannot be repaired.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// `<host>/log/<seller>/e<epoch>`; epochs count from 1.
    pub fn new(host: &str, seller: &SellerId, epoch: u32) -> Result<Self, CheckpointError> {
        let text = format!("{host}/log/{seller}/e{epoch}");
        let clean =
            !host.is_empty() && text.chars().all(|c| c != '+' && !c.is_whitespace() && !c.is_control());
        if clean && epoch > 0 { Ok(Self(text)) } else { Err(CheckpointError::Origin(text)) }
    }

    /// As it stands in checkpoints.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The seller. Keys are theirs and outlive the epochs of the log.
    pub fn seller(&self) -> &str {
        let log = self.0.rsplit_once("/e").map_or(self.0.as_str(), |(log, _)| log);
        log.rsplit_once("/log/").map_or(log, |(_, seller)| seller)
    }

    /// The same log in another epoch.
    pub fn in_epoch(&self, epoch: u32) -> Result<Self, CheckpointError> {
        let log = self.0.rsplit_once("/e").map_or(self.0.as_str(), |(log, _)| log);
        format!("{log}/e{epoch}").parse()
    }

    /// The epoch.
    pub fn epoch(&self) -> u32 {
        self.0
            .rsplit_once("/e")
            .and_then(|(_, epoch)| epoch.parse().ok())
            .expect("an origin ends with its epoch")
    }
}

impl FromStr for Origin {
    type Err = CheckpointError;
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let parse = || {
            let (rest, epoch) = text.rsplit_once("/e")?;
            let (host, seller) = rest.rsplit_once("/log/")?;
            Origin::new(host, &seller.parse().ok()?, epoch.parse().ok()?).ok()
        };
        let origin = parse().filter(|origin| origin.0 == text);
        origin.ok_or_else(|| CheckpointError::Origin(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a checkpoint states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Root,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// What a signed note states, whoever signed it.
    pub fn of_note(note: &str) -> Result<Self, CheckpointError> {
        let parsed = Note::from_bytes(note.as_bytes());
        let parsed =
            parsed.map_err(|_| CheckpointError::Text("it needs a text, an empty line and signatures"))?;
        Self::parse(parsed.text())
    }

    fn parse(text: &[u8]) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Text("it needs three lines: origin, size, root");
        let parsed = tlog_tiles::Checkpoint::from_bytes(text).map_err(|_| malformed)?;
        if !parsed.extension().is_empty() {
            return Err(CheckpointError::Text("extension lines are not part of our logs"));
        }
        Ok(Self { origin: parsed.origin().to_owned(), size: parsed.size(), root: Root(parsed.hash().0) })
    }
}

impl AsRef<Checkpoint> for Checkpoint {
    fn as_ref(&self) -> &Checkpoint {
        self
    }
}

impl AsRef<Checkpoint> for SignedCheckpoint {
    fn as_ref(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// A checkpoint with signatures that were made or verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

impl SignedCheckpoint {
    /// Parses `note` and verifies it: at least one of `keys` that is named like the origin must have signed it.
    /// Signatures of other keys (witnesses, rotated keys) are kept and not looked at.
    ///
    /// # Errors
    /// [`CheckpointError::Forged`] as soon as a known key's signature does not fit.
    pub fn verify(note: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        if note.len() > CHECKPOINT_BYTES_MAX {
            return Err(CheckpointError::Text("it is far too long"));
        }
        let parsed = Note::from_bytes(note.as_bytes())
            .map_err(|_| CheckpointError::Text("it needs a text, an empty line and signatures"))?;
        let checkpoint = Checkpoint::parse(parsed.text())?;
        let mut ours: Vec<&VerifierKey> =
            keys.iter().filter(|k| k.verifier.name() == checkpoint.origin).collect();
        // The same key listed twice would be "ambiguous" to the crate; it is not.
        ours.sort_by_key(|key| &key.text);
        ours.dedup_by_key(|key| &key.text);
        let known = VerifierList::new(ours.into_iter().map(|k| Box::new(k.verifier.clone()) as _).collect());
        match parsed.verify(&known) {
            Ok(_) => Ok(Self { checkpoint, note: note.to_owned() }),
            Err(NoteError::InvalidSignature { name, .. }) => Err(CheckpointError::Forged { name }),
            Err(_) => Err(CheckpointError::Unsigned { origin: checkpoint.origin }),
        }
    }

    /// What it states.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }
    /// The root over them.
    pub fn root(&self) -> Root {
        self.checkpoint.root
    }
    /// The signed note, as published.
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// The public key of a log: `<name>+<id>+<base64>`.
#[derive(Clone)]
pub struct VerifierKey {
    text: String,
    verifier: StandardVerifier,
}

impl VerifierKey {
    /// The name, which is the origin of the log it signs for.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }
    /// The key as text, to be handed to auditors.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for VerifierKey {
    type Err = CheckpointError;
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let text = text.trim().to_owned();
        let verifier = StandardVerifier::new(&text).map_err(|_| CheckpointError::Key("verifier"))?;
        Ok(Self { text, verifier })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The signing key of a log. Lost or leaked: the epoch ends.
#[derive(Clone)]
pub struct LogKey {
    /// `PRIVATE+KEY+<name>+<id>+<base64>`.
    text: Zeroizing<String>,
    signer: StandardSigner,
    verifier: VerifierKey,
    /// The key it follows, which signs beside it for a while.
    before: Option<Box<LogKey>>,
}

impl LogKey {
    /// A new key for the log of `origin`.
    pub fn generate(origin: &Origin, entropy: &dyn Entropy) -> Self {
        let seed = Zeroizing::new(entropy.bytes::<32>());
        let public = SigningKey::from_bytes(&seed).verifying_key();
        let id = signed_note::key_id(origin.as_str(), &[&[ED25519], public.as_bytes().as_slice()].concat());
        let secret = Zeroizing::new([&[ED25519], seed.as_slice()].concat());
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(secret.as_slice()));
        let text = Zeroizing::new(format!("PRIVATE+KEY+{origin}+{id:08x}+{}", encoded.as_str()));
        text.parse().expect("a key just encoded parses")
    }

    /// The key as text, for its file. Everybody who reads it can sign for the log.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Lets the key before it sign, too.
    pub fn beside(self, before: LogKey) -> LogKey {
        LogKey { before: Some(Box::new(before)), ..self }
    }

    /// Signs alone from now on.
    pub fn alone(&mut self) {
        self.before = None;
    }

    /// The public halves of all that sign.
    pub fn verifiers(&self) -> Vec<VerifierKey> {
        let before = self.before.iter().map(|key| key.verifier.clone());
        [self.verifier.clone()].into_iter().chain(before).collect()
    }

    /// Signs a statement about the key's own log. It must extend everything signed before: [`super::head`] sees to it.
    pub fn sign(&self, size: u64, root: Root) -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: self.verifier.name().to_owned(), size, root };
        let mut note =
            Note::new(checkpoint.text().as_bytes(), &[]).expect("a checkpoint is a well-formed note");
        let mut signers: Vec<&dyn signed_note::Signer> = vec![&self.signer];
        signers.extend(self.before.iter().map(|key| &key.signer as &dyn signed_note::Signer));
        note.add_sigs(&signers).expect("Ed25519 signs everything");
        let note = String::from_utf8(note.to_bytes()).expect("notes are UTF-8");
        SignedCheckpoint { checkpoint, note }
    }
}

impl FromStr for LogKey {
    type Err = CheckpointError;
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let refused = CheckpointError::Key("signing");
        let text = Zeroizing::new(text.trim().to_owned());
        let signer = StandardSigner::new(&text).map_err(|_| refused.clone())?;
        // The signer does not tell its public key; the text holds the seed.
        let (name, encoded) = text
            .strip_prefix("PRIVATE+KEY+")
            .and_then(|rest| Some((rest.split_once('+')?.0, rest.splitn(3, '+').nth(2)?)))
            .ok_or(refused.clone())?;
        let secret = Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| refused.clone())?);
        let seed = secret.get(1..).and_then(|seed| seed.first_chunk::<32>()).ok_or(refused)?;
        let public = SigningKey::from_bytes(seed).verifying_key();
        let verifier = signed_note::new_ed25519_verifier_key(name, &public).parse()?;
        Ok(Self { text, signer, verifier, before: None })
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({}, …)", self.verifier.name())
    }
}
