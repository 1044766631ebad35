//! Webinars and town halls of listed organizers.

use super::*;

#[test]
fn webinars_and_town_halls_of_listed_organizers_are_asked_by_organizer() {
    let mut world = world();
    let start = |day| [at(&world, day, 9)];
    let mut events = Vec::new();
    for (kind, person, name, day) in [
        (VirtualEventKind::Webinar, ada(), "hers", 1),
        (VirtualEventKind::Webinar, grace(), "not hers", 1),
        (VirtualEventKind::TownHall, ada(), "all hands", 2),
    ] {
        let mut event = VirtualEvent::published(kind, &person, name, &start(day), 60);
        event.sessions[0].hold(&[&person]);
        events.push(event);
    }
    world.virtual_events = events;
    let stand = Stand::new(world);
    let sources = format!(
        "[sources.webinars]\norganizers = [\"{}\"]\n[sources.town_halls]\norganizers = [\"{}\"]\n",
        ada().user_principal_name,
        ada().id
    );
    backfill(&stand, &sources, 0, DAYS).expect_code(0);
    let row = |subject: &str, way: &str| {
        (
            Some(subject.to_owned()),
            way.to_owned(),
            "reported".to_owned(),
            1,
        )
    };
    assert_eq!(
        seen(&stand),
        [row("hers", "webinars"), row("all hands", "town_halls")]
    );
    let function = format!("getByUserIdAndRole(userId='{}',role='organizer')", ada().id);
    assert_eq!(asked(&stand, &function).len(), 2);
    assert_eq!(
        stand.published().runs[0].1.sources,
        ["webinars:organizers", "town_halls:organizers"]
    );
    // an event that is gone from its organizer's list is removed, and only then
    stand.tenant.edit(|world| {
        world
            .virtual_events
            .retain(|event| event.display_name != "hers");
    });
    backfill(&stand, &sources, 0, DAYS).expect_code(0);
    let removed: Vec<_> = sessions(&stand)
        .iter()
        .map(|row| row.removed_at.is_some())
        .collect();
    assert_eq!(removed, [true, false]);
}

#[test]
fn fault_87_a_listed_organizer_who_is_unknown_is_a_gap_and_the_run_goes_on() {
    let mut world = world();
    let mut webinar = VirtualEvent::published(
        VirtualEventKind::Webinar,
        &ada(),
        "hers",
        &[at(&world, 1, 9)],
        60,
    );
    webinar.sessions[0].hold(&[&ada()]);
    world.virtual_events.push(webinar);
    let stand = Stand::new(world);
    let sources = format!(
        "[sources.webinars]\norganizers = [\"{}\", \"gone@contoso.example\"]\n",
        ada().id
    );
    backfill(&stand, &sources, 1, 2).expect_code(3);
    let published = stand.published();
    assert_eq!(published.reports.len(), 1);
    let gaps = open_gaps(&published);
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!(
        (gap.source.as_ref(), gap.reason.as_ref(), gap.http_status),
        ("webinar", "gone", Some(404))
    );
}

#[test]
fn fault_87_users_who_are_gone_or_without_a_mailbox_do_not_stop_the_others() {
    let mut world = world();
    let mut without = Person::member("Without");
    without.has_mailbox = false;
    world.people.push(without.clone());
    world.meetings.push(held(&world, "hers", 1, 9));
    let stand = Stand::new(world);
    let deleted = "00000000-0000-4000-8000-0000000000dd";
    let sources = format!(
        "[sources.online_meetings]\nusers = [\"{deleted}\", \"{}\", \"gone@contoso.example\", \"{}\"]\n",
        without.id,
        ada().id
    );
    // whoever keeps the list can mend it, or restore the account
    let outcome = backfill(&stand, &sources, 1, 2).expect_code(3);
    let published = stand.published();
    assert_eq!(published.reports.len(), 1);
    let mut missing: Vec<_> = open_gaps(&published)
        .into_iter()
        .map(|gap| {
            (
                gap.organizer_id.clone().unwrap(),
                gap.reason.clone(),
                gap.http_status,
            )
        })
        .collect();
    missing.sort();
    assert_eq!(
        missing,
        [deleted, "gone@contoso.example"].map(|id| (id.into(), "gone".into(), Some(404)))
    );
    assert_eq!(
        summary(&outcome)["skipped"],
        json!({"accounts_without_mailbox": 1})
    );
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
pub(super) fn without_times(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    for session in page["value"].as_array_mut().into_iter().flatten() {
        session["startDateTime"] = Value::Null;
        session["endDateTime"] = Value::Null;
    }
    serde_json::to_vec(&page).unwrap()
}

#[test]
fn a_session_whose_summary_lacks_its_times_is_asked_by_itself() {
    let mut world = world();
    let starts = [at(&world, 1, 9), at(&world, 3, 14)];
    let mut series =
        VirtualEvent::published(VirtualEventKind::Webinar, &ada(), "course", &starts, 60);
    series.sessions[1].hold(&[&ada()]);
    series.status = "canceled".to_owned();
    world.virtual_events.push(series);
    let stand = Stand::new(world);
    // the first request for sessions is the one for their list
    stand.tenant.script(Fault::first(
        1,
        "/sessions",
        FaultEffect::Rewrite(without_times),
    ));
    let outcome = backfill(&stand, "[sources.webinars]\n", 0, DAYS).expect_code(0);
    let rows: Vec<_> = sessions(&stand)
        .into_iter()
        .map(|row| {
            (
                row.scheduled_start,
                row.report_count,
                row.is_cancelled,
                row.status.map(std::borrow::Cow::into_owned),
            )
        })
        .collect();
    let row = |start, reports| (start, reports, Some(true), Some("canceled".to_owned()));
    assert_eq!(rows, [row(starts[0], 0), row(starts[1], 1)]);
    assert_eq!(summary(&outcome)["requests_by_kind"]["get_session"], 2);
}
