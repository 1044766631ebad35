//! Who can know what: whose things a job reads, by which ways and as whom, and which hours its runs have read.
//!
//! Several jobs may share a warehouse. What one of them could not read is not filled by another that reads other people, by fewer
//! ways, or as an app that sees less; and what one may not see is no evidence of anything.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::ids::{OrganizerId, stable_hash};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::job::plan::{DiscoverBy, OrganizersPlan, SourcesPlan, UsersPlan};
use crate::time::{EventDate, WarehouseTimezone};

/// Between whose things are read and how, in `gaps.scope`.
const BY: char = '/';
/// Between two ways.
const AND: char = '+';
/// Everything of the source that the principal may see.
const ALL: &str = "all";

/// As whom a job asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Client id of the app, where the job names it.
    pub app: Option<String>,
    /// Object id of the user who signed in, or what stands for that user.
    pub user: String,
}

/// What a job reads of one source: whose, by which ways, as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingScope {
    whose: String,
    ways: BTreeSet<String>,
}

impl ReadingScope {
    /// The scope of a source that a job reads; `None` where it does not.
    pub fn of(source: Source, sources: &SourcesPlan, principal: &Principal) -> Option<Self> {
        let hashed = |kind: &str, names: &[String]| {
            let names: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
            let hash = stable_hash(names.iter().map(String::as_str));
            format!("{kind}:{hash}")
        };
        let me = || format!("me:{}", principal.user);
        let virtual_events = match source {
            Source::OnlineMeeting => {
                let plan = sources.online_meetings.as_ref()?;
                let whose = match &plan.users {
                    UsersPlan::All => ALL.to_owned(),
                    UsersPlan::Me => me(),
                    UsersPlan::Listed(names) => hashed("users", names),
                    UsersPlan::Group(id) => format!("group:{}", id.to_lowercase()),
                };
                let ways = plan.discover.iter().map(|way| way.as_str().to_owned());
                return Some(Self {
                    whose,
                    ways: ways.collect(),
                });
            }
            Source::Webinar => sources.webinars.as_ref()?,
            Source::TownHall => sources.town_halls.as_ref()?,
        };
        let whose = match &virtual_events.organizers {
            // Graph leaves out events whose organizer has no policy for this app, so another app's list is another list
            OrganizersPlan::All => match &principal.app {
                Some(app) => format!("{ALL}@{}", app.to_lowercase()),
                None => ALL.to_owned(),
            },
            OrganizersPlan::Me => me(),
            OrganizersPlan::Listed(names) => hashed("organizers", names),
        };
        Some(Self {
            whose,
            ways: BTreeSet::new(),
        })
    }

    /// The value of `gaps.scope`.
    pub fn name(&self) -> String {
        let mut name = self.whose.clone();
        for (number, way) in self.ways.iter().enumerate() {
            name.push(if number == 0 { BY } else { AND });
            name.push_str(way);
        }
        name
    }

    /// Whether a reading of this scope sees whatever a gap of another says is missing. Rows of earlier versions name none.
    pub fn covers(&self, gap_scope: Option<&str>) -> bool {
        let Some(other) = gap_scope else { return true };
        let (whose, ways) = other.split_once(BY).unwrap_or((other, ""));
        let mut ways = ways.split(AND).filter(|way| !way.is_empty());
        (self.whose == ALL || self.whose == whose) && ways.all(|way| self.ways.contains(way))
    }
}

/// Whose sessions a run may ask about again: those of organizers that its job reads.
#[derive(Debug, Default)]
pub struct Readable(Mutex<BTreeMap<Source, Whose>>);

#[derive(Debug)]
enum Whose {
    Everybody,
    /// Object ids in small letters.
    These(HashSet<String>),
}

impl Readable {
    /// What a job reads, before it is known who its users are.
    pub fn of(sources: &SourcesPlan) -> Self {
        let mut whose = BTreeMap::new();
        if let Some(plan) = &sources.online_meetings {
            // a list of meetings alone is about nobody but its organizers
            let reads_users = plan.discover.iter().any(|way| *way != DiscoverBy::Listed);
            let is_of_all = reads_users && plan.users == UsersPlan::All;
            whose.insert(Source::OnlineMeeting, Whose::new(is_of_all));
        }
        for (source, plan) in [
            (Source::Webinar, &sources.webinars),
            (Source::TownHall, &sources.town_halls),
        ] {
            if let Some(plan) = plan {
                whose.insert(source, Whose::new(plan.organizers == OrganizersPlan::All));
            }
        }
        Self(Mutex::new(whose))
    }

    /// An organizer is of the job.
    pub fn add(&self, source: Source, organizer: &OrganizerId) {
        let mut whose = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Whose::These(ids)) = whose.get_mut(&source) {
            ids.insert(organizer.as_str().to_ascii_lowercase());
        }
    }

    /// Whether the organizer's sessions are the job's; without one, whether everybody's are.
    pub fn has(&self, source: Source, organizer: Option<&OrganizerId>) -> bool {
        let whose = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (whose.get(&source), organizer) {
            (Some(Whose::Everybody), _) => true,
            (Some(Whose::These(ids)), Some(id)) => ids.contains(&id.as_str().to_ascii_lowercase()),
            (Some(Whose::These(_)), None) | (None, _) => false,
        }
    }

    /// Whether the job reads single organizers of the source, and none is known yet.
    pub fn is_unresolved(&self, source: Source) -> bool {
        let whose = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(whose.get(&source), Some(Whose::These(ids)) if ids.is_empty())
    }
}

impl Whose {
    fn new(is_of_all: bool) -> Self {
        if is_of_all {
            Self::Everybody
        } else {
            Self::These(HashSet::new())
        }
    }
}

/// Which hours were read, by whose runs: folded from the rows of `runs`.
#[derive(Debug, Clone, Default)]
pub struct Coverage(BTreeMap<String, Vec<DataInterval>>);

impl Coverage {
    /// A run of a scope (`runs.scope_hash`) has read the interval.
    pub fn add(&mut self, scope_hash: &str, interval: DataInterval) {
        let read = self.0.entry(scope_hash.to_owned()).or_default();
        read.push(interval);
        read.sort_unstable_by_key(|interval| (interval.start(), interval.end()));
        let mut joined: Vec<DataInterval> = Vec::with_capacity(read.len());
        for next in read.drain(..) {
            match joined.last_mut() {
                Some(last) if next.start() <= last.end() => {
                    let end = last.end().max(next.end());
                    if let Some(both) = DataInterval::new(last.start(), end) {
                        *last = both;
                    }
                }
                _ => joined.push(next),
            }
        }
        *read = joined;
    }

    /// Whether runs of the scope have read all of the interval.
    pub fn covers(&self, scope_hash: &str, interval: &DataInterval) -> bool {
        let mut read = self.0.get(scope_hash).into_iter().flatten();
        read.any(|read| read.start() <= interval.start() && interval.end() <= read.end())
    }

    /// Whether runs of the scope have read a day from midnight to midnight.
    pub fn covers_day(
        &self,
        scope_hash: &str,
        day: EventDate,
        timezone: &WarehouseTimezone,
    ) -> bool {
        let (start, end) = (timezone.midnight(day), timezone.midnight(day.plus_days(1)));
        DataInterval::new(start, end).is_some_and(|day| self.covers(scope_hash, &day))
    }

    /// What runs of the scope have not read of the interval, oldest first.
    pub fn holes(&self, scope_hash: &str, interval: &DataInterval) -> Vec<DataInterval> {
        let mut from = interval.start();
        let mut holes = Vec::new();
        for read in self.0.get(scope_hash).into_iter().flatten() {
            if read.end() <= from {
                continue;
            }
            if read.start() >= interval.end() {
                break;
            }
            holes.extend(DataInterval::new(from, read.start()));
            from = from.max(read.end());
        }
        holes.extend(DataInterval::new(from, interval.end()));
        holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::plan::{OnlineMeetingsPlan, ReportsChoice, VirtualEventsPlan};
    use crate::time::UtcMicros;

    fn sources(users: UsersPlan, ways: &[DiscoverBy], organizers: OrganizersPlan) -> SourcesPlan {
        SourcesPlan {
            online_meetings: Some(OnlineMeetingsPlan {
                discover: ways.iter().copied().collect(),
                users,
                listed: Vec::new(),
                derive_ids: false,
                reports: ReportsChoice::All,
            }),
            webinars: Some(VirtualEventsPlan { organizers }),
            town_halls: None,
        }
    }

    fn principal(app: &str, user: &str) -> Principal {
        Principal {
            app: Some(app.to_owned()),
            user: user.to_owned(),
        }
    }

    fn listed(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_a_reading_of_at_least_the_same_scope_fills_a_gap() {
        use DiscoverBy::{Calendar, CallRecords};
        let of = |users: UsersPlan, ways: &[DiscoverBy], user: &str| {
            let sources = sources(users, ways, OrganizersPlan::All);
            ReadingScope::of(Source::OnlineMeeting, &sources, &principal("app", user)).unwrap()
        };
        let group = |id: &str| UsersPlan::Group(id.to_owned());
        let calendar = [Calendar];
        let both = [Calendar, CallRecords];
        for (what, reader, gap, wanted) in [
            (
                "the same group",
                of(group("a"), &calendar, "u"),
                of(group("A"), &calendar, "u"),
                true,
            ),
            (
                "another group",
                of(group("b"), &calendar, "u"),
                of(group("a"), &calendar, "u"),
                false,
            ),
            (
                "the tenant for a group",
                of(UsersPlan::All, &calendar, "u"),
                of(group("a"), &calendar, "u"),
                true,
            ),
            (
                "a group for the tenant",
                of(group("a"), &calendar, "u"),
                of(UsersPlan::All, &calendar, "u"),
                false,
            ),
            (
                "fewer ways",
                of(UsersPlan::All, &calendar, "u"),
                of(UsersPlan::All, &both, "u"),
                false,
            ),
            (
                "more ways",
                of(UsersPlan::All, &both, "u"),
                of(UsersPlan::All, &calendar, "u"),
                true,
            ),
            (
                "oneself",
                of(UsersPlan::Me, &calendar, "ann"),
                of(UsersPlan::Me, &calendar, "ann"),
                true,
            ),
            (
                "another user",
                of(UsersPlan::Me, &calendar, "bob"),
                of(UsersPlan::Me, &calendar, "ann"),
                false,
            ),
            (
                "the same list in another order and case",
                of(UsersPlan::Listed(listed(&["b", "A"])), &calendar, "u"),
                of(UsersPlan::Listed(listed(&["a", "B"])), &calendar, "u"),
                true,
            ),
            (
                "another list",
                of(UsersPlan::Listed(listed(&["a"])), &calendar, "u"),
                of(UsersPlan::Listed(listed(&["a", "b"])), &calendar, "u"),
                false,
            ),
        ] {
            assert_eq!(reader.covers(Some(&gap.name())), wanted, "{what}");
            assert!(reader.covers(None), "{what}: of an earlier version");
        }
    }

    #[test]
    fn a_list_of_events_is_that_of_the_app_that_reads_it() {
        let of = |organizers: OrganizersPlan, app: &str| {
            let sources = sources(UsersPlan::All, &[DiscoverBy::Calendar], organizers);
            ReadingScope::of(Source::Webinar, &sources, &principal(app, "u")).unwrap()
        };
        let named = |names: &[&str]| OrganizersPlan::Listed(listed(names));
        let all = of(OrganizersPlan::All, "one");
        assert!(all.covers(Some(&of(OrganizersPlan::All, "ONE").name())));
        assert!(!of(OrganizersPlan::All, "two").covers(Some(&all.name())));
        assert!(!of(named(&["ann"]), "one").covers(Some(&all.name())));
        assert!(of(named(&["ann"]), "one").covers(Some(&of(named(&["ANN"]), "two").name())));
        let none = sources(UsersPlan::All, &[DiscoverBy::Calendar], OrganizersPlan::All);
        assert_eq!(
            ReadingScope::of(Source::TownHall, &none, &principal("one", "u")),
            None
        );
    }

    #[test]
    fn a_run_asks_again_only_about_organizers_of_its_job() {
        let (ann, bob) = (OrganizerId::new("ANN"), OrganizerId::new("bob"));
        let everybody = Readable::of(&sources(
            UsersPlan::All,
            &[DiscoverBy::Calendar],
            OrganizersPlan::Listed(listed(&["ann"])),
        ));
        assert!(everybody.has(Source::OnlineMeeting, Some(&bob)));
        assert!(everybody.has(Source::OnlineMeeting, None));
        assert!(!everybody.has(Source::Webinar, Some(&ann)));
        assert!(!everybody.has(Source::TownHall, Some(&ann)), "not read");
        everybody.add(Source::Webinar, &ann);
        assert!(everybody.has(Source::Webinar, Some(&OrganizerId::new("ann"))));
        assert!(!everybody.has(Source::Webinar, None));
        for users in [UsersPlan::Me, UsersPlan::Group("g".to_owned())] {
            let some = Readable::of(&sources(users, &[DiscoverBy::Calendar], OrganizersPlan::Me));
            assert!(some.is_unresolved(Source::OnlineMeeting));
            assert!(!some.has(Source::OnlineMeeting, Some(&bob)));
            some.add(Source::OnlineMeeting, &bob);
            assert!(some.has(Source::OnlineMeeting, Some(&bob)));
            assert!(!some.has(Source::OnlineMeeting, Some(&ann)));
        }
        let list = sources(UsersPlan::All, &[DiscoverBy::Listed], OrganizersPlan::All);
        assert!(!Readable::of(&list).has(Source::OnlineMeeting, Some(&bob)));
    }

    fn interval(start: i64, end: i64) -> DataInterval {
        DataInterval::new(UtcMicros(start), UtcMicros(end)).unwrap()
    }

    #[test]
    fn what_was_read_is_of_its_scope_and_told_to_the_hour() {
        let mut coverage = Coverage::default();
        for (scope, start, end) in [("a", 10, 20), ("a", 30, 40), ("a", 20, 25), ("b", 0, 100)] {
            coverage.add(scope, interval(start, end));
        }
        assert!(coverage.covers("a", &interval(10, 25)), "joined");
        assert!(!coverage.covers("a", &interval(10, 26)));
        assert!(!coverage.covers("c", &interval(10, 11)));
        let holes = coverage.holes("a", &interval(0, 50));
        assert_eq!(holes, [interval(0, 10), interval(25, 30), interval(40, 50)]);
        assert_eq!(coverage.holes("a", &interval(12, 18)), []);
        assert_eq!(coverage.holes("c", &interval(1, 2)), [interval(1, 2)]);
    }
}
