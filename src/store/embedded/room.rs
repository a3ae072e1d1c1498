//! Room on the data volume: what is refused when it runs low, and the space held back for who may not be refused.

use crate::disk::{Reserve, SharedDisk, Space};
use crate::model::{Instant, Span};
use crate::telemetry::metrics;
use crate::writer::Room;

use super::DataDir;

/// Space kept back so that an opt-out can still be written on a full volume. Small in tests, whose disks are memory.
pub(super) const RESERVE_BYTES: u64 = if cfg!(test) { 1 << 20 } else { 256 << 20 };
/// Below this the reserve is given up before anything fails: the index writes to the same volume, and an engine that
/// met a full one cannot be used until the next start.
const GIVE_UP_BELOW: u64 = RESERVE_BYTES / 4;
/// Least time between two looks.
const LOOK_EVERY: Span = Span::seconds(1);
/// However large the volume, this much is room enough: a tenth of a large one would be idle for ever.
const LOW_MAX: u64 = 2 << 30;
const SCARCE_MAX: u64 = 1 << 30;

/// What a volume with this much room can still take: below a tenth nothing of what callers ask for, below a twentieth
/// no intents either; on volumes over 20 GiB below 2 GiB and 1 GiB.
pub(super) fn room_in(space: Space) -> Room {
    if space.available < (space.total / 20).min(SCARCE_MAX) {
        Room::Scarce
    } else if space.available < (space.total / 10).min(LOW_MAX) {
        Room::Low
    } else {
        Room::Enough
    }
}

/// Watches the volume of a data folder.
pub(super) struct Volume {
    disk: SharedDisk,
    dir: DataDir,
    reserve: Option<Reserve>,
    held: bool,
    room: Room,
    looked_at: Instant,
}

impl Volume {
    /// Takes a first look, and holds space back if `reserve` says so.
    pub fn open(disk: &SharedDisk, dir: &DataDir, reserve: bool) -> Volume {
        let reserve = reserve.then(|| Reserve::new(disk.clone(), &dir.reserve(), RESERVE_BYTES));
        let mut volume = Volume {
            disk: disk.clone(),
            dir: dir.clone(),
            reserve,
            held: false,
            room: Room::Enough,
            looked_at: Instant::EPOCH,
        };
        volume.hold();
        volume.see();
        volume
    }

    /// Room as last seen.
    pub fn room(&self) -> Room {
        self.room
    }

    /// Looks again, at most once a second.
    pub fn look(&mut self, now: Instant) {
        if now.since(self.looked_at) >= LOOK_EVERY || now < self.looked_at {
            self.looked_at = now;
            self.see();
        }
    }

    fn see(&mut self) {
        // A volume that cannot be asked is not therefore full; the writes themselves will tell.
        let Ok(space) = self.disk.space(&self.dir.0) else { return };
        metrics::disk(space.available, self.held);
        self.turn_to(room_in(space), space.available);
        if self.held && space.available < GIVE_UP_BELOW {
            self.give_up();
        } else if !self.held && self.room == Room::Enough && space.available > 2 * RESERVE_BYTES {
            self.hold();
        }
    }

    fn turn_to(&mut self, room: Room, available: u64) {
        if room == self.room {
            return;
        }
        let mib = available >> 20;
        match room {
            Room::Enough => tracing::info!(mib, "the data volume has room again; everything is taken in"),
            Room::Low => tracing::error!(mib, "the data volume runs low: what callers ask for is refused"),
            Room::Scarce => {
                tracing::error!(
                    mib,
                    "the data volume is nearly full: nothing leaves, opt-outs are still recorded"
                )
            }
        }
        self.room = room;
    }

    fn hold(&mut self) {
        let Some(reserve) = &self.reserve else { return };
        match reserve.hold() {
            Ok(()) => self.held = true,
            Err(e) => {
                tracing::warn!(error = %e, "no space could be held back for opt-outs on a full volume");
                // Asking every second would write and delete for nothing; the next start tries again.
                self.reserve = None;
            }
        }
    }

    /// Gives the space held back to whoever has to write now. Answers whether there was any.
    pub fn give_up(&mut self) -> bool {
        let Some(reserve) = self.reserve.as_ref().filter(|_| self.held) else { return false };
        match reserve.release() {
            Ok(()) => {
                tracing::error!("the volume is full: the reserve was given up so that opt-outs still fit")
            }
            Err(e) => {
                tracing::error!(error = %e, "the volume is full and the reserve cannot be given up");
                return false;
            }
        }
        self.held = false;
        self.room = Room::Scarce;
        true
    }
}
