//! Where codes lead, kept at hand: brands by host, and the links asked for of late. Reads the index, never the writer.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use parking_lot::Mutex;

use crate::ledger::body::{Body, Object};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{RegistryRow, keys};
use crate::ledger::state::{State, StateError};
use crate::model::cart::Link;
use crate::model::registry::Brand;
use crate::model::{BrandId, Instant, LinkCode, SubjectId};
use crate::store::SharedKv;

/// Links kept in each of the two halves of the cache.
const LINKS_KEPT: usize = 32_768;
/// Brands a seller may have before some are no longer served; far beyond any real one.
const BRANDS_MAX: usize = 10_000;

/// Where a code leads. What a link leads to never changes, so a kept one is never stale.
#[derive(Debug)]
pub struct Destination {
    pub brand: BrandId,
    /// None: nothing that could stand in a header.
    pub target: Option<HeaderValue>,
    pub expires_at: Instant,
    /// Leads to the opt-out page.
    pub opt_out: bool,
    /// Whom the link was made for.
    pub subject: Option<SubjectId>,
}

impl From<&Link> for Destination {
    fn from(link: &Link) -> Destination {
        Destination {
            brand: link.brand.clone(),
            target: HeaderValue::from_str(&link.target).ok().filter(|v| !v.is_empty()),
            expires_at: link.expires_at,
            opt_out: link.opt_out,
            subject: link.subject,
        }
    }
}

type Hosts = HashMap<String, Arc<Brand>>;

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. What is asked for
/// moves on, what is not falls out; never more than twice [`LINKS_KEPT`].
#[derive(Default)]
struct Generations {
    young: HashMap<LinkCode, Arc<Destination>>,
    old: HashMap<LinkCode, Arc<Destination>>,
}

impl Generations {
    fn get(&mut self, code: &LinkCode) -> Option<Arc<Destination>> {
        if let Some(found) = self.young.get(code) {
            return Some(found.clone());
        }
        let found = self.old.remove(code)?;
        self.put(code.clone(), found.clone());
        Some(found)
    }
    fn put(&mut self, code: LinkCode, destination: Arc<Destination>) {
        if self.young.len() >= LINKS_KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(code, destination);
    }
}

/// Brands by host, and links of late.
pub struct Directory {
    kv: SharedKv,
    hosts: ArcSwap<Hosts>,
    links: Mutex<Generations>,
}

impl Directory {
    /// Reads the brands.
    pub fn open(kv: SharedKv) -> Result<Directory, StateError> {
        let directory = Directory { kv, hosts: ArcSwap::from_pointee(Hosts::new()), links: Mutex::default() };
        directory.reload()?;
        Ok(directory)
    }

    /// Reads the brands again, as after having missed news.
    pub fn reload(&self) -> Result<(), StateError> {
        let snapshot = self.kv.snapshot()?;
        let rows =
            State::over(&*snapshot).scan::<RegistryRow>(&keys::registry("brand", ""), None, BRANDS_MAX)?;
        let brands = rows.into_iter().filter_map(|(_, row)| match &row.object {
            Object::Brand(brand) if !brand.short_domain.is_empty() => {
                Some((name_of(&brand.short_domain), Arc::new(brand.clone())))
            }
            _ => None,
        });
        self.hosts.store(Arc::new(brands.collect()));
        Ok(())
    }

    /// Takes note of committed entries. Only a change of a brand says something new here.
    pub fn learn(&self, entries: &[Entry]) -> Result<(), StateError> {
        let brands = |e: &Entry| matches!(&e.body, Body::Registry(r) if matches!(r.object, Object::Brand(_)));
        if entries.iter().any(brands) { self.reload() } else { Ok(()) }
    }

    /// The brand whose short domain this host is; a port does not matter.
    pub fn brand(&self, host: &str) -> Option<Arc<Brand>> {
        self.hosts.load().get(&name_of(host)).cloned()
    }

    /// A link that was asked for of late.
    pub fn recent(&self, code: &LinkCode) -> Option<Arc<Destination>> {
        self.links.lock().get(code)
    }

    /// A link, read from the index. May block on the disk.
    pub fn read(&self, code: &LinkCode) -> Result<Option<Arc<Destination>>, StateError> {
        let snapshot = self.kv.snapshot()?;
        let Some(link) = State::over(&*snapshot).get::<Link>(&keys::link(code))? else { return Ok(None) };
        let destination = Arc::new(Destination::from(&*link));
        self.links.lock().put(code.clone(), destination.clone());
        Ok(Some(destination))
    }

    /// The index, for what is asked rarely.
    pub fn kv(&self) -> &SharedKv {
        &self.kv
    }
}

/// A host in lower case, without its port and trailing dot.
fn name_of(host: &str) -> String {
    let name = host.split(':').next().unwrap_or_default();
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_asked_for() {
        let mut kept = Generations::default();
        let code = |n: usize| format!("code{n}").parse::<LinkCode>().expect("a slug");
        let destination = Arc::new(Destination {
            brand: "main".parse().expect("a slug"),
            target: None,
            expires_at: Instant::EPOCH,
            opt_out: false,
            subject: None,
        });
        for n in 0..5 * LINKS_KEPT {
            kept.put(code(n), destination.clone());
            assert!(kept.get(&code(0)).is_some(), "asked for every time, {n}");
            assert!(kept.young.len() + kept.old.len() <= 2 * LINKS_KEPT);
        }
        assert!(kept.get(&code(1)).is_none(), "never asked for");
    }

    #[test]
    fn hosts_are_compared_without_port_case_or_dot() {
        for host in ["go.shop.example", "GO.shop.example:8080", "go.shop.example."] {
            assert_eq!(name_of(host), "go.shop.example", "{host}");
        }
    }
}
