//! Whether what the configuration names is really there: folders, certificates, keys, secrets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::{AnchorConfig, AnchorTarget, Config, ConnectionConfig, Problem, SecretRef, Severity};
use crate::anchor::load_roots;
use crate::clock::SystemClock;
use crate::feed::signature::Key;
use crate::inbound::endpoint::{Endpoint, EndpointError};
use crate::provider::http::AddressRule;
use crate::provider::registry::{self, BuildError, PATH_TOKEN};
use crate::tls::{self, TlsFiles};

/// Looks around. Reads files and variables, changes nothing.
pub fn surroundings(config: &Config, env: &dyn Fn(&str) -> Option<String>) -> Vec<Problem> {
    let mut found = Found::default();
    found.folder("data_dir", &config.data_dir, true);
    if let Some(zones) = &config.time_zones {
        found.folder("time_zones", zones, false);
    }
    for dir in &config.policy.dirs {
        found.folder("policy.dirs", dir, false);
    }
    if let Some(files) = &config.tls {
        certificates(files, &mut found);
    }
    keys(config, env, &mut found);
    if let Some(list) = &config.retention.erasures {
        erasures(list, config, &mut found);
    }
    for (n, anchor) in config.anchors.iter().enumerate() {
        anchored(anchor, config, &|name| format!("anchors[{n}].{name}"), &mut found);
    }
    for (n, connection) in config.connections.iter().enumerate() {
        let key = |name: &str| format!("connections[{n}].{name}");
        let token = connection.path_token.as_ref().map(|token| token.resolve(env));
        found.secret(&key("path_token"), token.and_then(Result::err));
        for (name, reference) in &connection.secrets {
            found.secret(&key(&format!("secrets.{name}")), reference.resolve(env).err());
        }
        adapter(connection, env, &key, &mut found);
    }
    for (n, webhook) in config.webhooks.iter().enumerate() {
        for (name, reference) in &webhook.keys {
            let key = format!("webhooks[{n}].{name}");
            match reference.resolve(env) {
                Err(error) => found.secret(&key, Some(error)),
                Ok(secret) => {
                    if let Err(error) = Key::parse(secret.expose_secret()) {
                        found.error(&key, error.to_string());
                    }
                }
            }
        }
    }
    found.0
}

/// Whether the connection's adapter and ear take what they are given. Nothing is sent.
fn adapter(
    connection: &ConnectionConfig,
    env: &dyn Fn(&str) -> Option<String>,
    key: &dyn Fn(&str) -> String,
    found: &mut Found,
) {
    // A secret that cannot be read has been told of.
    let Ok(registered) = connection.to_registry(env) else { return };
    let secret = |name: &str| {
        let own = connection.secrets.iter().find(|(n, _)| n == name).map(|(_, reference)| reference);
        let path_token = || connection.path_token.as_ref().filter(|_| name == PATH_TOKEN);
        let reference = own.or_else(path_token);
        reference.and_then(|reference| reference.resolve(env).ok())
    };
    if connection.secrets.iter().any(|(name, _)| secret(name).is_none()) {
        return;
    }
    let clock = Arc::new(SystemClock);
    match registry::build(&registered, &secret, clock, AddressRule::PublicOnly).map(|_| ()) {
        Err(BuildError::Setting(name, why)) => found.error(&key(&format!("settings.{name}")), why.to_owned()),
        Err(BuildError::Secret(name, why)) => found.error(&key(&format!("secrets.{name}")), why.to_owned()),
        Err(error @ BuildError::Provider(_)) => found.error(&key("provider"), error.to_string()),
        Ok(()) => {}
    }
    if registry::is_push(&connection.provider) {
        // Nothing comes in from there.
        return;
    }
    match Endpoint::new(&registered, secret).map(|ear| ear.faults()) {
        Err(EndpointError::Setting(_, name, why)) => {
            found.error(&key(&format!("settings.{name}")), why.to_owned());
        }
        Err(error @ EndpointError::Provider(..)) => found.error(&key("provider"), error.to_string()),
        Ok(faults) => {
            for (name, why) in faults {
                found.error(&key(&format!("secrets.{name}")), why.to_owned());
            }
        }
    }
}

/// Whether what the anchor needs is there. Nobody is asked anything.
fn anchored(anchor: &AnchorConfig, config: &Config, key: &dyn Fn(&str) -> String, found: &mut Found) {
    match &anchor.target {
        AnchorTarget::Witness { .. } => {}
        AnchorTarget::Timestamp { roots, .. } => {
            if let Err(error) = load_roots(roots) {
                found.error(&key("roots"), error.to_string());
            }
        }
        AnchorTarget::File { dir } => {
            found.folder(&key("path"), dir, true);
            if same_volume(dir, &config.data_dir) {
                let what = "lies on the volume of the data: it shows nothing to who distrusts its keeper (docs/anchors.md)";
                found.warning(&key("path"), what.to_owned());
            }
        }
        AnchorTarget::Command { program, .. } => {
            if !is_program(program) {
                found.error(&key("command"), format!("{program} is no program that can be started"));
            }
        }
    }
}

/// Looks a program up as starting it would.
fn is_program(program: &str) -> bool {
    let found = |path: &Path| path.metadata().is_ok_and(|m| m.is_file() && is_executable(&m));
    if program.contains(std::path::MAIN_SEPARATOR) {
        return found(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| found(&dir.join(program)))
}

#[cfg(unix)]
fn is_executable(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

/// Each file on its own first: rustls would stop at the first that is missing.
fn certificates(files: &TlsFiles, found: &mut Found) {
    let named =
        [("cert", Some(&files.cert)), ("key", Some(&files.key)), ("client_ca", files.client_ca.as_ref())];
    let before = found.0.len();
    for (key, path) in named {
        if let Some(Err(error)) = path.map(std::fs::File::open) {
            let shown = path.map(|p| p.display().to_string()).unwrap_or_default();
            found.error(&format!("tls.{key}"), format!("{shown} cannot be read: {error}"));
        }
    }
    if found.0.len() == before
        && let Err(error) = tls::server_config(files)
    {
        found.error(&format!("tls.{}", error.key()), error.to_string());
    }
}

fn keys(config: &Config, env: &dyn Fn(&str) -> Option<String>, found: &mut Found) {
    let keys = &config.keys;
    for (name, reference) in [("master", &keys.master), ("pepper", &keys.pepper), ("coupons", &keys.coupons)]
    {
        match reference {
            // Nobody is asked for a key only to see whether it is there.
            SecretRef::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                if !is_program(program) {
                    found.error(
                        &format!("keys.{name}"),
                        format!("{program} is no program that can be started"),
                    );
                }
            }
            _ => found.secret(&format!("keys.{name}"), reference.resolve_key(env).err()),
        }
    }
    if let Some(what) = beside_data(&keys.master, config) {
        found.error("keys.master", what.to_owned());
    }
    let SecretRef::File(master) = &keys.master else { return };
    if readable_by_others(master) {
        found.warning(
            "keys.master",
            format!("{} can be read by every user of this machine", master.display()),
        );
    }
}

/// Why a master key may not lie where `reference` says.
pub fn beside_data(reference: &SecretRef, config: &Config) -> Option<&'static str> {
    let SecretRef::File(master) = reference else { return None };
    let beside = !config.keys.allow_beside_data && same_volume(master, &config.data_dir);
    beside.then_some(
        "lies on the volume of the data it protects: who takes the disk has both; move it, or set \
         keys.allow_beside_data = true",
    )
}

/// The list of erasures: it is lost with the data, or survives it.
fn erasures(list: &Path, config: &Config, found: &mut Found) {
    let folder = list.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        found.error("retention.erasures", format!("{} is not a folder", folder.display()));
    } else if same_volume(list, &config.data_dir) {
        let what = "lies on the volume of the data: what takes the one takes the other, and a restore from an older backup \
                    brings back who was erased since (docs/erasure.md)";
        found.warning("retention.erasures", what.to_owned());
    }
}

#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, severity: Severity, key: &str, what: String) {
        self.0.push(Problem { severity, key: key.to_owned(), line: None, what });
    }
    fn error(&mut self, key: &str, what: String) {
        self.add(Severity::Error, key, what);
    }
    fn warning(&mut self, key: &str, what: String) {
        self.add(Severity::Warning, key, what);
    }
    fn secret(&mut self, key: &str, error: Option<super::SecretError>) {
        if let Some(error) = error {
            self.error(key, error.to_string());
        }
    }
    /// A folder that must exist, or one the gateway will make below one that does.
    fn folder(&mut self, key: &str, path: &Path, made_by_us: bool) {
        let exists = if made_by_us { nearest_existing(path) } else { Some(path.to_owned()) };
        if !exists.is_some_and(|p| p.is_dir()) {
            self.error(key, format!("{} is not a folder", path.display()));
        }
    }
}

fn nearest_existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|p| p.exists()).map(Path::to_owned)
}

#[cfg(unix)]
fn same_volume(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let volume = |p: &Path| nearest_existing(p).and_then(|p| p.metadata().ok()).map(|m| m.dev());
    matches!((volume(one), volume(other)), (Some(a), Some(b)) if a == b)
}

#[cfg(not(unix))]
fn same_volume(_: &Path, _: &Path) -> bool {
    false
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> bool {
    false
}
