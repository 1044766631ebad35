//! Which application permission a path asks for: without it, 403.

use super::errors::Refusal;
use super::token::Bearer;
use crate::simulated_tenant::world::World;

/// 403 where the app's roles, or a user's token, do not reach the path.
///
/// The world's present roles count, not those of the moment when the token was given. Of users' tokens only the lists of the
/// whole tenant are refused: they cannot be had with delegated permissions.
pub(super) fn check(world: &World, bearer: &Bearer, path: &[&str]) -> Result<(), Refusal> {
    let is_granted = match bearer {
        Bearer::User(_) => !matches!(
            path,
            ["communications", "callRecords", ..] | ["solutions", "virtualEvents", _]
        ),
        Bearer::App => {
            let wanted = roles_for(path);
            let mut roles = world.answers.token_roles.iter();
            wanted.is_empty() || roles.any(|role| wanted.contains(&role.as_str()))
        }
    };
    if is_granted {
        return Ok(());
    }
    Err(match path {
        // Exchange has words of its own
        ["users", _, "calendarView", ..] => Refusal::new(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ),
        _ => Refusal::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        ),
    })
}

/// Any one of these will do; none is needed where the list is empty.
fn roles_for(path: &[&str]) -> &'static [&'static str] {
    match path {
        [
            _,
            _,
            "onlineMeetings",
            _,
            "attendanceReports" | "meetingAttendanceReport",
            ..,
        ]
        | [_, _, _, _, "sessions", _, "attendanceReports", ..] => {
            &["OnlineMeetingArtifact.Read.All"]
        }
        [_, _, "onlineMeetings", ..] => {
            &["OnlineMeetings.Read.All", "OnlineMeetings.ReadWrite.All"]
        }
        [_, _, "calendarView", ..] => &[
            "Calendars.ReadBasic.All",
            "Calendars.ReadBasic",
            "Calendars.Read",
            "Calendars.ReadWrite",
        ],
        ["users", ..] => &["User.Read.All", "User.ReadBasic.All", "Directory.Read.All"],
        ["groups", ..] => &[
            "GroupMember.Read.All",
            "Group.Read.All",
            "Directory.Read.All",
        ],
        ["communications", "callRecords", ..] => &["CallRecords.Read.All"],
        ["solutions", "virtualEvents", ..] => &["VirtualEvent.Read.All"],
        _ => &[],
    }
}
