//! Whose calendars are read: every enabled account that is no guest, a list, or a group.
//!
//! Who is a guest is decided here and not by Graph's filter: accounts made before August 2014 have no `userType`, `eq 'Member'` leaves them
//! out, and `ne 'Guest'` is an advanced query, for which Graph wants a header and a count.
//! Source: <https://learn.microsoft.com/graph/api/resources/user>, <https://learn.microsoft.com/graph/aad-advanced-queries>,
//! <https://learn.microsoft.com/graph/api/user-list>, <https://learn.microsoft.com/graph/api/group-list-members>.

use std::collections::{BTreeSet, VecDeque};

use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::{AskedOnce, DiscoverContext, Found};
use crate::flatten::Organizer;
use crate::graph::{Cause, GraphClient, GraphError, RequestKind};
use crate::ids::OrganizerId;
use crate::job::Source;
use crate::job::plan::UsersPlan;
use crate::model::{self, GroupMember, Text, User};

const SELECT: (&str, &str) = (
    "$select",
    "id,displayName,mail,userPrincipalName,accountEnabled,userType",
);
/// What leaves disabled accounts out; guests are left out by [`is_guest`].
pub(crate) const ENABLED: (&str, &str) = ("$filter", "accountEnabled eq true");
/// The documented maximum of a page of users.
const TOP: (&str, &str) = ("$top", "999");

/// A user, or one of the list that could not be looked up.
pub(super) type FoundUser = Result<Organizer, (OrganizerId, GraphError)>;

/// The path of whoever signed in.
const ME: [&str; 1] = ["me"];

/// Whose meetings they are.
const SOURCE: Source = Source::OnlineMeeting;

/// Sends each user once, and tells of those who could not be read; whether there were none of these.
///
/// # Errors
/// [`GraphError`] where the tenant's users or the group cannot be listed to the end: then it is not known whose calendars are missing.
/// Those who were listed before were sent.
pub(super) async fn list(
    context: &DiscoverContext,
    users: &UsersPlan,
    found: mpsc::Sender<FoundUser>,
) -> Result<bool, GraphError> {
    let _listing = context.tally.list_organizers();
    match users {
        UsersPlan::All => list_all(context, &found).await,
        UsersPlan::Listed(names) => {
            list_named(context, names, &found).await;
            Ok(true)
        }
        UsersPlan::Me => {
            let me = me(&context.graph, &context.asked_once).await?;
            context.tally.organizers_found.add(1);
            found.send(Ok(me)).await.ok();
            Ok(true)
        }
        UsersPlan::Group(group) => list_group(context, group, &found).await,
    }
}

/// There are users of whom nothing is known, not even whether they have meetings.
async fn tell_unreadable(context: &DiscoverContext, count: usize) {
    for _ in 0..count {
        context
            .tell(Found::Unreadable {
                source: SOURCE,
                organizer_id: None,
            })
            .await;
    }
}

async fn list_all(
    context: &DiscoverContext,
    found: &mpsc::Sender<FoundUser>,
) -> Result<bool, GraphError> {
    let graph = &context.graph;
    let url = graph.url_with_query(&["users"], &[ENABLED, SELECT, TOP]);
    let mut seen = BTreeSet::new();
    let mut is_complete = true;
    let mut pages = context.asked_once.pages(graph, RequestKind::Users, url);
    while let Some(body) = pages.next_page().await? {
        let page =
            model::parse_page::<User<'_>>(&body).map_err(|source| pages.bad_response(source))?;
        let nameless = page.items.iter().filter(|user| user.id.is_none()).count();
        tell_unreadable(context, page.unreadable.len() + nameless).await;
        is_complete &= page.unreadable.is_empty() && nameless == 0;
        for user in &page.items {
            if let Some(organizer) = member(
                user.account_enabled,
                user.user_type.as_ref(),
                user.id.as_ref(),
                user.mail.as_ref(),
                user.display_name.as_ref(),
            ) && seen.insert(organizer.id.clone())
            {
                context.tally.organizers_found.add(1);
                found.send(Ok(organizer)).await.ok();
            }
        }
        pages.follow(page.next_link.as_ref().map(AsRef::as_ref))?;
    }
    Ok(is_complete)
}

async fn list_named(context: &DiscoverContext, names: &[String], found: &mpsc::Sender<FoundUser>) {
    let mut seen = BTreeSet::new();
    context.tally.organizers_found.add(names.len() as u64);
    let looking_up = names.iter().map(|name| find(context, SOURCE, name));
    let mut users = stream::iter(looking_up).buffered(context.concurrency.max(1));
    while let Some(user) = users.next().await {
        let id = match &user {
            Ok(organizer) => organizer.id.clone(),
            Err((id, _)) => id.clone(),
        };
        if let Err((name, error)) = &user
            && let Some(known) = known_by_name(context, name.as_str(), error)
            && seen.insert(known.id.clone())
        {
            context.tally.organizers_found.add(1);
            found.send(Ok(known)).await.ok();
        }
        if seen.insert(id) {
            found.send(user).await.ok();
        } else {
            // the same person under another name
            context.tally.organizers_done.add(1);
        }
    }
}

/// A user whom the job names; where a name had to be looked up, that it was is told.
///
/// # Errors
/// The name with the [`GraphError`] of its look-up.
pub(super) async fn find(context: &DiscoverContext, source: Source, name: &str) -> FoundUser {
    let user = named(&context.graph, &context.asked_once, name).await?;
    if !is_object_id(name) {
        let name = OrganizerId::new(name);
        context.tell(Found::LookedUp { source, name }).await;
    }
    Ok(user)
}

/// A user whose name finds nobody any more, by the object id under which sessions of that address are published: renamed, most likely,
/// so that the calendar goes on under that id.
pub(super) fn known_by_name(
    context: &DiscoverContext,
    name: &str,
    error: &GraphError,
) -> Option<Organizer> {
    if error.cause() != Cause::UserNotFound || is_object_id(name) {
        return None;
    }
    let id = context.known.organizer_of_address(name)?.clone();
    Some(Organizer {
        id,
        email: None,
        display_name: None,
    })
}

/// The user who signed in.
///
/// # Errors
/// [`GraphError`] of the request.
pub(super) async fn me(
    graph: &GraphClient,
    asked_once: &AskedOnce,
) -> Result<Organizer, GraphError> {
    asked_once.user(&ME, look_up(graph, &ME)).await
}

/// The user of an object id, without a request, or of a user principal name.
///
/// # Errors
/// The name with the [`GraphError`] of its look-up.
pub(super) async fn named(graph: &GraphClient, asked_once: &AskedOnce, name: &str) -> FoundUser {
    if is_object_id(name) {
        return Ok(Organizer {
            id: OrganizerId::new(name.to_ascii_lowercase()),
            email: None,
            display_name: None,
        });
    }
    let path = ["users", name];
    asked_once
        .user(&path, look_up(graph, &path))
        .await
        .map_err(|error| (OrganizerId::new(name), error))
}

async fn look_up(graph: &GraphClient, path: &[&str]) -> Result<Organizer, GraphError> {
    let url = graph.url_with_query(path, &[SELECT]);
    let request = graph.request(RequestKind::Users, url);
    let name = path.last().copied().unwrap_or_default();
    let found = graph
        .get_with(&request, |body| {
            let user: User<'_> = model::parse_entity(body)?;
            let Some(id) = &user.id else { return Ok(None) };
            if path != ME && is_another(&user, name) {
                return Ok(None);
            }
            Ok(Some(Organizer {
                id: OrganizerId::new(id.as_ref()),
                email: owned(user.mail.as_ref()),
                display_name: owned(user.display_name.as_ref()),
            }))
        })
        .await?;
    found.ok_or_else(|| GraphError::id_mismatch(&request))
}

/// Whether a user is called something else than what was asked for, in every way in which a user can be asked for.
fn is_another(user: &User<'_>, name: &str) -> bool {
    let names = [&user.id, &user.user_principal_name, &user.mail];
    let mut names = names.into_iter().flatten();
    user.user_principal_name.is_some() && !names.any(|own| own.as_ref().eq_ignore_ascii_case(name))
}

/// Users of a group and of the groups in it, each group read once.
async fn list_group(
    context: &DiscoverContext,
    group: &str,
    found: &mpsc::Sender<FoundUser>,
) -> Result<bool, GraphError> {
    let graph = &context.graph;
    let mut is_complete = true;
    let mut seen_users = BTreeSet::new();
    let mut seen_groups = BTreeSet::from([group.to_owned()]);
    let mut groups = VecDeque::from([group.to_owned()]);
    while let Some(group) = groups.pop_front() {
        let url = graph.url_with_query(&["groups", &group, "members"], &[SELECT, TOP]);
        let kind = RequestKind::GroupMembers;
        let mut pages = context.asked_once.pages(graph, kind, url);
        while let Some(body) = pages.next_page().await? {
            let page = model::parse_page::<GroupMember<'_>>(&body)
                .map_err(|source| pages.bad_response(source))?;
            let nameless = page.items.iter().filter(|item| item.id.is_none()).count();
            tell_unreadable(context, page.unreadable.len() + nameless).await;
            is_complete &= page.unreadable.is_empty() && nameless == 0;
            for item in &page.items {
                let kind = item.odata_type.as_ref().map_or("user", |kind| {
                    kind.as_ref().rsplit('.').next().unwrap_or_default()
                });
                match (kind, item.id.as_ref()) {
                    ("group", Some(id)) if seen_groups.insert(id.as_ref().to_owned()) => {
                        groups.push_back(id.as_ref().to_owned());
                    }
                    ("user", _) => {
                        let organizer = member(
                            item.account_enabled,
                            item.user_type.as_ref(),
                            item.id.as_ref(),
                            item.mail.as_ref(),
                            item.display_name.as_ref(),
                        );
                        if let Some(organizer) =
                            organizer.filter(|organizer| seen_users.insert(organizer.id.clone()))
                        {
                            context.tally.organizers_found.add(1);
                            found.send(Ok(organizer)).await.ok();
                        }
                    }
                    _ => {}
                }
            }
            pages.follow(page.next_link.as_ref().map(AsRef::as_ref))?;
        }
    }
    Ok(is_complete)
}

/// Whether an account is another organization's; one without a type is none.
pub(crate) fn is_guest(user_type: Option<&Text<'_>>) -> bool {
    user_type.is_some_and(|kind| kind.as_ref().eq_ignore_ascii_case("guest"))
}

/// An enabled account that is no guest; what Graph does not say counts as enabled and no guest.
fn member(
    account_enabled: Option<bool>,
    user_type: Option<&Text<'_>>,
    id: Option<&Text<'_>>,
    mail: Option<&Text<'_>>,
    display_name: Option<&Text<'_>>,
) -> Option<Organizer> {
    if account_enabled == Some(false) || is_guest(user_type) {
        return None;
    }
    Some(Organizer {
        id: OrganizerId::new(id?.as_ref()),
        email: owned(mail),
        display_name: owned(display_name),
    })
}

fn owned(text: Option<&Text<'_>>) -> Option<String> {
    text.map(|text| text.as_ref().to_owned())
}

/// Whether the text is a GUID: an object id needs no look-up.
fn is_object_id(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_organize_is_read_and_a_guest_is_not() {
        for (enabled, user_type, is_read) in [
            ("true", r#""Member""#, true),
            // made before August 2014
            ("true", "null", true),
            ("null", "null", true),
            ("true", r#""member""#, true),
            // a kind that Graph does not have yet
            ("true", r#""External""#, true),
            ("true", r#""Guest""#, false),
            ("true", r#""guest""#, false),
            ("false", r#""Member""#, false),
            ("false", "null", false),
        ] {
            let user = format!(r#"{{"id":"a","accountEnabled":{enabled},"userType":{user_type}}}"#);
            let user: User<'_> = model::parse_entity(user.as_bytes()).unwrap();
            let found = member(
                user.account_enabled,
                user.user_type.as_ref(),
                user.id.as_ref(),
                None,
                None,
            );
            assert_eq!(found.is_some(), is_read, "{enabled} {user_type}");
        }
    }

    #[test]
    fn only_guids_need_no_look_up() {
        assert!(is_object_id("1C9165ff-0000-4000-8000-00000000000a"));
        for name in [
            "ann@contoso.example",
            "1c9165ff",
            "1c9165ff-0000-4000-8000-00000000000g",
            "",
        ] {
            assert!(!is_object_id(name), "{name}");
        }
    }
}
