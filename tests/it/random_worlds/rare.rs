//! What happens to few meetings of a tenant, and to its webinars and town halls.

use rand::Rng as _;
use teamsheet::simulated_tenant::world::{
    AccessPolicy, Meeting, MeetingKind, NoMailbox, Report, Short, VirtualEvent, VirtualEventKind,
    links,
};

use super::drawing::{MINUTE, Pen};
use super::features;
use super::stories::{change, entry, single_of};

pub(crate) fn webinar(pen: &mut Pen, kind: VirtualEventKind, is_in_calendar: bool) {
    let organizer = pen.organizer();
    let sessions = pen.between(1, 3);
    let starts: Vec<_> = (0..sessions)
        .map(|number| {
            let day = pen.day(0);
            pen.at(day, 600 + number * 90)
        })
        .collect();
    let mut event = VirtualEvent::published(kind, &organizer, "Event", &starts, 60);
    for session in &mut event.sessions {
        if is_in_calendar {
            session.show_in_calendar(&organizer);
        }
        if pen.chance(85) {
            let from = session.start.plus(pen.between(-15, 3) * MINUTE);
            let until = session.end.plus(pen.between(-5, 20) * MINUTE);
            let report: &mut Report = session.hold(&[]).unwrap();
            pen.fill(report, &organizer, (from, until));
        }
    }
    pen.world.virtual_events.push(event);
}

pub(crate) fn delegate(pen: &mut Pen) {
    let owner = pen.organizer();
    let day = pen.day(0);
    let (_, mut meeting) = entry(pen, day);
    meeting.calendar_owner = Some(owner.id);
    pen.hold_on_time(&mut meeting, 0);
    pen.world.meetings.push(meeting);
}

pub(crate) fn ad_hoc(pen: &mut Pen) {
    let day = pen.day(0);
    let (_, mut meeting) = entry(pen, day);
    for _ in 0..pen.between(1, 2) {
        pen.hold_on_time(&mut meeting, 0);
    }
    meeting.occurrences.clear();
    meeting
        .reports
        .iter_mut()
        .for_each(|report| report.i_cal_uid = None);
    pen.world.meetings.push(meeting);
}

/// Beside it, in the same group, something that can be read each day: where nothing can be, a run ends by that.
pub(crate) fn forbidden(pen: &mut Pen) {
    let person = single_of(pen);
    change(pen, &person, |one| {
        one.access_policy = AccessPolicy::Missing;
    });
    pen.organizer();
    let (organizer, (minutes, length)) = (pen.organizer(), pen.slot());
    let starts: Vec<_> = (0..pen.days).map(|day| pen.at(day, minutes)).collect();
    let mut meeting = Meeting::teams(&organizer, "Daily", &starts, length);
    for occurrence in 0..meeting.occurrences.len() {
        pen.hold_on_time(&mut meeting, occurrence);
    }
    pen.world.meetings.push(meeting);
}

pub(crate) fn closed(pen: &mut Pen) {
    for kind in [
        MeetingKind::Channel,
        MeetingKind::Skype,
        MeetingKind::InPerson,
    ] {
        let day = pen.day(0);
        let (organizer, mut meeting) = entry(pen, day);
        meeting.kind = kind;
        match kind {
            MeetingKind::Channel => {
                let thread = links::channel_thread(&organizer.id);
                let (tenant, message) = (&pen.world.tenant_id, "1700000000000");
                let link = links::long_join_url(tenant, &organizer.id, &thread, message);
                (meeting.thread_id, meeting.join_web_url) = (thread, Some(link));
            }
            MeetingKind::Skype => {
                meeting.join_web_url = Some("https://meet.contoso.example/1".to_owned());
            }
            MeetingKind::InPerson | MeetingKind::Teams => meeting.join_web_url = None,
        }
        pen.world.meetings.push(meeting);
    }
}

pub(crate) fn no_mailbox(pen: &mut Pen) {
    let person = single_of(pen);
    let words = features::NO_MAILBOX;
    let which = pen.dice.random_range(0..words.len());
    let words: NoMailbox = words[which];
    change(pen, &person, |one| {
        (one.has_mailbox, one.no_mailbox) = (false, words);
    });
}

pub(crate) fn late(pen: &mut Pen, (low, high): (i64, i64)) {
    let day = pen.day(0);
    let (_, mut meeting) = entry(pen, day);
    pen.hold_on_time(&mut meeting, 0);
    let hours = pen.between(low, high);
    let report = &mut meeting.reports[0];
    report.listed_from = Some(report.end.at.plus(hours * 60 * MINUTE));
    pen.world.meetings.push(meeting);
}

pub(crate) fn short(pen: &mut Pen) {
    let day = pen.day(0);
    let (_, mut meeting) = entry(pen, day);
    pen.hold_on_time(&mut meeting, 0);
    let hours = pen.between(3, 20);
    let report = &mut meeting.reports[0];
    let until = report.end.at.plus(hours * 60 * MINUTE);
    let records = report.records.len() - 1;
    report.short = Some(Short { until, records });
    pen.world.meetings.push(meeting);
}
