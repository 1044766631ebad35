//! One thing that could have attendance, as discovery found it.

use std::borrow::Cow;

use crate::ids::{EventId, OrganizerId, SessionId, TenantId, fold_guid, stable_hash};
use crate::job::Source;
use crate::model::{Event, Text, VirtualEvent, VirtualEventSession, ZonedTime};
use crate::time::{DAY, EventDate, UtcMicros, WarehouseTimezone, zoned_to_utc};

use super::extra::ExtraProperties;
use super::join_link::{is_of_channel, may_be_of_teams};

/// Who owns a meeting or virtual event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organizer {
    /// Object id.
    pub id: OrganizerId,
    /// Address.
    pub email: Option<String>,
    /// Name.
    pub display_name: Option<String>,
}

/// An occurrence of an online meeting, or a session of a virtual event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Where it was found.
    pub source: Source,
    /// Who owns it; an event of a virtual source may come without.
    pub organizer: Option<Organizer>,
    /// Webinar or town hall, or an online meeting whose id is known.
    pub event_id: Option<EventId>,
    /// The id that it is published under, where that is no longer what [`session_id`](Self::session_id) would make of it: a
    /// call that had no occurrence when it was found keeps its row when the calendar shows one.
    pub published_as: Option<SessionId>,
    /// `iCalUId`, call record, or id of the virtual event's session.
    pub occurrence_id: Option<String>,
    /// The recurring series.
    pub series_id: Option<String>,
    /// Title.
    pub subject: Option<String>,
    /// Scheduled start.
    pub scheduled_start: UtcMicros,
    /// Scheduled end.
    pub scheduled_end: Option<UtcMicros>,
    /// Join link.
    pub join_web_url: Option<String>,
    /// Whether it was cancelled.
    pub is_cancelled: Option<bool>,
    /// Status of the virtual event.
    pub status: Option<String>,
    /// How it was found.
    pub discovered_by: Vec<Cow<'static, str>>,
    /// Why Graph has no attendance for its kind.
    pub unsupported: Option<&'static str>,
    /// Unknown properties as JSON.
    pub extra: Option<String>,
    /// How many those are.
    pub unknown_properties: u64,
    /// When it was no longer shown; of published sessions only.
    pub removed_at: Option<UtcMicros>,
}

/// A way in which sessions are found; the values of `discovered_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The organizer's calendar.
    Calendar,
    /// The tenant's call records.
    CallRecords,
    /// The job's list of meetings.
    Listed,
    /// Webinars of the tenant or of an organizer.
    Webinars,
    /// Town halls of the tenant or of an organizer.
    TownHalls,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::Calendar,
        Self::CallRecords,
        Self::Listed,
        Self::Webinars,
        Self::TownHalls,
    ];

    /// The value in `discovered_by`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::CallRecords => "call-records",
            Self::Listed => "listed",
            Self::Webinars => "webinars",
            Self::TownHalls => "town_halls",
        }
    }
}

/// It has no start that can be read, so no day to be filed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no readable scheduled start")]
pub struct NotPlaceable;

impl Occurrence {
    /// The session's id: the same whenever and however it is found.
    pub fn session_id(&self, tenant: &TenantId) -> SessionId {
        if let Some(published) = &self.published_as {
            return published.clone();
        }
        // a way of discovery may write a GUID in capitals
        let folded = |id: Option<&str>| fold_guid(id.unwrap_or_default()).into_owned();
        let organizer = self.organizer.as_ref();
        let organizer = folded(organizer.map(|organizer| organizer.id.as_str()));
        let hash = match self.source {
            Source::OnlineMeeting if self.is_of_call_alone() => {
                let call = folded(self.occurrence_id.as_deref());
                stable_hash([
                    tenant.as_str(),
                    self.source.as_str(),
                    &organizer,
                    self.join_web_url.as_deref().unwrap_or_default(),
                    &call,
                ])
            }
            Source::OnlineMeeting => {
                let start = self.scheduled_start.to_string();
                let occurrence = self
                    .occurrence_id
                    .as_deref()
                    .or(self.join_web_url.as_deref())
                    .unwrap_or_default();
                stable_hash([
                    tenant.as_str(),
                    self.source.as_str(),
                    &organizer,
                    occurrence,
                    &start,
                ])
            }
            Source::Webinar | Source::TownHall => {
                let event = folded(self.event_id.as_ref().map(EventId::as_str));
                let session = folded(self.occurrence_id.as_deref());
                stable_hash([tenant.as_str(), self.source.as_str(), &event, &session])
            }
        };
        SessionId::new(hash)
    }

    /// Whether nothing but a call record showed it: it was held, and is in no calendar that was read.
    pub fn is_of_call_alone(&self) -> bool {
        matches!(self.discovered_by.as_slice(), [way] if way == Way::CallRecords.as_str())
    }

    /// Notes another way that found it; the ways stay in one order, each once.
    pub fn found_by(&mut self, way: &str) {
        if self.discovered_by.iter().any(|known| known == way) {
            return;
        }
        self.discovered_by.push(Cow::Owned(way.to_owned()));
        let place = |name: &Cow<'static, str>| Way::ALL.iter().position(|way| way.as_str() == name);
        self.discovered_by.sort_by_key(place);
    }

    /// Scheduled end, or the start where Graph gave none.
    pub fn ends_at(&self) -> UtcMicros {
        self.scheduled_end
            .unwrap_or(self.scheduled_start)
            .max(self.scheduled_start)
    }

    /// Whether it is scheduled at that time, or on that day.
    pub fn is_held_at(&self, at: UtcMicros, timezone: &WarehouseTimezone) -> bool {
        (self.scheduled_start..self.ends_at()).contains(&at)
            || timezone.event_date(at) == timezone.event_date(self.scheduled_start)
    }
}

/// Reads a calendar entry of its organizer's mailbox; `Ok(None)` where it is somebody else's or no online meeting.
///
/// An entry of whole days is of the days that the calendar shows: from the midnight of the first to that after the last, in the
/// warehouse's `timezone`. Graph writes it from midnight to midnight whatever zone stands beside that.
/// Source: <https://github.com/microsoftgraph/microsoft-graph-docs/issues/1802>.
///
/// # Errors
/// [`NotPlaceable`] where it is an online meeting of the user but has no readable start; terminal, it becomes a gap.
pub fn occurrence_of_event(
    event: &Event<'_>,
    owner: &Organizer,
    timezone: &WarehouseTimezone,
) -> Result<Option<Occurrence>, NotPlaceable> {
    let join_web_url = event
        .online_meeting
        .as_ref()
        .and_then(|meeting| meeting.join_url.as_ref())
        .or(event.online_meeting_url.as_ref())
        .map(|url| url.as_ref().to_owned())
        .filter(|url| !url.is_empty());
    let is_online = event.is_online_meeting.unwrap_or(join_web_url.is_some());
    if event.is_organizer == Some(false) || !is_online {
        return Ok(None);
    }
    let is_all_day = event.is_all_day == Some(true);
    let scheduled = |time: Option<&ZonedTime<'_>>| match time {
        Some(time) if is_all_day => Some(timezone.midnight(whole_day(time)?)),
        time => time.and_then(instant),
    };
    let scheduled_start = scheduled(event.start.as_ref()).ok_or(NotPlaceable)?;
    let provider = event.online_meeting_provider.as_ref().map(AsRef::as_ref);
    let mailbox = event
        .organizer
        .as_ref()
        .and_then(|organizer| organizer.email_address.as_ref());
    let mut extra = ExtraProperties::default();
    extra.add("", &event.extra);
    if let Some(meeting) = &event.online_meeting {
        extra.add("onlineMeeting", &meeting.extra);
    }
    if let Some(organizer) = &event.organizer {
        extra.add("organizer", &organizer.extra);
    }
    if let Some(mailbox) = mailbox {
        extra.add("organizer.emailAddress", &mailbox.extra);
    }
    extra.add_time("start", event.start.as_ref());
    extra.add_time("end", event.end.as_ref());
    Ok(Some(Occurrence {
        source: Source::OnlineMeeting,
        organizer: Some(Organizer {
            id: owner.id.clone(),
            email: mailbox
                .and_then(|mailbox| owned(mailbox.address.as_ref()))
                .or_else(|| owner.email.clone()),
            display_name: mailbox
                .and_then(|mailbox| owned(mailbox.name.as_ref()))
                .or_else(|| owner.display_name.clone()),
        }),
        event_id: None,
        published_as: None,
        occurrence_id: owned(event.i_cal_u_id.as_ref()),
        series_id: owned(event.series_master_id.as_ref()),
        subject: owned(event.subject.as_ref()),
        scheduled_start,
        scheduled_end: scheduled(event.end.as_ref()),
        unsupported: unsupported_meeting(provider, join_web_url.as_deref()),
        join_web_url,
        is_cancelled: event.is_cancelled,
        status: None,
        discovered_by: vec![Cow::Borrowed(Way::Calendar.as_str())],
        unknown_properties: extra.len() as u64,
        extra: extra.to_json(),
        removed_at: None,
    }))
}

/// Reads a session of a webinar or town hall.
///
/// # Errors
/// [`NotPlaceable`] where neither session nor event has a time that can be read, or the session has no id; terminal.
pub fn occurrence_of_session(
    source: Source,
    event: &VirtualEvent<'_>,
    session: &VirtualEventSession<'_>,
) -> Result<Occurrence, NotPlaceable> {
    let session_id = session.id.as_ref().ok_or(NotPlaceable)?;
    let scheduled_start = first_instant([
        &session.start_date_time,
        &event.start_date_time,
        &session.end_date_time,
        &event.end_date_time,
    ])
    .ok_or(NotPlaceable)?;
    let creator = event.created_by.as_ref().and_then(|set| set.user.as_ref());
    let mut extra = ExtraProperties::default();
    extra.add("", &session.extra);
    extra.add("event", &event.extra);
    extra.add_time("startDateTime", session.start_date_time.as_ref());
    extra.add_time("endDateTime", session.end_date_time.as_ref());
    extra.add_time("event.startDateTime", event.start_date_time.as_ref());
    extra.add_time("event.endDateTime", event.end_date_time.as_ref());
    if let Some(created_by) = &event.created_by {
        extra.add("event.createdBy", &created_by.extra);
    }
    if let Some(creator) = creator {
        extra.add("event.createdBy.user", &creator.extra);
    }
    Ok(Occurrence {
        source,
        organizer: creator.and_then(|user| {
            let id = user.id.as_ref()?;
            Some(Organizer {
                id: OrganizerId::new(id.as_ref()),
                email: None,
                display_name: owned(user.display_name.as_ref()),
            })
        }),
        event_id: event.id.as_ref().map(|id| EventId::new(id.as_ref())),
        published_as: None,
        occurrence_id: Some(session_id.as_ref().to_owned()),
        series_id: None,
        subject: owned(session.subject.as_ref()).or_else(|| owned(event.display_name.as_ref())),
        scheduled_start,
        scheduled_end: session
            .end_date_time
            .as_ref()
            .and_then(instant)
            .or_else(|| event.end_date_time.as_ref().and_then(instant)),
        join_web_url: owned(session.join_web_url.as_ref()),
        is_cancelled: event
            .status
            .as_ref()
            .map(|status| status.as_ref().eq_ignore_ascii_case("canceled")),
        status: owned(event.status.as_ref()),
        discovered_by: vec![Cow::Borrowed(match source {
            Source::TownHall => Way::TownHalls.as_str(),
            Source::Webinar | Source::OnlineMeeting => Way::Webinars.as_str(),
        })],
        unsupported: None,
        unknown_properties: extra.len() as u64,
        extra: extra.to_json(),
        removed_at: None,
    })
}

/// Why Graph has no attendance reports for a meeting of this provider and link.
///
/// Where the calendar calls the provider `unknown`, the link tells.
fn unsupported_meeting(provider: Option<&str>, join_web_url: Option<&str>) -> Option<&'static str> {
    match (provider, join_web_url) {
        (Some("skypeForBusiness" | "skypeForConsumer"), _) => Some("other_provider"),
        (Some("unknown"), Some(url)) if !may_be_of_teams(url) => Some("other_provider"),
        (_, None) => Some("no_join_url"),
        (_, Some(url)) => of_channel(url),
    }
}

pub(super) fn of_channel(text: &str) -> Option<&'static str> {
    is_of_channel(text).then_some("channel_meeting")
}

pub(super) fn owned(text: Option<&Text<'_>>) -> Option<String> {
    text.map(|text| text.as_ref().to_owned())
}

/// The first of these times that can be read: an end dates what has lost its start.
fn first_instant<const N: usize>(times: [&Option<ZonedTime<'_>>; N]) -> Option<UtcMicros> {
    times
        .into_iter()
        .find_map(|time| time.as_ref().and_then(instant))
}

/// The day that an end of an entry of whole days names: its date; where it is no midnight, that of the nearest one.
fn whole_day(time: &ZonedTime<'_>) -> Option<EventDate> {
    // as it stands there: the zone beside it says nothing
    let as_written = zoned_to_utc(time.date_time.as_ref()?.as_ref(), None)?;
    Some(WarehouseTimezone::utc().event_date(as_written.plus(DAY / 2)))
}

/// The instant of a scheduled time.
pub(super) fn instant(time: &ZonedTime<'_>) -> Option<UtcMicros> {
    let zone = time.time_zone.as_ref().map(AsRef::as_ref);
    zoned_to_utc(time.date_time.as_ref()?.as_ref(), zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Organizer {
        Organizer {
            id: OrganizerId::new("oid"),
            email: Some("o@contoso.example".into()),
            display_name: None,
        }
    }

    fn read(json: &str) -> Result<Option<Occurrence>, NotPlaceable> {
        read_in(&WarehouseTimezone::utc(), json)
    }

    fn read_in(
        timezone: &WarehouseTimezone,
        json: &str,
    ) -> Result<Option<Occurrence>, NotPlaceable> {
        occurrence_of_event(&serde_json::from_str(json).unwrap(), &owner(), timezone)
    }

    #[test]
    fn an_entry_of_whole_days_is_of_the_days_that_the_calendar_shows() {
        // zone of the warehouse, start, end, zone beside them, first instant, last
        for case in [
            "UTC 03-02T00:00 03-03T00:00 UTC 03-02T00:00 03-03T00:00",
            "America/New_York 03-02T00:00 03-03T00:00 UTC 03-02T05:00 03-03T05:00",
            "Asia/Tokyo 03-02T00:00 03-05T00:00 UTC 03-01T15:00 03-04T15:00",
            "Pacific/Kiritimati 03-02T00:00 03-03T00:00 UTC 03-01T10:00 03-02T10:00",
            // a zone that was asked for, or that the entry was made in, moves nothing
            "Etc/GMT+12 03-02T00:00 03-03T00:00 Asia/Tokyo 03-02T12:00 03-03T12:00",
            "Europe/Berlin 03-02T00:00 03-03T00:00 no-such-zone 03-01T23:00 03-02T23:00",
            // the clocks change on that day
            "Europe/Berlin 03-29T00:00 03-30T00:00 UTC 03-28T23:00 03-29T22:00",
            // converted all the same: the nearest midnight
            "Europe/Berlin 03-01T23:00 03-02T23:00 UTC 03-01T23:00 03-02T23:00",
            "America/New_York 03-02T05:00 03-03T05:00 UTC 03-02T05:00 03-03T05:00",
        ] {
            let case: Vec<_> = case.split(' ').collect();
            let [zone, start, end, beside, from, until] = case[..] else {
                panic!("{case:?}")
            };
            let json = format!(
                r#"{{"isOrganizer":true,"isOnlineMeeting":true,"isAllDay":true,"onlineMeeting":{{"joinUrl":"https://x"}},
                    "start":{{"dateTime":"2026-{start}:00.0000000","timeZone":"{beside}"}},
                    "end":{{"dateTime":"2026-{end}:00.0000000","timeZone":"{beside}"}}}}"#
            );
            let timezone = WarehouseTimezone::named(zone).unwrap();
            let read = read_in(&timezone, &json).unwrap().unwrap();
            let got = [read.scheduled_start, read.ends_at()].map(|at| at.to_string());
            assert_eq!(
                got,
                [from, until].map(|at| format!("2026-{at}:00Z")),
                "{zone} {start} {beside}"
            );
        }
    }

    #[test]
    fn only_the_users_own_online_meetings_are_sessions() {
        for (what, json) in [
            (
                "somebody else's",
                r#"{"isOrganizer":false,"isOnlineMeeting":true,"start":{"dateTime":"2026-01-05T09:00:00","timeZone":"UTC"}}"#,
            ),
            (
                "not online",
                r#"{"isOrganizer":true,"isOnlineMeeting":false,"start":{"dateTime":"2026-01-05T09:00:00","timeZone":"UTC"}}"#,
            ),
            (
                "no link and not said",
                r#"{"isOrganizer":true,"start":{"dateTime":"2026-01-05T09:00:00","timeZone":"UTC"}}"#,
            ),
        ] {
            assert_eq!(read(json), Ok(None), "{what}");
        }
        assert_eq!(
            read(r#"{"isOrganizer":true,"isOnlineMeeting":true}"#),
            Err(NotPlaceable)
        );
    }

    #[test]
    fn channel_meetings_and_other_providers_are_unsupported() {
        let reason = |provider: &str, url: &str| {
            let json = format!(
                r#"{{"isOrganizer":true,"isOnlineMeeting":true,"onlineMeetingProvider":"{provider}","onlineMeeting":{{"joinUrl":"{url}"}},
                    "start":{{"dateTime":"2026-01-05T09:00:00.0000000","timeZone":"UTC"}}}}"#
            );
            read(&json).unwrap().unwrap().unsupported
        };
        assert_eq!(
            reason(
                "teamsForBusiness",
                "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0"
            ),
            None
        );
        assert_eq!(
            reason(
                "teamsForBusiness",
                "https://teams.microsoft.com/l/meetup-join/19%3ax%40thread.tacv2/1"
            ),
            Some("channel_meeting")
        );
        assert_eq!(
            reason("skypeForBusiness", "https://meet.contoso.example/x"),
            Some("other_provider")
        );
        assert_eq!(reason("teamsForBusiness", ""), Some("no_join_url"));
        assert_eq!(
            reason("unknown", "https://meetings.contoso.example/j/1"),
            Some("other_provider")
        );
        assert_eq!(
            reason("unknown", "https://teams.microsoft.com/meet/2345678901234"),
            None,
            "its link tells"
        );
    }

    #[test]
    fn fault_67_unknown_properties_of_a_time_are_kept_by_their_path() {
        let read = read(
            r#"{"isOrganizer":true,"isOnlineMeeting":true,"onlineMeeting":{"joinUrl":"https://x"},
                "start":{"dateTime":"2026-01-05T09:00:00","timeZone":"UTC","isFloating":true,"@odata.type":"t","none":null},
                "end":{"dateTime":"2026-01-05T10:00:00","timeZone":"UTC","precision":{"digits":7}}}"#,
        );
        let occurrence = read.unwrap().unwrap();
        assert_eq!(
            occurrence.extra.as_deref(),
            Some(r#"{"end.precision":{"digits":7},"start.isFloating":true}"#)
        );
        assert_eq!(occurrence.unknown_properties, 2);
        let event = r#"{"id":"e","startDateTime":{"dateTime":"2026-01-05T09:00:00","new":1},"createdBy":{"application":{"id":"a"}}}"#;
        let session = r#"{"id":"s","endDateTime":{"dateTime":"2026-01-05T10:00:00","new":2},"startDateTime":"2026-01-05T09:00:00Z"}"#;
        let occurrence = occurrence_of_session(
            Source::Webinar,
            &serde_json::from_str(event).unwrap(),
            &serde_json::from_str(session).unwrap(),
        )
        .unwrap();
        assert_eq!(
            occurrence.extra.as_deref(),
            Some(
                r#"{"endDateTime.new":2,"event.createdBy.application":{"id":"a"},"event.startDateTime.new":1}"#
            )
        );
    }

    #[test]
    fn fault_77_an_end_that_is_a_sentinel_is_none_and_a_start_has_no_day() {
        for (date_time, zone) in [
            ("0001-01-01T00:00:00.0000000", "Tokyo Standard Time"),
            ("9999-12-31T23:59:59.9999999", "Pacific Standard Time"),
        ] {
            let event = |start: &str, end: &str| {
                read(&format!(
                    r#"{{"isOrganizer":true,"isOnlineMeeting":true,"onlineMeeting":{{"joinUrl":"https://x"}},
                        "start":{{"dateTime":"{start}","timeZone":"{zone}"}},"end":{{"dateTime":"{end}","timeZone":"{zone}"}}}}"#
                ))
            };
            let real = "2026-01-05T09:00:00.0000000";
            let occurrence = event(real, date_time).unwrap().unwrap();
            assert_eq!(occurrence.scheduled_end, None, "{date_time}");
            assert_eq!(event(date_time, real), Err(NotPlaceable), "{date_time}");
        }
    }

    #[test]
    fn the_session_id_does_not_depend_on_the_online_meeting() {
        let occurrence = read(
            r#"{"isOrganizer":true,"isOnlineMeeting":true,"iCalUId":"uid","onlineMeeting":{"joinUrl":"https://x"},
                "start":{"dateTime":"2026-01-05T09:00:00","timeZone":"UTC"}}"#,
        )
        .unwrap()
        .unwrap();
        let tenant = TenantId::new("t");
        let mut resolved = occurrence.clone();
        resolved.event_id = Some(EventId::new("meeting"));
        resolved.subject = Some("another title".into());
        assert_eq!(occurrence.session_id(&tenant), resolved.session_id(&tenant));
        resolved.scheduled_start = resolved.scheduled_start.plus(1);
        assert_ne!(occurrence.session_id(&tenant), resolved.session_id(&tenant));
    }
}
