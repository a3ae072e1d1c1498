//! Installations of apps: reported, forgotten, declared dead by their push service.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Target;
use super::registry::OBJECTS_MAX;
use crate::ledger::body::{Body, DeviceBody, DeviceCause};
use crate::ledger::entry::Public;
use crate::ledger::rows::{DestinationRow, DeviceRow, keys};
use crate::model::device::{Destination, Device, OsPermission, PushPlatform};
use crate::model::location::{LocationHint, LocationSource};
use crate::model::outgoing::{Message, ProviderError};
use crate::model::subject::Address;
use crate::model::{BrandId, CustomerId, Instant, Span, SubjectId, ZoneName};
use crate::provider::web_push::{PUSH_HOSTS, endpoint_at, named_hosts};
use crate::writer::{Cx, Op, OpError, Priority};

/// A report that changes nothing is written down again only after this long: apps report at every start.
const SEEN_EVERY: Span = Span::hours(24);

/// Writes an installation as its app reports it.
#[derive(Debug, Clone)]
pub struct UpsertDevice {
    pub brand: BrandId,
    pub app: String,
    pub installation: String,
    pub platform: PushPlatform,
    /// None: nothing can be sent there.
    pub destination: Option<Destination>,
    pub permission: OsPermission,
    pub channel_enabled: bool,
    pub time_zone: Option<ZoneName>,
    pub customer: Option<CustomerId>,
    pub locale: String,
    /// When the app saw this; what is older than what is known changes nothing.
    pub observed_at: Instant,
    pub actor: String,
}

/// An installation as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownDevice {
    pub address: Address,
    pub device: Device,
}

impl Op for UpsertDevice {
    type Answer = KnownDevice;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<KnownDevice, OpError> {
        cx.known_brand(&self.brand)?;
        demand_push_service(cx, self.destination.as_ref())?;
        let address = Address::Device { app: self.app.clone(), installation: self.installation.clone() };
        let (known, _) = cx.find_subject(&address)?;
        let old = match &known {
            Some(subject) => cx.device(&subject.id)?.map(|row| row.device.clone()),
            None => None,
        };
        let device = self.as_it_stands(old.as_ref(), cx.now);
        if let Some(old) = old.filter(|old| is_no_news(old, &device)) {
            return Ok(KnownDevice { address, device: old });
        }
        if let Some(customer) = &device.customer {
            cx.demand_room_for_tie(known.as_deref(), customer)?;
        }
        let mine = known.as_ref().map(|subject| subject.id);
        let other = match device.live() {
            Some(place) => holder(cx, &place.fingerprint(device.platform))?.filter(|id| Some(*id) != mine),
            None => None,
        };
        // From here on nothing fails for a reason of the request.
        if let Some(other) = other {
            move_away(cx, &other, &self.actor)?;
        }
        let subject = cx.subject_for(&address)?;
        let hints = device.time_zone.iter().map(|zone| hint(zone, device.observed_at)).collect();
        write(cx, subject, DeviceCause::Reported, device.clone(), hints, None, &self.actor)?;
        Ok(KnownDevice { address, device })
    }
}

impl UpsertDevice {
    /// What is known after this report.
    fn as_it_stands(&self, old: Option<&Device>, now: Instant) -> Device {
        let same_place =
            old.filter(|old| old.platform == self.platform && old.destination == self.destination);
        // An app that reports a place again after its death says that it lives again; the push service will tell.
        let dead_at = same_place.and_then(|old| old.dead_at).filter(|dead| self.observed_at <= *dead);
        let revived = same_place.is_some_and(|old| old.dead_at.is_some() && dead_at.is_none());
        Device {
            brand: self.brand.clone(),
            platform: self.platform,
            destination: self.destination.clone(),
            destination_at: same_place.filter(|_| !revived).map_or(now, |old| old.destination_at),
            dead_at,
            permission: self.permission,
            channel_enabled: self.channel_enabled,
            time_zone: self.time_zone.clone(),
            customer: self.customer.clone(),
            locale: self.locale.clone(),
            observed_at: self.observed_at,
            created_at: old.map_or(now, |old| old.created_at),
            updated_at: now,
        }
    }
}

/// Whether a report is older than what is known, or says the same again within a day.
fn is_no_news(old: &Device, new: &Device) -> bool {
    let same = Device { observed_at: old.observed_at, updated_at: old.updated_at, ..new.clone() } == *old;
    let (seen, now) = (old.observed_at, new.observed_at);
    now < seen || same && now.since(seen) < SEEN_EVERY
}

fn hint(zone: &ZoneName, observed_at: Instant) -> LocationHint {
    LocationHint {
        source: LocationSource::Device,
        country: String::new(),
        region: String::new(),
        postal_code: String::new(),
        time_zone: zone.as_str().to_owned(),
        observed_at,
    }
}

/// A browser's endpoint comes from anybody: one that is no push service is not even kept.
fn demand_push_service(cx: &mut Cx<'_>, destination: Option<&Destination>) -> Result<(), OpError> {
    let Some(Destination::Subscription { endpoint, .. }) = destination else { return Ok(()) };
    let mut named = Vec::new();
    for connection in cx.connections(OBJECTS_MAX)?.iter().filter(|c| c.provider == "web_push") {
        let settings = connection.settings.iter().filter(|(name, _)| name == PUSH_HOSTS);
        named.extend(settings.flat_map(|(_, hosts)| named_hosts(hosts)));
    }
    match endpoint_at(endpoint, &named) {
        Some(_) => Ok(()),
        None => Err(OpError::Invalid {
            field: "device.subscription.endpoint",
            rule: "must be at a push service that docs/providers.md lists, or one that push_hosts of a connection names"
                .to_owned(),
        }),
    }
}

fn holder(cx: &mut Cx<'_>, fingerprint: &[u8; 32]) -> Result<Option<SubjectId>, OpError> {
    let row = cx.get::<DestinationRow>(&keys::destination(fingerprint))?;
    Ok(row.map(|row| row.subject))
}

/// A destination has one installation: the one that reported it last. An app that was reinstalled, or restored from a
/// backup, would otherwise be reached under a name whose wishes are old.
fn move_away(cx: &mut Cx<'_>, from: &SubjectId, actor: &str) -> Result<(), OpError> {
    let Some(row) = cx.device(from)? else { return Ok(()) };
    let device = Device { destination: None, dead_at: None, updated_at: cx.now, ..row.device.clone() };
    write(cx, *from, DeviceCause::Moved, device, Vec::new(), None, actor)
}

/// Forgets where an installation is reached.
#[derive(Debug, Clone)]
pub struct DeleteDevice {
    pub app: String,
    pub installation: String,
    pub actor: String,
}

impl Op for DeleteDevice {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let address = Address::Device { app: self.app, installation: self.installation };
        let Some(known) = known_device(cx, &address)? else {
            return Err(OpError::NotFound { what: "device of app", id: app_of(&address) });
        };
        let (subject, device) = known;
        if device.destination.is_none() {
            return Ok(());
        }
        let device = Device { destination: None, dead_at: None, updated_at: cx.now, ..device };
        write(cx, subject, DeviceCause::Removed, device, Vec::new(), None, &self.actor)
    }
}

/// An installation names a person: an error shows its app alone.
fn app_of(address: &Address) -> String {
    match address {
        Address::Device { app, .. } => app.clone(),
        Address::Phone(_) => String::new(),
    }
}

/// The installation at an address, if there is one.
pub fn known_device(cx: &mut Cx<'_>, address: &Address) -> Result<Option<(SubjectId, Device)>, OpError> {
    let (Some(subject), _) = cx.find_subject(address)? else { return Ok(None) };
    Ok(cx.device(&subject.id)?.map(|row| (subject.id, row.device.clone())))
}

/// Writes down that the push service called a message's destination dead. It is the address that is gone: consents and
/// opt-outs stay. A destination reported after the message's intent is another one, and lives on.
pub(super) fn declare_dead(cx: &mut Cx<'_>, message: &Message, error: &ProviderError) -> Result<(), OpError> {
    let subject = message.spec.subject;
    let Some(row) = cx.device(&subject)? else { return Ok(()) };
    let newer = message.intent_at.is_some_and(|intent| row.device.destination_at > intent);
    if newer || row.device.live().is_none() {
        return Ok(());
    }
    let device = Device { dead_at: Some(cx.now), updated_at: cx.now, ..row.device.clone() };
    write(cx, subject, DeviceCause::Dead, device, Vec::new(), Some((message, error)), "gateway")
}

fn write(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    cause: DeviceCause,
    device: Device,
    hints: Vec<LocationHint>,
    said: Option<(&Message, &ProviderError)>,
    actor: &str,
) -> Result<(), OpError> {
    let name = match cause {
        DeviceCause::Reported => "REPORTED",
        DeviceCause::Removed => "REMOVED",
        DeviceCause::Dead => "DEAD",
        DeviceCause::Moved => "MOVED",
    };
    let public = Public { channel: "PUSH".to_owned(), outcome: name.to_owned(), ..Public::default() };
    let brand = device.brand.clone();
    let body = DeviceBody {
        cause,
        device,
        hints,
        error: said.map(|(_, error)| error.clone()),
        message: said.map(|(message, _)| message.spec.id),
        actor: actor.to_owned(),
    };
    cx.emit(subject, Some(&brand), public, Body::Device(Box::new(body))).map(|_| ())
}

impl Cx<'_> {
    /// What is known of a subject's installation; none for a telephone.
    pub fn device(&mut self, subject: &SubjectId) -> Result<Option<Arc<DeviceRow>>, OpError> {
        self.get::<DeviceRow>(&keys::device(subject))
    }

    /// Installations of an app (empty: of all), oldest first within an app, behind a key, at most `limit`.
    pub fn app_devices(
        &mut self,
        app: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, KnownDevice)>, OpError> {
        use crate::ledger::rows::AppDeviceRow;
        let rows = self.state.scan::<AppDeviceRow>(&keys::app_devices(app), after, limit)?;
        let mut found = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let address = self.subject(&row.subject)?.address.clone();
            if let Some(known) = self.device(&row.subject)? {
                found.push((key, KnownDevice { address, device: known.device.clone() }));
            }
        }
        Ok(found)
    }

    /// Installations among the addresses of a customer.
    pub fn customer_devices(&mut self, customer: &CustomerId) -> Result<Vec<KnownDevice>, OpError> {
        let mut found = Vec::new();
        for subject in self.subjects_of(&Target::Customer(customer.clone()))? {
            if let Some(row) = self.device(&subject.id)? {
                found.push(KnownDevice { address: subject.address.clone(), device: row.device.clone() });
            }
        }
        found.sort_by_key(|known| known.device.created_at);
        Ok(found)
    }
}
