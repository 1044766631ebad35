//! `/users` and `/groups`.

use serde_json::{Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use crate::simulated_tenant::world::{Group, Person, UserType, World};

/// What `/users` gives where nothing is selected; `accountEnabled` and `userType` are not among them.
const DEFAULT_PROPERTIES: [&str; 6] = [
    "id",
    "displayName",
    "jobTitle",
    "mail",
    "officeLocation",
    "userPrincipalName",
];

/// How far members of a group are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Members of the group itself; a nested group is one.
    Direct,
    /// Members of nested groups too.
    Nested,
}

/// `GET /users`.
pub(super) fn users(world: &World, ask: &Ask<'_>) -> Result<Value, Refusal> {
    let size = ask.top(100, 999)?;
    let filter = Filter::read(ask.option("$filter"))?;
    let people = world.people.iter().filter(|person| filter.holds(person));
    ask.page(people, |person| selected(person, ask), size, "$skiptoken")
}

/// `GET /users/{id or user principal name}`.
pub(super) fn user(world: &World, ask: &Ask<'_>, id: &str) -> Result<Value, Refusal> {
    let person = world
        .person(id)
        .ok_or_else(|| Refusal::no_such_object(id))?;
    Ok(ask.one(selected(person, ask)))
}

/// `GET /groups/{id}/members` (people and groups) and `/transitiveMembers` (of nested groups too).
pub(super) fn members(
    world: &World,
    ask: &Ask<'_>,
    id: &str,
    depth: Depth,
) -> Result<Value, Refusal> {
    let size = ask.top(100, 999)?;
    let group = find_group(world, id).ok_or_else(|| Refusal::no_such_object(id))?;
    let mut ids: Vec<&str> = group.members.iter().map(String::as_str).collect();
    if depth == Depth::Nested {
        let mut position = 0;
        while let Some(id) = ids.get(position).copied() {
            let nested = find_group(world, id).map(|group| group.members.as_slice());
            for member in nested.unwrap_or_default() {
                if !ids.contains(&member.as_str()) {
                    ids.push(member);
                }
            }
            position += 1;
        }
    }
    let members = ids.into_iter().filter_map(|id| member_json(world, ask, id));
    ask.page(members, std::convert::identity, size, "$skiptoken")
}

fn member_json(world: &World, ask: &Ask<'_>, id: &str) -> Option<Value> {
    let Some(person) = world.person(id) else {
        return find_group(world, id).map(group_json);
    };
    let mut member = selected(person, ask);
    if let Value::Object(properties) = &mut member {
        properties.insert("@odata.type".to_owned(), json!("#microsoft.graph.user"));
    }
    Some(member)
}

fn find_group<'a>(world: &'a World, id: &str) -> Option<&'a Group> {
    world.groups.iter().find(|group| group.id == id)
}

fn group_json(group: &Group) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.group",
        "id": group.id,
        "displayName": group.display_name,
    })
}

fn selected(person: &Person, ask: &Ask<'_>) -> Value {
    let mut user = json!({
        "id": person.id,
        "displayName": person.display_name,
        "userPrincipalName": person.user_principal_name,
        "mail": person.mail,
        "jobTitle": person.job_title,
        "department": person.department,
        "officeLocation": null,
        "accountEnabled": person.account_enabled,
        "userType": match person.user_type {
            UserType::Member => Some("Member"),
            UserType::Guest => Some("Guest"),
            UserType::Unsaid => None,
        },
    });
    if ask.option("$select").is_some() {
        ask.select(&mut user);
    } else if let Value::Object(properties) = &mut user {
        properties.retain(|name, _| DEFAULT_PROPERTIES.contains(&name.as_str()));
    }
    user
}

/// The conditions on people that are understood; anything else is refused, never ignored.
#[derive(Debug, Default)]
struct Filter {
    account_enabled: Option<bool>,
    user_type: Option<UserType>,
}

impl Filter {
    fn read(text: Option<&str>) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for condition in text.into_iter().flat_map(|text| text.split(" and ")) {
            match condition.trim() {
                "accountEnabled eq true" => filter.account_enabled = Some(true),
                "accountEnabled eq false" => filter.account_enabled = Some(false),
                "userType eq 'Member'" => filter.user_type = Some(UserType::Member),
                "userType eq 'Guest'" => filter.user_type = Some(UserType::Guest),
                _ => {
                    return Err(Refusal::new(
                        400,
                        "Request_UnsupportedQuery",
                        "Unsupported or invalid query filter clause specified.",
                    ));
                }
            }
        }
        Ok(filter)
    }

    fn holds(&self, person: &Person) -> bool {
        self.account_enabled
            .is_none_or(|enabled| person.account_enabled == enabled)
            && self
                .user_type
                .is_none_or(|user_type| person.user_type == user_type)
    }
}
