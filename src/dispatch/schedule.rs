//! Who is next: earliest deadline first, fair by program, within what each lane and connection can take. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::lane::{Lane, Wait};
use crate::model::registry::{TaxIdCap, ThrottleGroup};
use crate::model::{ConnectionId, Instant, MessageId, ProgramId, SenderId, Span};

/// Messages kept ready in each lane: two minutes of its rate, within these bounds. The rest stays in the index, where it
/// is due: so a lane that rests or is slow takes no room from the others.
const READY_SECONDS: u64 = 120;
const READY_MIN: u64 = 2_000;
const READY_MAX: u64 = 50_000;
/// How often a part of everything due is looked through, for what found no room or came back.
const SWEEP_EVERY: Span = Span::seconds(1);

/// A message that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub message: MessageId,
    pub program: ProgramId,
    pub connection: ConnectionId,
    pub group: ThrottleGroup,
    /// What carriers let the company behind its sender send a day.
    pub cap: Option<TaxIdCap>,
    /// The sender, where it is not the one the message was accepted for.
    pub stands_in: Option<SenderId>,
    /// Another sender could carry it, should its connection come to rest.
    pub has_others: bool,
    pub parts: u32,
    /// When it loses its purpose: its own end, or the end of its window as last judged.
    pub deadline: Instant,
}

#[derive(Default)]
struct Queue {
    /// By program and connection, then deadline: of each the earliest first, whatever waits for one that rests.
    programs: BTreeMap<(ProgramId, ConnectionId), BTreeMap<(Instant, MessageId), Waiting>>,
    /// Messages each program has sent: the one with fewest goes first among equal deadlines.
    served: HashMap<ProgramId, u64>,
    messages: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slots {
    used: u32,
    most: u32,
    paused: bool,
}

/// A tax id's cap, and the parts that left on a date of its zone.
#[derive(Debug)]
pub struct DayCap {
    pub cap: TaxIdCap,
    /// Local date the parts were counted on; empty: they were not counted yet.
    pub day: String,
    pub parts: u64,
}

/// What is due and what may leave.
#[derive(Default)]
pub struct Schedule {
    lanes: BTreeMap<String, (Lane, Queue)>,
    slots: HashMap<ConnectionId, Slots>,
    known: HashSet<MessageId>,
    in_hand: HashMap<MessageId, ConnectionId>,
    /// By tax id: its cap and what left today.
    caps: BTreeMap<String, DayCap>,
    /// The last due message looked at; none: from the first.
    looked: Option<Vec<u8>>,
    /// The same of the sweep, and when it last moved.
    swept: Option<Vec<u8>>,
    swept_at: Option<Instant>,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// A permit is taken: ask for the intent of this message.
    Go(Waiting),
    /// Nothing can leave before then, as far as is known.
    WaitUntil(Instant),
    /// Nothing waits.
    Idle,
}

impl Schedule {
    /// Sets how many hand-overs a connection takes at once, and whether its lanes rest.
    /// Answers whether they began or ceased to rest.
    pub fn set_connection(&mut self, connection: &ConnectionId, most: u32, paused: bool) -> bool {
        let slots = self.slots.entry(connection.clone()).or_default();
        slots.most = most.max(1);
        std::mem::replace(&mut slots.paused, paused) != paused
    }

    /// Lets go of messages whose connection rests while others could carry them: the next sweep finds their way anew.
    pub fn reroute(&mut self) {
        let slots = &self.slots;
        let rests = |w: &Waiting| slots.get(&w.connection).is_none_or(|s| s.paused);
        let gone = |w: &Waiting| w.has_others && rests(w);
        for (_, queue) in self.lanes.values_mut() {
            queue.let_go(gone, &mut self.known);
        }
    }

    /// Lets go of everything that is not in hand: what is due is looked at from the first on, as it is now.
    pub fn begin_anew(&mut self) {
        for (_, queue) in self.lanes.values_mut() {
            queue.let_go(|_| true, &mut self.known);
        }
        self.looked = None;
    }

    /// Caps of tax ids and the local date each counts on, so that a new day can be told.
    pub fn caps(&mut self) -> impl Iterator<Item = &mut DayCap> {
        self.caps.values_mut()
    }

    /// Whether a group's lane has room for more.
    pub fn has_room(&self, group: &ThrottleGroup) -> bool {
        let most = (group.milli_parts_per_second / 1_000).saturating_mul(READY_SECONDS);
        let ready = self.lanes.get(&group.id).map_or(0, |(_, queue)| queue.messages);
        ready < most.clamp(READY_MIN, READY_MAX)
    }

    /// Whether a message is ready or in hand already.
    pub fn knows(&self, message: &MessageId) -> bool {
        self.known.contains(message)
    }

    /// After which due message to look for new ones. What became due behind it was told, or is found by a sweep.
    pub fn look_from(&self) -> Option<Vec<u8>> {
        self.looked.clone()
    }

    /// Everything up to this due message was looked at.
    pub fn looked(&mut self, last: Option<Vec<u8>>) {
        self.looked = last;
    }

    /// After which due message to sweep on, when it is time to.
    pub fn sweep_from(&self, now: Instant) -> Option<Option<Vec<u8>>> {
        let due = self.swept_at.is_none_or(|at| now < at || now.since(at) >= SWEEP_EVERY);
        due.then(|| self.swept.clone())
    }

    /// The sweep came as far as this due message; none: to the end, so it begins anew.
    pub fn swept(&mut self, last: Option<Vec<u8>>, now: Instant) {
        (self.swept, self.swept_at) = (last, Some(now));
    }

    /// Takes in a due message, once.
    pub fn add(&mut self, waiting: Waiting, now: Instant) {
        if !self.known.insert(waiting.message) {
            return;
        }
        let id = waiting.group.id.clone();
        let (lane, queue) =
            self.lanes.entry(id).or_insert_with(|| (Lane::new(waiting.group.clone(), now), Queue::default()));
        if *lane.group() != waiting.group {
            // Without a date: what left today is counted before the next permit.
            *lane = Lane::new(waiting.group.clone(), now);
        }
        if let Some(cap) = &waiting.cap {
            let fresh = || DayCap { cap: cap.clone(), day: String::new(), parts: 0 };
            let known = self.caps.entry(cap.tax_id.clone()).or_insert_with(fresh);
            if known.cap != *cap {
                *known = fresh();
            }
        }
        queue.messages += 1;
        let program =
            queue.programs.entry((waiting.program.clone(), waiting.connection.clone())).or_default();
        program.insert((waiting.deadline, waiting.message), waiting);
    }

    /// Throttle groups and the local date each counts on, so that a new day can be told with [`Lane::set_day`].
    pub fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.values_mut().map(|(lane, _)| lane)
    }

    /// The next message that may leave now. Its permit is taken: call [`Schedule::done`] when it is over.
    pub fn next(&mut self, now: Instant) -> Next {
        let mut wake: Option<Instant> = None;
        let mut idle = true;
        for (lane, queue) in self.lanes.values_mut() {
            let Some(first) = queue.first(&self.slots) else { continue };
            idle = false;
            let cap = first.cap.as_ref().and_then(|cap| self.caps.get_mut(&cap.tax_id));
            let spent = cap.as_ref().is_some_and(|c| c.parts + u64::from(first.parts) > c.cap.parts_per_day);
            let permit = if spent { Err(Wait::Tomorrow) } else { lane.take(first.parts, now) };
            match permit {
                Ok(()) => {
                    if let Some(cap) = cap {
                        cap.parts += u64::from(first.parts);
                    }
                    let waiting = queue.take(&first);
                    self.slots.entry(waiting.connection.clone()).or_default().used += 1;
                    self.in_hand.insert(waiting.message, waiting.connection.clone());
                    return Next::Go(waiting);
                }
                Err(Wait::For(span)) => wake = Some(wake.map_or(now + span, |w| w.min(now + span))),
                Err(Wait::Tomorrow) => {
                    wake = Some(wake.map_or(now + Span::minutes(1), |w| w.min(now + Span::minutes(1))));
                }
            }
        }
        match wake {
            Some(at) => Next::WaitUntil(at),
            None if idle => Next::Idle,
            None => Next::WaitUntil(now + Span::seconds(1)),
        }
    }

    /// The message's hand-over is over, whatever came of it: its slot is free, and it may come again when it is due.
    pub fn done(&mut self, message: &MessageId) {
        if let Some(connection) = self.in_hand.remove(message)
            && let Some(slots) = self.slots.get_mut(&connection)
        {
            slots.used = slots.used.saturating_sub(1);
        }
        self.known.remove(message);
    }

    /// Whether its hand-over is under way.
    pub fn is_in_hand(&self, message: &MessageId) -> bool {
        self.in_hand.contains_key(message)
    }

    /// Hand-overs under way.
    pub fn in_hand(&self) -> usize {
        self.in_hand.len()
    }

    /// By group, how many of its messages cannot leave before their deadlines at the contracted rate.
    pub fn will_miss(&self, now: Instant) -> Vec<(String, usize)> {
        let late = |(id, (lane, queue)): (&String, &(Lane, Queue))| {
            let mut all: Vec<&Waiting> = queue.programs.values().flat_map(BTreeMap::values).collect();
            all.sort_by_key(|w| w.deadline);
            let mut ahead = 0;
            let late = all.into_iter().filter(|waiting| {
                ahead += u64::from(waiting.parts);
                now + lane.group().drain_time(ahead) > waiting.deadline
            });
            (id.clone(), late.count())
        };
        self.lanes.iter().map(late).collect()
    }
}

impl Queue {
    /// The message to go first: the earliest deadline to the minute; among those, the program served least.
    fn first(&self, slots: &HashMap<ConnectionId, Slots>) -> Option<Waiting> {
        let open = |id: &ConnectionId| slots.get(id).is_some_and(|s| !s.paused && s.used < s.most);
        let ready = self.programs.iter().filter(|((_, connection), _)| open(connection));
        let candidates = ready.filter_map(|((program, _), waiting)| {
            let first = waiting.values().next()?;
            let minute = first.deadline.as_seconds().div_euclid(60);
            Some(((minute, self.served.get(program).copied().unwrap_or(0)), first))
        });
        candidates.min_by_key(|(rank, first)| (*rank, first.message)).map(|(_, first)| first.clone())
    }

    /// Forgets some of what waits, as if it had never been taken in.
    fn let_go(&mut self, gone: impl Fn(&Waiting) -> bool, known: &mut HashSet<MessageId>) {
        let messages = &mut self.messages;
        for waiting in self.programs.values_mut() {
            waiting.retain(|_, w| {
                let goes = gone(w);
                if goes {
                    known.remove(&w.message);
                    *messages -= 1;
                }
                !goes
            });
        }
        self.programs.retain(|_, waiting| !waiting.is_empty());
    }

    fn take(&mut self, first: &Waiting) -> Waiting {
        *self.served.entry(first.program.clone()).or_default() += 1;
        self.messages -= 1;
        let key = (first.deadline, first.message);
        let mut empty = false;
        let way = (first.program.clone(), first.connection.clone());
        let taken = self.programs.get_mut(&way).and_then(|waiting| {
            let taken = waiting.remove(&key);
            empty = waiting.is_empty();
            taken
        });
        if empty {
            self.programs.remove(&way);
        }
        taken.unwrap_or_else(|| first.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::rows::keys;

    fn waiting(n: u8, program: &str, deadline: i64) -> Waiting {
        Waiting {
            message: MessageId([n; 16]),
            program: program.parse().expect("slug"),
            connection: "c".parse().expect("slug"),
            group: ThrottleGroup {
                id: "g".to_owned(),
                milli_parts_per_second: 10_000,
                parts_per_day: None,
                reset_zone: "UTC".to_owned(),
            },
            cap: None,
            stands_in: None,
            has_others: false,
            parts: 1,
            deadline: Instant::from_seconds(deadline),
        }
    }

    fn order(schedule: &mut Schedule, now: Instant) -> Vec<u8> {
        let mut order = Vec::new();
        while let Next::Go(w) = schedule.next(now) {
            order.push(w.message.0[0]);
            schedule.done(&w.message);
        }
        order
    }

    #[test]
    fn earliest_deadline_first_then_fair_by_program() {
        let now = Instant::from_seconds(0);
        let mut schedule = Schedule::default();
        schedule.set_connection(&"c".parse().expect("slug"), 10, false);
        for (n, program, deadline) in
            [(1, "a", 600), (2, "a", 600), (3, "a", 600), (4, "b", 600), (5, "b", 60)]
        {
            schedule.add(waiting(n, program, deadline), now);
        }
        let order = order(&mut schedule, now);
        assert_eq!(order[0], 5, "the only one that is nearly late");
        assert!(order.iter().position(|n| *n == 4) < Some(4), "b is not starved by a: {order:?}");
    }

    #[test]
    fn paused_and_full_connections_hold_their_messages_back() {
        let now = Instant::from_seconds(0);
        let connection: ConnectionId = "c".parse().expect("slug");
        let mut schedule = Schedule::default();
        schedule.add(waiting(1, "a", 600), now);
        schedule.add(waiting(2, "a", 600), now);
        assert_eq!(schedule.next(now), Next::Idle, "an unknown connection takes nothing");
        schedule.set_connection(&connection, 1, true);
        assert_eq!(schedule.next(now), Next::Idle);
        schedule.set_connection(&connection, 1, false);
        assert!(matches!(schedule.next(now), Next::Go(_)));
        assert_eq!(schedule.next(now), Next::Idle, "its one slot is taken");
        schedule.done(&MessageId([1; 16]));
        assert!(matches!(schedule.next(now), Next::Go(_)));
    }

    #[test]
    fn what_cannot_leave_in_time_is_counted_by_group() {
        let now = Instant::from_seconds(0);
        let mut schedule = Schedule::default();
        // Ten parts a second: of 30, those after the twentieth are past two seconds.
        (0..30).for_each(|n| schedule.add(waiting(n, "a", 2), now));
        assert_eq!(schedule.will_miss(now), [("g".to_owned(), 10)]);
    }

    #[test]
    fn a_lane_that_rests_takes_no_room_from_another() {
        let now = Instant::from_seconds(0);
        let mut schedule = Schedule::default();
        let id =
            |n: u16| MessageId([n.to_be_bytes(), [0; 2]].concat().repeat(4).try_into().expect("16 bytes"));
        let one = |n: u16| Waiting { message: id(n), ..waiting(0, "a", 600) };
        for n in 0..READY_MIN as u16 {
            assert!(schedule.has_room(&one(n).group), "{n}");
            schedule.add(one(n), now);
        }
        let full = one(0).group;
        assert!(!schedule.has_room(&full));
        assert!(schedule.has_room(&ThrottleGroup { id: "other".to_owned(), ..full.clone() }));
        schedule.set_connection(&"c".parse().expect("slug"), 10, false);
        assert!(matches!(schedule.next(now), Next::Go(_)));
        assert!(schedule.has_room(&full), "one left");
    }

    #[test]
    fn looks_go_on_where_the_last_ended_and_sweeps_begin_anew() {
        let at = Instant::from_seconds;
        let mut schedule = Schedule::default();
        assert_eq!((schedule.look_from(), schedule.sweep_from(at(10))), (None, Some(None)));
        let last = keys::due(at(5), &MessageId([7; 16]));
        schedule.looked(Some(last.clone()));
        assert_eq!(schedule.look_from(), Some(last.clone()));
        schedule.swept(Some(last.clone()), at(10));
        assert_eq!((schedule.sweep_from(at(10)), schedule.sweep_from(at(11))), (None, Some(Some(last))));
    }

    #[test]
    fn a_tax_id_has_one_day_over_all_its_numbers() {
        let now = Instant::from_seconds(0);
        let mut schedule = Schedule::default();
        schedule.set_connection(&"c".parse().expect("slug"), 10, false);
        let cap = TaxIdCap { tax_id: "12-3456789".into(), parts_per_day: 3, reset_zone: "UTC".into() };
        for n in 0..6 {
            let group = ThrottleGroup { id: format!("g{}", n % 2), ..waiting(n, "a", 600).group };
            let cap = Some(cap.clone()).filter(|_| n < 5);
            schedule.add(Waiting { group, cap, parts: 2, ..waiting(n, "a", 600) }, now);
        }
        schedule.caps().for_each(|c| (c.day, c.parts) = ("1970-01-01".to_owned(), 0));
        assert_eq!(order(&mut schedule, now).len(), 1, "two of three parts; the next message would be four");
        schedule.caps().for_each(|c| (c.day, c.parts) = ("1970-01-02".to_owned(), 0));
        assert_eq!(order(&mut schedule, now).len(), 1, "a new day");
    }

    #[test]
    fn what_rests_is_let_go_where_others_could_carry_it() {
        let now = Instant::from_seconds(0);
        let connection: ConnectionId = "c".parse().expect("slug");
        let mut schedule = Schedule::default();
        assert!(!schedule.set_connection(&connection, 10, false));
        schedule.add(Waiting { has_others: true, ..waiting(1, "a", 600) }, now);
        schedule.add(waiting(2, "a", 600), now);
        schedule.reroute();
        assert!(schedule.knows(&MessageId([1; 16])), "its connection is well");
        assert!(schedule.set_connection(&connection, 10, true));
        schedule.reroute();
        assert!(!schedule.knows(&MessageId([1; 16])) && schedule.knows(&MessageId([2; 16])));
        schedule.set_connection(&connection, 10, false);
        assert_eq!(order(&mut schedule, now), [2], "the other is left");
    }

    #[test]
    fn a_message_is_ready_once() {
        let now = Instant::from_seconds(0);
        let mut schedule = Schedule::default();
        schedule.set_connection(&"c".parse().expect("slug"), 10, false);
        schedule.add(waiting(1, "a", 600), now);
        schedule.add(waiting(1, "a", 600), now);
        assert_eq!(order(&mut schedule, now), [1]);
        assert_eq!(schedule.will_miss(now), [("g".to_owned(), 0)]);
    }
}
