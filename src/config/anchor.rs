//! Outside anchors in the configuration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;

use super::read::Reader;
use crate::ledger::anchor::{Kind, is_name};
use crate::ledger::cosignature::WitnessKey;

/// Most anchors of one log.
const ANCHORS_MAX: usize = 16;

/// Somewhere checkpoints are made known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorConfig {
    /// Names its receipts and metrics.
    pub name: String,
    /// Least time between two checkpoints: a minute to a day.
    pub every: Duration,
    /// Longest wait for one: a second to five minutes.
    pub deadline: Duration,
    /// What it is.
    pub target: AnchorTarget,
}

/// What an anchor is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorTarget {
    /// A C2SP `tlog-witness`.
    Witness {
        /// Its submission prefix.
        url: Uri,
        /// Its public key.
        key: WitnessKey,
        /// Allows its address to be a private one.
        private: bool,
    },
    /// An RFC 3161 authority.
    Timestamp {
        /// Where requests go.
        url: Uri,
        /// PEM: who vouches for its certificate.
        roots: PathBuf,
        /// Allows its address to be a private one.
        private: bool,
    },
    /// A folder that gets a file each time.
    File {
        /// The folder.
        dir: PathBuf,
    },
    /// A program that gets the checkpoint on its input.
    Command {
        /// A path, or a name looked up on the path.
        program: String,
        /// What it is called with.
        arguments: Vec<String>,
    },
}

/// Reads all anchors; names must differ.
pub(super) fn read_all(items: Vec<Reader<'_, '_>>, base: &Path) -> Vec<AnchorConfig> {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for (n, mut item) in items.into_iter().enumerate() {
        let line = item.line_of("name");
        let name = item.required_parsed("name", |text| match is_name(text) {
            true => Ok(text.to_owned()),
            false => Err("must have 1 to 32 small letters, digits and -"),
        });
        if let Some(name) = &name
            && !names.insert(name.clone())
        {
            item.error("name", line, format!("`{name}` is already another anchor's"));
        }
        if n == ANCHORS_MAX {
            item.error("name", line, format!("there are more than {ANCHORS_MAX} anchors"));
        }
        found.extend(read(item, name, base));
    }
    found
}

fn read(mut r: Reader<'_, '_>, name: Option<String>, base: &Path) -> Option<AnchorConfig> {
    let kind = r.required_parsed("kind", |text| {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        kind.ok_or("must be witness, timestamp, file or command")
    });
    let every = Duration::from_secs(60 * r.within("every_minutes", 1..=1_440, 60));
    let deadline = Duration::from_secs(r.within("deadline_seconds", 1..=300, 30));
    // Every key is asked for, so that one of another kind is told from a typing error.
    let lines = ["url", "key", "roots", "allow_private_addresses", "path", "command"]
        .map(|key| (key, r.line_of(key)));
    let url = r.parsed("url", url);
    let key = r.parsed("key", str::parse::<WitnessKey>);
    let roots = r.parsed("roots", |text| file(text, base));
    let private = r.or("allow_private_addresses", false);
    let dir = r.parsed("path", |text| file(text, base));
    let command: Option<Vec<String>> = r.optional("command");
    let wanted: &[&str] = match kind {
        Some(Kind::Witness) => &["url", "key", "allow_private_addresses"],
        Some(Kind::Timestamp) => &["url", "roots", "allow_private_addresses"],
        Some(Kind::File) => &["path"],
        Some(Kind::Command) => &["command"],
        None => &[],
    };
    if let Some(kind) = kind {
        for (key, line) in lines {
            if line.is_some() && !wanted.contains(&key) {
                r.error(key, line, format!("does not belong to an anchor of kind {kind}"));
            }
            if line.is_none() && wanted.contains(&key) && key != "allow_private_addresses" {
                r.error(key, None, "is required");
            }
        }
    }
    let command = command.and_then(|words| match words.split_first() {
        Some((program, arguments)) if !program.is_empty() => Some((program.clone(), arguments.to_vec())),
        _ => {
            r.error("command", r.line_of("command"), "must be a list that begins with a program");
            None
        }
    });
    r.finish();
    let target = match kind? {
        Kind::Witness => AnchorTarget::Witness { url: url?, key: key?, private },
        Kind::Timestamp => AnchorTarget::Timestamp { url: url?, roots: roots?, private },
        Kind::File => AnchorTarget::File { dir: dir? },
        Kind::Command => command.map(|(program, arguments)| AnchorTarget::Command { program, arguments })?,
    };
    Some(AnchorConfig { name: name?, every, deadline, target })
}

fn url(text: &str) -> Result<Uri, &'static str> {
    let what = "must be an address such as https://witness.example/log";
    let uri: Uri = text.parse().map_err(|_| what)?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    if web && uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none() {
        Ok(uri)
    } else {
        Err(what)
    }
}

fn file(text: &str, base: &Path) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("must be a path") } else { Ok(base.join(text)) }
}
