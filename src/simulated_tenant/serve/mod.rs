//! What is answered to whom: paths to answers, without a socket.
//!
//! [`answer`] is a pure function of the world and the request; [`http`] puts it behind a port, with tokens, faults and a log.

mod ask;
mod calendar;
mod call_records;
mod directory;
mod errors;
pub(super) mod http;
mod meetings;
mod permissions;
mod reports;
mod token;
mod virtual_events;
mod wire;

use serde_json::Value;

use super::world::{VirtualEventKind, World};
use ask::Ask;
use errors::Refusal;
use token::Bearer;

/// The answer to a GET request that has a valid token.
fn answer(world: &World, bearer: &Bearer, ask: &Ask<'_>) -> Result<Value, Refusal> {
    let mut path: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    match (bearer, path.as_slice()) {
        (Bearer::User(own), ["me", rest @ ..]) => {
            path = ["users", own]
                .into_iter()
                .chain(rest.iter().copied())
                .collect();
        }
        (Bearer::User(own), ["users", id, "onlineMeetings", ..]) if id != own => {
            return Err(Refusal::other_organizer(own, id));
        }
        (Bearer::App, ["me", ..]) => return Err(Refusal::me_without_user()),
        _ => {}
    }
    permissions::check(world, bearer, &path)?;
    match path.as_slice() {
        ["users"] => directory::users(world, ask),
        ["users", id] => directory::user(world, ask, id),
        ["users", id, "calendarView"] => calendar::calendar_view(world, ask, id),
        ["users", id, "onlineMeetings"] => meetings::find(world, ask, id),
        ["users", id, "onlineMeetings", meeting] => meetings::get(world, ask, id, meeting),
        [
            "users",
            id,
            "onlineMeetings",
            meeting,
            "attendanceReports",
            rest @ ..,
        ] => reports::serve(world, ask, meetings::reports(world, id, meeting)?, rest),
        [
            "users",
            id,
            "onlineMeetings",
            meeting,
            "meetingAttendanceReport",
        ] => reports::latest(world, ask, meetings::reports(world, id, meeting)?),
        ["groups", id, "members"] => directory::members(world, ask, id, directory::Depth::Direct),
        ["groups", id, "transitiveMembers"] => {
            directory::members(world, ask, id, directory::Depth::Nested)
        }
        ["communications", "callRecords"] => call_records::list(world, ask),
        ["communications", "callRecords", id] => call_records::get(world, ask, id),
        ["solutions", "virtualEvents", "webinars", rest @ ..] => {
            virtual_events::serve(world, bearer, ask, VirtualEventKind::Webinar, rest)
        }
        ["solutions", "virtualEvents", "townhalls", rest @ ..] => {
            virtual_events::serve(world, bearer, ask, VirtualEventKind::TownHall, rest)
        }
        [.., last] => Err(Refusal::no_such_path(last)),
        [] => Err(Refusal::no_such_path("")),
    }
}
