//! Where an export goes: standard output, or a file that appears under its name only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;

/// Takes the bytes.
pub enum Sink {
    Stdout,
    File { file: File, part: PathBuf, target: PathBuf, whole: bool },
}

impl Sink {
    /// Standard output.
    pub fn stdout() -> Sink {
        Sink::Stdout
    }

    /// A file beside `target`, named like it with `.part` at the end. What an earlier, broken run left there goes.
    pub fn beside(target: &Path) -> Result<Sink, Failure> {
        if target.is_dir() {
            return Err(Failure::unusable(format!("{} is a folder; name a file", target.display())));
        }
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // It may hold what the law calls personal data.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&part)
            .map_err(|e| Failure::unusable(format!("{} cannot be written: {e}", part.display())))?;
        Ok(Sink::File { file, part, target: target.to_owned(), whole: false })
    }

    /// Writes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match self {
            Sink::Stdout => io::stdout().lock().write_all(bytes),
            Sink::File { file, .. } => file.write_all(bytes),
        };
        written.map_err(|e| Failure::unusable(format!("the export cannot be written: {e}")))
    }

    /// Everything was written and is what it should be: the file gets its name, durably.
    pub fn finish(mut self) -> Result<(), Failure> {
        match &mut self {
            Sink::Stdout => io::stdout().lock().flush().map_err(Failure::unusable),
            Sink::File { file, part, target, whole } => {
                let named = file.sync_all().and_then(|()| fs::rename(part, &*target));
                named
                    .map_err(|e| Failure::unusable(format!("{} cannot be written: {e}", target.display())))?;
                *whole = true;
                Ok(())
            }
        }
    }
}

impl Drop for Sink {
    /// A part of an export must not be taken for one.
    fn drop(&mut self) {
        if let Sink::File { part, whole: false, .. } = self {
            // If it cannot be removed its name still says what it is.
            let _ = fs::remove_file(part);
        }
    }
}
