//! What entries do to an installation: its row, its place in the list of its app, and who has a destination.

use super::person::{join_customer, merge_hints};
use super::{FoldError, put_subject, subject_of};
use crate::ledger::body::DeviceBody;
use crate::ledger::entry::Entry;
use crate::ledger::rows::{AppDeviceRow, DestinationRow, DeviceRow, keys};
use crate::ledger::state::State;
use crate::model::SubjectId;
use crate::model::device::Device;
use crate::model::subject::{Address, Subject};

pub(super) fn device(state: &mut State<'_>, entry: &Entry, body: &DeviceBody) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    merge_hints(&mut subject, &body.hints);
    if let Some(customer) = &body.device.customer {
        join_customer(state, &mut subject, customer)?;
    }
    let key = keys::device(&subject.id);
    let old = state.get::<DeviceRow>(&key)?;
    let listed = old.as_ref().map_or(entry.index, |row| row.listed);
    if let Some(old) = &old {
        give_up(state, &subject.id, &old.device)?;
    } else if let Address::Device { app, .. } = &subject.address {
        state.put(keys::app_device(app, listed), AppDeviceRow { subject: subject.id });
    }
    if let Some(destination) = body.device.live() {
        let print = destination.fingerprint(body.device.platform);
        state.put(keys::destination(&print), DestinationRow { subject: subject.id });
    }
    state.put(key, DeviceRow { device: body.device.clone(), listed });
    put_subject(state, subject);
    Ok(())
}

/// The destination is nobody's any more, if it was this installation's.
fn give_up(state: &mut State<'_>, id: &SubjectId, device: &Device) -> Result<(), FoldError> {
    let Some(destination) = &device.destination else { return Ok(()) };
    let key = keys::destination(&destination.fingerprint(device.platform));
    if state.get::<DestinationRow>(&key)?.is_some_and(|row| row.subject == *id) {
        state.delete(key);
    }
    Ok(())
}

/// Takes away what is known of an installation whose person is erased.
pub(super) fn forget(state: &mut State<'_>, subject: &Subject) -> Result<(), FoldError> {
    let key = keys::device(&subject.id);
    let Some(row) = state.get::<DeviceRow>(&key)? else { return Ok(()) };
    give_up(state, &subject.id, &row.device)?;
    if let Address::Device { app, .. } = &subject.address {
        state.delete(keys::app_device(app, row.listed));
    }
    state.delete(key);
    Ok(())
}
