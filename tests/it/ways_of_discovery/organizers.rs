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
    backfill(&stand, &sources, 1, 2).expect_code(0);
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
