//! Answers about something else than what was asked for: refused, a gap with its reason, and filled by the next run.

use teamsheet::ids::stable_hash;

use super::*;

/// An object with another id, and the names of another person where it is one.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn of_another(body: Vec<u8>) -> Vec<u8> {
    let mut object: Value = serde_json::from_slice(&body).unwrap();
    assert!(object["id"].is_string());
    object["id"] = json!("00000000-0000-4000-8000-0000000000ff");
    if object["userPrincipalName"].is_string() {
        object["userPrincipalName"] = json!("mallory@contoso.example");
        object["mail"] = json!("mallory@contoso.example");
    }
    serde_json::to_vec(&object).unwrap()
}

/// The first answer to a request that holds `matching` is about something else: what is missing then, and the warehouse once it is not.
#[track_caller]
fn is_refused_and_filled(world: World, sources: impl Fn(&Stand) -> String, faults: &[Fault]) {
    let clean = Stand::new(world.clone());
    backfill(&clean, &sources(&clean), 0, DAYS).expect_code(0);
    let wanted = clean.published().content();
    assert!(!wanted.reports.is_empty());

    let stand = Stand::new(world);
    for fault in faults {
        stand.tenant.script(fault.clone());
    }
    let sources = sources(&stand);
    backfill(&stand, &sources, 0, DAYS).expect_code(3);
    let published = stand.published();
    let gaps = open_gaps(&published);
    assert!(!gaps.is_empty());
    for gap in gaps {
        assert_eq!(
            (gap.stage.as_ref(), gap.reason.as_ref()),
            ("discover", "id_mismatch")
        );
    }
    assert_eq!(published.reports.len() + 1, wanted.reports.len());
    let is_of_another = |session: &SessionRow<'_>| {
        let ids = [
            &session.organizer_id,
            &session.event_id,
            &session.occurrence_id,
        ];
        ids.into_iter().flatten().any(|id| id.ends_with("ff"))
    };
    assert!(!sessions(&stand).iter().any(is_of_another));

    backfill(&stand, &sources, 0, DAYS).expect_code(0);
    assert_eq!(open_gaps(&stand.published()).len(), 0);
    let mut filled = stand.published().content();
    filled.gaps.clear();
    assert_same_rows(&filled, &wanted);
}

fn once(matching: &str) -> Fault {
    Fault::first(1, matching, FaultEffect::Rewrite(of_another))
}

#[test]
fn fault_64_another_meeting_than_the_listed_one_is_not_used() {
    let mut world = world();
    let (asked, other) = (held(&world, "asked", 1, 9), held(&world, "other", 2, 9));
    let list = format!(
        "{0},{1}\n{0},{2}\n",
        ada().id,
        asked.online_meeting_id,
        other.online_meeting_id
    );
    let fault = once(&asked.online_meeting_id.replace('=', "%3D"));
    world.meetings = vec![asked, other];
    is_refused_and_filled(world, |stand| write_list(stand, &list), &[fault]);
}

#[test]
fn fault_64_another_user_than_the_named_one_is_not_read() {
    let mut world = world();
    let mut of_grace = Meeting::teams(&grace(), "hers", &[at(&world, 2, 9)], 60);
    of_grace.hold(0, &[&grace()]);
    world.meetings = vec![held(&world, "asked", 1, 9), of_grace];
    let sources = format!(
        "[sources.online_meetings]\nusers = [\"{}\", \"{}\"]\n",
        ada().user_principal_name,
        grace().id
    );
    let fault = once("GET /v1.0/users/ada");
    is_refused_and_filled(world, |_| sources.clone(), &[fault]);
}

#[test]
fn fault_64_another_session_than_the_one_of_the_list_is_not_used() {
    let mut world = world();
    let starts = [at(&world, 1, 9), at(&world, 3, 14)];
    let mut series =
        VirtualEvent::published(VirtualEventKind::Webinar, &ada(), "course", &starts, 60);
    series.sessions[0].hold(&[&ada()]);
    series.sessions[1].hold(&[&ada()]);
    let fault = once(&format!("/sessions/{}", series.sessions[1].id));
    world.virtual_events.push(series);
    // lists hold summaries: each session is asked by itself where they lack its times
    let summaries = Fault::first(
        1,
        "/sessions",
        FaultEffect::Rewrite(organizers::without_times),
    );
    is_refused_and_filled(
        world,
        |_| "[sources.webinars]\n".to_owned(),
        &[summaries, fault],
    );
}

#[test]
fn fault_64_another_call_record_than_the_one_of_the_list_is_not_used() {
    let mut world = world();
    let asked = ad_hoc(&world, "asked", 2, 14);
    // a calendar shows the other one, which is published whatever becomes of its record
    let record = links::guid(&stable_hash(["call record", &asked.reports[0].id]));
    world.meetings = vec![asked, held(&world, "other", 1, 9)];
    let summaries = Fault::always(
        "/communications/callRecords?",
        FaultEffect::Rewrite(call_records::summaries_only),
    );
    is_refused_and_filled(
        world,
        |_| BOTH.to_owned(),
        &[
            summaries,
            once(&format!("/communications/callRecords/{record}")),
        ],
    );
}
