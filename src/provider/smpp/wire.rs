//! PDUs as they come and go: framing, and a reader that takes what real SMSCs send (SMPP 3.4, sections 3.2 and 4).
//!
//! What leaves is written by `rusmpp-core`, whose types cannot hold what the specification forbids. What comes is read here,
//! leniently: a person's STOP must not be lost to an SMSC's unterminated string or private parameter.

use bytes::{Bytes, BytesMut};
use rusmpp_core::CommandStatus;
use rusmpp_core::command::owned::Command;
use rusmpp_core::encode::Length;
use rusmpp_core::encode::owned::Encode;
use rusmpp_core::pdus::owned::Pdu;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Octets of a header, the least a PDU has.
pub const HEADER: usize = 16;
/// Most octets of one PDU: a payload of 64 KiB and what stands around it.
pub const LENGTH_MAX: usize = 66 * 1_024;

/// `command_id` (section 5.1.2.1).
pub mod id {
    pub const GENERIC_NACK: u32 = 0x8000_0000;
    pub const BIND_RECEIVER: u32 = 0x1;
    pub const BIND_TRANSMITTER: u32 = 0x2;
    pub const SUBMIT_SM: u32 = 0x4;
    pub const DELIVER_SM: u32 = 0x5;
    pub const UNBIND: u32 = 0x6;
    pub const BIND_TRANSCEIVER: u32 = 0x9;
    pub const OUTBIND: u32 = 0xb;
    pub const ENQUIRE_LINK: u32 = 0x15;
    pub const ALERT_NOTIFICATION: u32 = 0x102;
    pub const DATA_SM: u32 = 0x103;
    pub const RESPONSE: u32 = 0x8000_0000;
}

/// Optional parameters (section 5.3.2).
pub mod tag {
    pub const RECEIPTED_MESSAGE_ID: u16 = 0x001e;
    pub const SAR_MSG_REF_NUM: u16 = 0x020c;
    pub const SAR_TOTAL_SEGMENTS: u16 = 0x020e;
    pub const SAR_SEGMENT_SEQNUM: u16 = 0x020f;
    pub const NETWORK_ERROR_CODE: u16 = 0x0423;
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub const MESSAGE_STATE: u16 = 0x0427;
}

/// Why no further PDU can be read from a stream.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It ended.
    #[error("the peer closed the connection")]
    Closed,
    /// It broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    /// A length that no PDU has: where the next one begins is not known.
    #[error("a PDU of {0} octets")]
    Length(u32),
}

/// One PDU, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl std::fmt::Debug for Frame {
    /// Neither number nor word.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({:#x} status {:#x} sequence {})", self.id(), self.status(), self.sequence())
    }
}

impl Frame {
    /// A PDU from its octets; none where its length is not theirs.
    pub fn new(octets: Bytes) -> Option<Frame> {
        let length = u32::from_be_bytes(octets.get(..4)?.try_into().ok()?);
        (octets.len() >= HEADER && length as usize == octets.len()).then_some(Frame(octets))
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.0[at..at + 4].try_into().expect("a frame has a header"))
    }
    pub fn id(&self) -> u32 {
        self.word(4)
    }
    pub fn status(&self) -> u32 {
        self.word(8)
    }
    pub fn sequence(&self) -> u32 {
        self.word(12)
    }
    /// Behind the header; empty in many refusals, whatever the specification says.
    pub fn body(&self) -> &[u8] {
        &self.0[HEADER..]
    }
    /// All of it.
    pub fn octets(&self) -> &Bytes {
        &self.0
    }
}

/// The PDUs of a stream. What was read is kept when [`Frames::next`] is given up.
pub struct Frames<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub fn new(stream: R) -> Frames<R> {
        Frames { stream, buffer: BytesMut::with_capacity(4_096) }
    }

    /// The next PDU. Nothing is set aside for more than the length it names, and no more than [`LENGTH_MAX`].
    pub async fn next(&mut self) -> Result<Frame, FrameError> {
        loop {
            if let Some(head) = self.buffer.get(..4) {
                let length = u32::from_be_bytes(head.try_into().expect("four"));
                let whole = length as usize;
                if !(HEADER..=LENGTH_MAX).contains(&whole) {
                    return Err(FrameError::Length(length));
                }
                if self.buffer.len() >= whole {
                    return Ok(Frame(self.buffer.split_to(whole).freeze()));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(FrameError::Closed);
            }
        }
    }
}

/// The octets of a PDU that leaves.
pub fn written(status: u32, sequence: u32, pdu: impl Into<Pdu>) -> Bytes {
    let command = Command::new(CommandStatus::from(status), sequence, pdu);
    let length = 4 + command.length();
    let mut octets = BytesMut::with_capacity(length);
    octets.extend_from_slice(&(length as u32).to_be_bytes());
    command.encode(&mut octets);
    octets.freeze()
}

/// What is left of a body.
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub fn new(body: &'a [u8]) -> Fields<'a> {
        Fields(body)
    }

    /// A string up to its NUL; none where there is none. Longer than the specification allows is taken.
    pub fn c_string(&mut self) -> Option<String> {
        let end = self.0.iter().position(|octet| *octet == 0)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(text.iter().map(|octet| char::from(*octet)).collect())
    }

    pub fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// So many octets, or as many as there are.
    fn at_most(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The optional parameters that stand at the end; a last one that is cut short is taken as it is.
    pub fn parameters(mut self) -> Vec<(u16, Bytes)> {
        let mut all = Vec::new();
        while let [a, b, c, d, ..] = *self.0 {
            self.at_most(4);
            let value = self.at_most(usize::from(u16::from_be_bytes([c, d])));
            all.push((u16::from_be_bytes([a, b]), Bytes::copy_from_slice(value)));
        }
        all
    }
}

/// The `message_id` of a response; none where it has no body, or an empty one.
pub fn message_id(frame: &Frame) -> Option<String> {
    let mut fields = Fields::new(frame.body());
    let id = fields.c_string().unwrap_or_else(|| frame.body().iter().map(|b| char::from(*b)).collect());
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// An address with its type of number.
#[derive(Clone, PartialEq, Eq)]
pub struct Addressed {
    pub ton: u8,
    pub text: String,
}

impl Addressed {
    fn read(fields: &mut Fields<'_>) -> Option<Addressed> {
        let ton = fields.octet()?;
        fields.octet()?;
        Some(Addressed { ton, text: fields.c_string()? })
    }

    /// As other providers write it: international numbers with `+`.
    pub fn spelt(&self) -> String {
        let digits = !self.text.is_empty() && self.text.bytes().all(|b| b.is_ascii_digit());
        if self.ton == 1 && digits { format!("+{}", self.text) } else { self.text.clone() }
    }
}

/// A `deliver_sm` or `data_sm`.
pub struct Delivered {
    pub source: Addressed,
    pub destination: Addressed,
    pub esm_class: u8,
    pub data_coding: u8,
    /// The text's octets, from wherever they stand.
    pub message: Bytes,
    pub parameters: Vec<(u16, Bytes)>,
}

/// One that cannot be read, and as much of it as could.
pub struct Malformed {
    pub source: Option<Addressed>,
    pub destination: Option<Addressed>,
    pub why: &'static str,
}

impl Delivered {
    /// Reads one.
    pub fn read(frame: &Frame) -> Result<Delivered, Malformed> {
        let mut fields = Fields::new(frame.body());
        let malformed = |source, destination, why| Malformed { source, destination, why };
        let service = fields.c_string();
        let source = service.and_then(|_| Addressed::read(&mut fields));
        let Some(source) = source else { return Err(malformed(None, None, "the source address has no end")) };
        let Some(destination) = Addressed::read(&mut fields) else {
            return Err(malformed(Some(source), None, "the destination address has no end"));
        };
        let rest = match frame.id() {
            id::DATA_SM => Self::data_sm(&mut fields),
            _ => Self::deliver_sm(&mut fields),
        };
        let Some((esm_class, data_coding, short)) = rest else {
            return Err(malformed(Some(source), Some(destination), "it ends before its text"));
        };
        let parameters = fields.parameters();
        let payload = parameters.iter().find(|(tag, _)| *tag == tag::MESSAGE_PAYLOAD).map(|(_, value)| value);
        let message = payload.filter(|_| short.is_empty()).cloned().unwrap_or(Bytes::copy_from_slice(short));
        Ok(Delivered { source, destination, esm_class, data_coding, message, parameters })
    }

    fn deliver_sm<'a>(fields: &mut Fields<'a>) -> Option<(u8, u8, &'a [u8])> {
        let esm_class = fields.octet()?;
        // Protocol and priority; schedule and validity; receipts and replacing: nothing a reader of texts needs.
        fields.octet()?;
        fields.octet()?;
        fields.c_string()?;
        fields.c_string()?;
        fields.octet()?;
        fields.octet()?;
        let data_coding = fields.octet()?;
        fields.octet()?;
        let length = fields.octet()?;
        Some((esm_class, data_coding, fields.at_most(usize::from(length))))
    }

    fn data_sm<'a>(fields: &mut Fields<'a>) -> Option<(u8, u8, &'a [u8])> {
        let esm_class = fields.octet()?;
        fields.octet()?;
        Some((esm_class, fields.octet()?, &[]))
    }

    /// An optional parameter.
    pub fn parameter(&self, tag: u16) -> Option<&[u8]> {
        self.parameters.iter().find(|(t, _)| *t == tag).map(|(_, value)| value.as_ref())
    }
}

#[cfg(test)]
pub mod tests;
