//! Refusals by what they mean: the same outcome for the same cause in whatever words, and none that passes is taken for good.

use std::time::Duration;

use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, Occurrences};

use crate::failed_discovery::{ada, bob, gap, goes_on, meeting, night, open_gaps, sessions, world};
use crate::support::nights::{Nights, at};

const EVERYBODY: &str = "[sources.online_meetings]\n";

fn refusal(status: u16, code: &str, message: &str) -> FaultEffect {
    FaultEffect::Answer(FaultAnswer::graph_error(status, code, message))
}

fn calendar_of_bob() -> String {
    format!("/users/{}/calendarView", bob().id)
}

#[test]
fn an_account_without_a_cloud_mailbox_is_one_in_whatever_words() {
    for (code, message) in [
        (
            "MailboxNotEnabledForRESTAPI",
            "REST API is not yet supported for this mailbox.",
        ),
        (
            "MailboxNotSupportedForRESTAPI",
            "REST API is not yet supported for this mailbox.",
        ),
        ("ResourceNotFound", "Resource could not be discovered."),
        ("ErrorInvalidUser", "The requested user 'x' is invalid."),
        ("ErrorNonExistentMailbox", "No mailbox with such guid."),
    ] {
        let nights = Nights::new(world());
        let refused = Fault::always(calendar_of_bob(), refusal(404, code, message));
        nights.stand.tenant.script(refused);
        let summary = nights.run(night("2026-03-03"));
        assert_eq!(summary.exit_code, 0, "{code}");
        assert_eq!(summary.skipped["accounts_without_mailbox"], 1, "{code}");
        assert_eq!(sessions(&nights), [meeting("hers")], "{code}");
        assert_eq!(open_gaps(&nights), [], "{code}");
    }
}

#[test]
fn a_user_whom_only_the_job_names_may_not_be_there_at_all() {
    let mut nights = Nights::new(world());
    // Exchange says the same of an account without a mailbox and of nobody
    let named = "[sources.online_meetings]\nusers = [\"3f0f1b2c-0000-4000-8000-00000000000b\"]\n";
    nights.replace = (EVERYBODY, named);
    let refused = refusal(404, "ErrorInvalidUser", "The requested user is invalid.");
    nights
        .stand
        .tenant
        .script(Fault::always("/calendarView", refused));
    let summary = nights.try_run(night("2026-03-03"));
    let hints = match summary {
        Ok(summary) => summary
            .notices
            .into_iter()
            .filter_map(|notice| notice.hint)
            .collect(),
        Err(error) => error.hint().unwrap(),
    };
    for holds in ["no such user", "no cloud mailbox"] {
        assert!(hints.contains(holds), "{hints}");
    }
}

/// Two nights in which Bob's calendar answers like this, and one in which it is well.
fn heals(effect: FaultEffect) {
    let nights = Nights::new(world());
    // four tries, and on the second night as many again for the day before
    let refused = Fault::first(3 * 4, calendar_of_bob(), effect);
    nights.stand.tenant.script(refused);
    for day in ["2026-03-03", "2026-03-04"] {
        assert_eq!(nights.run(night(day)).exit_code, 3, "{day}");
        assert_eq!(sessions(&nights), [meeting("hers")]);
    }
    assert_eq!(nights.run(night("2026-03-05")).exit_code, 0);
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    assert_eq!(open_gaps(&nights), []);
}

#[test]
fn a_calendar_that_answers_404_without_a_body_for_two_nights_is_read_by_the_third() {
    heals(FaultEffect::Answer(FaultAnswer::raw(404, "")));
}

#[test]
fn a_mailbox_on_the_move_for_two_nights_is_read_by_the_third() {
    let message = "Mailbox move in progress. Try again later., Cannot open mailbox.";
    heals(refusal(400, "ErrorMailboxMoveInProgress", message));
}

#[test]
fn users_whose_next_page_is_too_old_are_read_again_from_the_start() {
    let nights = Nights::new(world());
    for fault in [
        Fault::first(1, "/v1.0/users?", FaultEffect::Rewrite(goes_on)),
        Fault::first(
            1,
            "/v1.0/next-page",
            refusal(400, "Directory_ExpiredPageToken", "The token has expired."),
        ),
    ] {
        nights.stand.tenant.script(fault);
    }
    let summary = nights.run(night("2026-03-03"));
    assert_eq!(summary.exit_code, 0);
    assert_eq!(summary.requests_by_kind["users"], 3);
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
}

#[test]
fn fault_38_a_token_that_is_revoked_in_mid_run_is_taken_anew_with_the_claims_and_nothing_is_lost() {
    let nights = Nights::new(world());
    let challenge =
        "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"";
    let revoked = FaultAnswer::graph_error(401, "InvalidAuthenticationToken", "Revoked.");
    let revoked = FaultEffect::Answer(revoked.with_header("www-authenticate", challenge));
    nights
        .stand
        .tenant
        .script(Fault::first(1, "/onlineMeetings", revoked));
    let summary = nights.run(night("2026-03-03"));
    assert_eq!(
        (summary.exit_code, summary.requests_by_kind["token"]),
        (0, 2)
    );
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
}

#[test]
fn a_mailbox_that_refuses_a_token_which_others_let_in_is_a_gap_of_its_own() {
    let nights = Nights::new(world());
    let refused = refusal(401, "", "");
    // with the token and a new one, on the first night; then it has passed
    nights
        .stand
        .tenant
        .script(Fault::first(2, calendar_of_bob(), refused));
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [meeting("hers")]);
    let open = gap("online_meeting", "bad_response", Some(&bob().id));
    assert_eq!(open_gaps(&nights), [open]);
    assert_eq!(nights.run(night("2026-03-04")).exit_code, 0);
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    assert_eq!(open_gaps(&nights), []);
}

#[test]
fn what_is_whole_is_published_before_a_token_that_nothing_lets_in_ends_the_run() {
    let nights = Nights::new(world());
    assert_eq!(nights.run(night("2026-03-02")).exit_code, 0);
    let refusal = FaultAnswer::graph_error(401, "InvalidAuthenticationToken", "no");
    let late = FaultAnswer {
        // hers is read meanwhile
        delay: Duration::from_millis(45),
        ..refusal.clone()
    };
    let his = format!("/users/{}/onlineMeetings", bob().id);
    for fault in [
        Fault::first(2, his, FaultEffect::Answer(late)),
        Fault {
            matching: "/users?$select=id&$top=1".to_owned(),
            occurrences: Occurrences::First(1),
            effect: FaultEffect::Answer(refusal),
        },
    ] {
        nights.stand.tenant.script(fault);
    }
    let error = nights.try_run(night("2026-03-03")).unwrap_err();
    assert!(error.is_forbidden(), "{error}");
    let published = nights.stand.published();
    let codes: Vec<_> = published
        .runs
        .iter()
        .map(|(_, run)| run.exit_code)
        .collect();
    assert_eq!((codes, published.reports.len()), (vec![0, 4], 1));
    let refused = gap("online_meeting", "unauthorized", Some(&bob().id));
    assert_eq!(open_gaps(&nights), [refused]);
    assert!(published.sessions.iter().any(|(_, row)| {
        row.organizer_id.as_deref() == Some(&ada().id) && row.attendance_state == "reported"
    }));
    // the day does not count as read
    let summary = nights.run(night("2026-03-04"));
    assert_eq!(summary.exit_code, 0);
    assert_eq!(summary.interval_start, at("2026-03-02"));
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    assert_eq!(open_gaps(&nights), []);
}
