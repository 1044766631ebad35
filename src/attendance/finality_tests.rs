//! Each answer, and what it proves.

use std::borrow::Cow;

use super::*;
use crate::attendance::{Gap, GapStage, MissingHours};
use crate::ids::{RunId, TenantId};
use crate::job::Source;
use crate::time::EventDate;

const RULES: SettleRules = SettleRules {
    settle_hours: 24,
    give_up_days: 30,
    gives_up: true,
};

/// A session that ends at 0.
fn sighting(reports: usize) -> Sighting<'static> {
    Sighting {
        ends_at: UtcMicros(0),
        is_cancelled: false,
        reports,
        newest_end: (reports > 0).then_some(UtcMicros(2 * HOUR)),
        has_unpublished: false,
        has_short: false,
        reach: Reach::Whole,
        reaches_start: true,
        published: None,
        gap: None,
    }
}

/// What an earlier run published of it.
fn published(state: AttendanceState, is_final: bool) -> Published<'static> {
    Published {
        state,
        reason: None,
        is_final,
        report_count: i32::from(state == AttendanceState::Reported),
        ends_at: UtcMicros(0),
    }
}

/// The open gap of an answer that was met on so many days, first and last at these times.
pub(in crate::attendance) fn gap(
    answer: Answer<'_>,
    days: i32,
    (since, last): (i64, i64),
) -> GapRow<'static> {
    let gap = Gap {
        event_date: EventDate(0),
        stage: GapStage::ListReports,
        source: Source::OnlineMeeting,
        organizer_id: None,
        session_id: None,
        report_id: None,
        record_index: None,
        reason: answer.reason,
        http_status: answer.status,
        graph_code: answer.code.map(str::to_owned),
        is_final: false,
        evidence: Some(Evidence {
            since: UtcMicros(since),
            days,
        }),
        missing: MissingHours::default(),
        scope: None,
    };
    gap.row(&TenantId::new("t"), None, &RunId::new("r"), UtcMicros(last))
}

/// Of an answer: what was seen of the session, when it was given, and what becomes of it.
fn not_listed(
    seen: &Sighting<'_>,
    state: AttendanceState,
    patience: Patience,
    now: i64,
) -> SessionVerdict {
    let answered = (state, "why", answer(state), patience);
    RULES.not_listed(0, seen, answered, UtcMicros(now))
}

pub(in crate::attendance) fn answer(state: AttendanceState) -> Answer<'static> {
    Answer {
        reason: GapReason::Request(if state == AttendanceState::Forbidden {
            FailureReason::Forbidden
        } else if state == AttendanceState::Failed {
            FailureReason::ServerError
        } else {
            FailureReason::Gone
        }),
        status: Some(404),
        code: Some("NotFound"),
    }
}

const NIGHT: i64 = 16 * HOUR;

#[test]
fn nobody_came_is_only_said_after_it_settled() {
    for (hours, is_cancelled, state, is_final) in [
        (1, false, AttendanceState::NotReady, false),
        (23, false, AttendanceState::NotReady, false),
        (24, false, AttendanceState::Empty, true),
        (23, true, AttendanceState::NotReady, false),
        (24, true, AttendanceState::Cancelled, true),
    ] {
        let seen = Sighting {
            is_cancelled,
            ..sighting(0)
        };
        let verdict = RULES.listed(0, &seen, UtcMicros(hours * HOUR));
        assert_eq!(
            (verdict.state, verdict.is_final),
            (state, is_final),
            "{hours} {is_cancelled}"
        );
        assert_eq!(verdict.gap, None);
    }
    let held_all_the_same = Sighting {
        is_cancelled: true,
        ..sighting(1)
    };
    let verdict = RULES.listed(0, &held_all_the_same, UtcMicros(DAY * 2));
    assert_eq!(verdict.state, AttendanceState::Reported);
}

#[test]
fn a_reported_session_is_final_a_while_after_its_newest_report_if_that_is_whole() {
    for (what, hours, has_unpublished, has_short, is_final) in [
        ("the report ended at 2:00", 25, false, false, false),
        ("a day later", 26, false, false, true),
        ("one is of a day that was not read", 26, true, false, false),
        (
            "one has fewer records than it counts",
            26,
            false,
            true,
            false,
        ),
    ] {
        let seen = Sighting {
            has_unpublished,
            has_short,
            ..sighting(1)
        };
        let verdict = RULES.listed(0, &seen, UtcMicros(hours * HOUR));
        assert_eq!(verdict.is_final, is_final, "{what}");
        assert_eq!(verdict.gap, None, "{what}: nobody can mend that");
    }
}

#[test]
fn a_short_report_is_as_whole_as_it_gets_by_the_same_answer() {
    let ended = UtcMicros(0);
    for (what, records, before, days, wanted) in [
        ("the first answer", 2, None, 1, false),
        ("the same a day later", 2, Some((2, DAY)), 2, false),
        ("the same three days later", 2, Some((2, DAY)), 4, true),
        ("another", 3, Some((2, DAY)), 4, false),
        ("the first answer, long ago", 2, None, 100, false),
        ("the same, long ago", 2, Some((2, 99 * DAY)), 100, true),
    ] {
        let before = before.map(|(records, since)| (records, UtcMicros(since)));
        let now = UtcMicros(days * DAY);
        let got = is_short_for_good(records, before, (ended, 30), now);
        assert_eq!(got, wanted, "{what}");
    }
}

#[test]
fn a_terminal_answer_is_believed_after_the_same_on_several_days() {
    let gone = AttendanceState::Gone;
    let three = Patience::Days(3);
    let mut before: Option<GapRow<'static>> = None;
    for (night, is_final) in [(0, false), (1, false), (2, false), (3, true)] {
        let now = NIGHT + night * DAY;
        let seen = Sighting {
            published: before
                .is_some()
                .then(|| published(AttendanceState::Gone, false)),
            gap: before.as_ref(),
            ..sighting(0)
        };
        let verdict = not_listed(&seen, gone, three, now);
        assert_eq!(
            (verdict.state, verdict.is_final),
            (gone, is_final),
            "{night}"
        );
        let found = verdict.gap.unwrap();
        assert_eq!(found.is_final, is_final, "{night}");
        let evidence = found.evidence.unwrap();
        assert_eq!(i64::from(evidence.days), night + 1);
        before = Some(gap(answer(gone), evidence.days, (evidence.since.0, now)));
    }
}

#[test]
fn what_was_settled_stays_whatever_is_answered_later() {
    use AttendanceState::{Empty, Failed, Forbidden, Gone, Reported};
    let three = Patience::Days(3);
    let never = Patience::Never;
    for (was, was_final, answered, patience, state, is_final, has_gap) in [
        (Reported, true, Gone, three, Reported, true, false),
        (Reported, false, Gone, three, Reported, false, true),
        (Empty, true, Gone, three, Empty, true, false),
        (Empty, true, Forbidden, never, Empty, true, false),
        (Reported, true, Failed, never, Reported, true, false),
        (Reported, false, Failed, never, Reported, false, true),
        (Gone, true, Gone, three, Gone, true, true),
        (Gone, true, Failed, never, Failed, false, true),
        (Forbidden, true, Forbidden, never, Forbidden, true, true),
        (
            AttendanceState::NotReady,
            false,
            Gone,
            three,
            Gone,
            false,
            true,
        ),
        (
            AttendanceState::NotReady,
            false,
            Forbidden,
            never,
            Forbidden,
            false,
            true,
        ),
    ] {
        let seen = Sighting {
            published: Some(published(was, was_final)),
            ..sighting(0)
        };
        let verdict = not_listed(&seen, answered, patience, NIGHT);
        assert_eq!(
            (verdict.state, verdict.is_final, verdict.gap.is_some()),
            (state, is_final, has_gap),
            "{was:?} {was_final} then {answered:?}"
        );
    }
}

#[test]
fn what_graph_cannot_keep_any_more_is_gone_at_once() {
    for (days, is_final) in [(364, false), (365, true)] {
        let verdict = not_listed(
            &sighting(0),
            AttendanceState::Gone,
            Patience::Days(3),
            days * DAY,
        );
        assert_eq!(verdict.is_final, is_final, "{days}");
        assert_eq!(verdict.gap.unwrap().is_final, is_final, "{days}");
    }
    for (days, state, reason) in [
        (364, AttendanceState::Empty, None),
        (
            365,
            AttendanceState::Gone,
            Some(Cow::Borrowed("reports_expired")),
        ),
    ] {
        let verdict = RULES.listed(0, &sighting(0), UtcMicros(days * DAY));
        assert_eq!((verdict.state, verdict.reason), (state, reason));
        assert!(verdict.is_final);
    }
    let seen_in_time = Sighting {
        published: Some(published(AttendanceState::Empty, true)),
        ..sighting(0)
    };
    let verdict = RULES.listed(0, &seen_in_time, UtcMicros(400 * DAY));
    assert_eq!(verdict.state, AttendanceState::Empty);
}

#[test]
fn only_a_scheduled_run_gives_up_and_only_what_was_tried_before() {
    let lost = Sighting {
        has_unpublished: true,
        ..sighting(0)
    };
    let tried = Sighting {
        published: Some(published(AttendanceState::Failed, false)),
        ..lost
    };
    let backfill = SettleRules {
        gives_up: false,
        ..RULES
    };
    let old = UtcMicros(31 * DAY);
    let of = |rules: SettleRules, seen: &Sighting<'_>| {
        let verdict = rules.listed(0, seen, old);
        (verdict.state, verdict.is_final)
    };
    let open = (AttendanceState::NotReady, false);
    assert_eq!(of(RULES, &lost), open, "the first look gives up nothing");
    assert_eq!(of(backfill, &tried), open);
    assert_eq!(
        of(RULES, &tried),
        (AttendanceState::Failed, true),
        "what is final is never `not_ready`"
    );
    let failed = (AttendanceState::Failed, Patience::Never);
    for (seen, is_final) in [(&lost, false), (&tried, true)] {
        let verdict = not_listed(seen, failed.0, failed.1, old.0);
        assert_eq!(verdict.is_final, is_final);
    }
    // a suspicion is given up by the least evidence, however long its cause may take
    let gone = answer(AttendanceState::Gone);
    for (row, is_final) in [
        (gap(gone, 1, (30 * DAY, 30 * DAY)), false),
        (gap(gone, 2, (28 * DAY, 30 * DAY)), true),
    ] {
        let seen = Sighting {
            published: Some(published(AttendanceState::Gone, false)),
            gap: Some(&row),
            ..sighting(0)
        };
        let verdict = not_listed(&seen, AttendanceState::Gone, Patience::Days(30), old.0);
        assert_eq!(verdict.is_final, is_final, "{row:?}");
    }
}

#[test]
fn a_session_that_was_moved_is_not_final_any_longer() {
    let moved = Sighting {
        ends_at: UtcMicros(3 * DAY),
        published: Some(published(AttendanceState::Empty, true)),
        ..sighting(0)
    };
    let of = |hours: i64| {
        let verdict = RULES.listed(0, &moved, UtcMicros(3 * DAY + hours * HOUR));
        (verdict.state, verdict.is_final)
    };
    assert_eq!(of(1), (AttendanceState::NotReady, false));
    assert_eq!(of(25), (AttendanceState::Empty, true));
}

#[test]
fn how_far_a_list_tells() {
    let list = |reports, cap, oldest: i64, of_session, had_oldest_before| ListSeen {
        reports,
        cap,
        oldest: Some(UtcMicros(oldest * HOUR)),
        of_session,
        had_oldest_before,
    };
    // the session is from 8 to 18
    for (what, list, wanted) in [
        (
            "a single one, behind it",
            list(1, 50, 20, 0, false),
            Reach::Behind(Cut::Unknown),
        ),
        (
            "none at all",
            ListSeen {
                oldest: None,
                ..list(0, 50, 0, 0, false)
            },
            Reach::Whole,
        ),
        (
            "nine, all within it",
            list(9, 50, 9, 9, false),
            Reach::Whole,
        ),
        (
            "ten, behind it",
            list(10, 50, 20, 0, false),
            Reach::Behind(Cut::Unknown),
        ),
        (
            "full, behind it",
            list(50, 50, 20, 0, false),
            Reach::Behind(Cut::Full),
        ),
        ("full, before it", list(50, 50, 7, 3, false), Reach::Whole),
        (
            "full, within it",
            list(50, 50, 9, 50, false),
            Reach::Within(Cut::Full),
        ),
        (
            "full, within it, of others too",
            list(50, 50, 9, 2, false),
            Reach::Within(Cut::Full),
        ),
        (
            "full, within it, and known before",
            list(50, 50, 9, 50, true),
            Reach::Whole,
        ),
        (
            "ten, all within it",
            list(10, 50, 9, 10, false),
            Reach::Within(Cut::Unknown),
        ),
        ("ten of a series", list(10, 50, 9, 1, false), Reach::Whole),
        (
            "the newest alone, within it",
            list(1, 1, 9, 1, false),
            Reach::Whole,
        ),
        (
            "the newest alone, behind it",
            list(1, 1, 20, 0, false),
            Reach::Behind(Cut::Full),
        ),
    ] {
        let reach = Reach::of(list, UtcMicros(8 * HOUR), UtcMicros(18 * HOUR));
        assert_eq!(reach, wanted, "{what}");
    }
}

#[test]
fn a_list_proves_nothing_of_what_is_older_than_it() {
    let plain = Answer::plain(GapReason::OverCap);
    let long_known = gap(plain, 2, (-DAY, DAY));
    for (what, cut, was, row, state, is_final) in [
        (
            "full",
            Cut::Full,
            None,
            None,
            AttendanceState::OverCap,
            true,
        ),
        (
            "short",
            Cut::Unknown,
            None,
            None,
            AttendanceState::OverCap,
            false,
        ),
        (
            "short, and asked before there was any",
            Cut::Unknown,
            Some(AttendanceState::NotReady),
            None,
            AttendanceState::Empty,
            true,
        ),
        (
            "full, and asked before",
            Cut::Full,
            Some(AttendanceState::NotReady),
            None,
            AttendanceState::OverCap,
            true,
        ),
        (
            "short, as for days",
            Cut::Unknown,
            Some(AttendanceState::OverCap),
            Some(&long_known),
            AttendanceState::OverCap,
            true,
        ),
        (
            "seen in time",
            Cut::Full,
            Some(AttendanceState::Empty),
            None,
            AttendanceState::Empty,
            true,
        ),
    ] {
        let seen = Sighting {
            reach: Reach::Behind(cut),
            published: was.map(|state| published(state, state == AttendanceState::Empty)),
            gap: row,
            ..sighting(0)
        };
        let verdict = RULES.listed(0, &seen, UtcMicros(2 * DAY));
        assert_eq!(
            (verdict.state, verdict.is_final),
            (state, is_final),
            "{what}"
        );
        let has_gap = state == AttendanceState::OverCap;
        let gap = verdict.gap.map(|gap| (gap.reason, gap.is_final));
        assert_eq!(
            gap,
            has_gap.then_some((GapReason::OverCap, is_final)),
            "{what}"
        );
    }
}

#[test]
fn reports_that_a_full_list_hides_within_a_session_are_a_gap() {
    for (cut, is_final) in [(Cut::Full, true), (Cut::Unknown, false)] {
        let seen = Sighting {
            reach: Reach::Within(cut),
            ..sighting(50)
        };
        let verdict = RULES.listed(0, &seen, UtcMicros(2 * DAY));
        assert_eq!(verdict.state, AttendanceState::Reported);
        assert_eq!(verdict.is_final, is_final, "{cut:?}");
        let gap = verdict.gap.map(|gap| (gap.reason, gap.is_final));
        assert_eq!(gap, Some((GapReason::OverCap, is_final)));
    }
}

#[test]
fn a_missing_link_may_come_and_a_channel_stays_one() {
    for (reason, is_final) in [
        ("channel_meeting", true),
        ("other_provider", true),
        (NO_JOIN_URL, false),
    ] {
        let verdict = RULES.closed(0, &sighting(0), reason, UtcMicros(NIGHT));
        assert_eq!(verdict.state, AttendanceState::Unsupported);
        assert_eq!(verdict.reason.as_deref(), Some(reason));
        assert_eq!(verdict.is_final, is_final, "{reason}");
        assert_eq!(verdict.gap.is_some(), !is_final, "{reason}");
    }
    let row = gap(Answer::plain(GapReason::NoJoinUrl), 3, (0, 2 * DAY));
    let seen = Sighting {
        published: Some(published(AttendanceState::Unsupported, false)),
        gap: Some(&row),
        ..sighting(0)
    };
    let verdict = RULES.closed(0, &seen, NO_JOIN_URL, UtcMicros(4 * DAY));
    assert!(verdict.is_final && verdict.gap.unwrap().is_final);
}

#[test]
fn a_cancelled_meeting_that_is_gone_was_cancelled() {
    let row = gap(answer(AttendanceState::Gone), 3, (0, 2 * DAY));
    let mut seen = Sighting {
        is_cancelled: true,
        ..sighting(0)
    };
    let first = not_listed(&seen, AttendanceState::Gone, Patience::Days(3), NIGHT);
    assert_eq!(
        (first.state, first.is_final),
        (AttendanceState::Gone, false)
    );
    seen.gap = Some(&row);
    let last = not_listed(&seen, AttendanceState::Gone, Patience::Days(3), 4 * DAY);
    assert_eq!(
        (last.state, last.is_final),
        (AttendanceState::Cancelled, true)
    );
}
