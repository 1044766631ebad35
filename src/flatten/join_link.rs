//! What a join link tells without a request: which meeting it is, and what Graph most likely calls it.
//!
//! ```text
//! long   https://teams.microsoft.com/l/meetup-join/19%3ameeting_…%40thread.v2/0?context={"Tid":"…","Oid":"…"}   thread, message, organizer
//! short  https://teams.microsoft.com/meet/{digits}?p={passcode}                                                 digits only
//! ```
//!
//! None of it is a contract of Graph's. A link of any other host or form tells nothing, and is only ever handed to Graph as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

use crate::ids::{EventId, OrganizerId, TenantId};
use crate::pasted_link::{in_graphs_spelling, is_meeting_number};

/// The domains of Teams in all clouds and for private accounts, and of Safe Links, which wraps links of any.
const TEAMS_DOMAINS: [&str; 5] = [
    "teams.microsoft.com",
    "teams.cloud.microsoft",
    "teams.microsoft.us",
    "teams.live.com",
    "safelinks.protection.outlook.com",
];
/// What the threads of channels end with; a meeting in a channel has no reports of its own.
const CHANNEL: &str = "@thread.tacv2";

/// A join link, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinLink {
    /// The long form.
    Long {
        /// `19:meeting_…@thread.v2`, or a channel's `19:…@thread.tacv2`.
        thread: String,
        /// `0`, or the post in a channel.
        message: String,
        /// Who organizes it, where the link says so.
        organizer: Option<OrganizerId>,
        /// The organizer's tenant, where the link says so.
        tenant: Option<TenantId>,
    },
    /// The short form, by its meeting number.
    Short(String),
    /// Another host or form.
    Other,
}

#[derive(Deserialize)]
struct LinkContext {
    #[serde(rename = "Tid")]
    tenant: Option<String>,
    #[serde(rename = "Oid")]
    organizer: Option<String>,
}

impl JoinLink {
    /// Reads a link, however it was pasted; no text is an error.
    pub fn read(link: &str) -> Self {
        let Ok(spelled) = in_graphs_spelling(link) else {
            return Self::Other;
        };
        let Ok(url) = Url::parse(&spelled.link) else {
            return Self::Other;
        };
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let segments: Vec<String> = url
            .path_segments()
            .into_iter()
            .flatten()
            .map(decoded)
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["l", "meetup-join", thread, message, ..] if thread.contains("@thread.") => {
                let context = url
                    .query_pairs()
                    .find(|(name, _)| name == "context")
                    .and_then(|(_, value)| serde_json::from_str::<LinkContext>(&value).ok());
                let (tenant, organizer) =
                    context.map_or((None, None), |context| (context.tenant, context.organizer));
                Self::Long {
                    thread: (*thread).to_owned(),
                    message: (*message).to_owned(),
                    organizer: organizer
                        .filter(|id| is_guid(id))
                        .map(|id| OrganizerId::new(id.to_ascii_lowercase())),
                    tenant: tenant
                        .filter(|id| is_guid(id))
                        .map(|id| TenantId::new(id.to_ascii_lowercase())),
                }
            }
            ["meet", digits, ..] if is_meeting_number(digits) => Self::Short((*digits).to_owned()),
            _ => Self::Other,
        }
    }

    /// What all spellings of one meeting's link share: a call record and a calendar need not escape it alike.
    pub fn key(link: &str) -> String {
        match Self::read(link) {
            Self::Long {
                thread, message, ..
            } => format!("{thread}/{message}"),
            Self::Short(digits) => format!("meet/{digits}"),
            Self::Other => link.to_owned(),
        }
    }

    /// What Graph most likely calls this meeting; `None` where the link does not tell, or names another organizer.
    ///
    /// Observed, documented nowhere: base64 of `1*{organizer}*0**{thread}`. A channel's meeting has no such id.
    pub fn likely_meeting_id(&self, organizer: &OrganizerId) -> Option<EventId> {
        let Self::Long {
            thread,
            message,
            organizer: Some(owner),
            ..
        } = self
        else {
            return None;
        };
        let is_ordinary = message == "0"
            && thread.starts_with("19:meeting_")
            && thread.ends_with("@thread.v2")
            && owner.as_str().eq_ignore_ascii_case(organizer.as_str());
        is_ordinary.then(|| EventId::new(STANDARD.encode(format!("1*{owner}*0**{thread}"))))
    }
}

/// Whether a join link, or any text that holds a thread's id, is of a channel.
///
/// Reading one report of a channel meeting is documented as not supported, and its list shows the reports of the whole channel.
/// <https://learn.microsoft.com/graph/api/meetingattendancereport-get>
pub fn is_of_channel(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains(CHANNEL) || text.contains("%40thread.tacv2")
}

/// Whether a join link may lead to Teams: by its host, or wrapped as mail filters do it.
pub(super) fn may_be_of_teams(link: &str) -> bool {
    let url = Url::parse(link.trim()).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    TEAMS_DOMAINS.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Whether an online meeting's id names a channel's thread.
pub fn is_channel_meeting_id(id: &str) -> bool {
    let decoded = STANDARD.decode(id).unwrap_or_default();
    is_of_channel(id) || is_of_channel(&String::from_utf8_lossy(&decoded))
}

/// Whether two ids are of one online meeting: equal, or both naming the same thread, since older ids are written in another way.
///
/// Observed, documented nowhere: base64 of `1*{organizer}*{message}**{thread}`, and before that `{organizer}_{thread}`.
pub fn is_same_meeting_id(one: &str, other: &str) -> bool {
    let thread = thread_of_meeting_id(one);
    one == other || (thread.is_some() && thread == thread_of_meeting_id(other))
}

/// Message and thread that a meeting's id names.
fn thread_of_meeting_id(id: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(id).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let (message, thread) = match decoded.as_deref().and_then(|text| text.strip_prefix("1*")) {
        Some(text) => text.split_once('*')?.1.split_once("**")?,
        None => ("0", id.split_once('_')?.1),
    };
    let is_thread = thread.starts_with("19:");
    is_thread.then(|| (message.to_owned(), thread.to_owned()))
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "1c9165ff-7e2b-4a57-9d1c-0d0e5a3b2c11";
    const LONG: &str = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_OTBl%40thread.v2/0\
        ?context=%7b%22Tid%22%3a%227f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11%22%2c%22Oid%22%3a%221C9165FF-7e2b-4a57-9d1c-0d0e5a3b2c11%22%7d";

    #[test]
    fn a_long_link_tells_the_meeting_id() {
        let link = JoinLink::read(LONG);
        let id = link.likely_meeting_id(&OrganizerId::new(OID)).unwrap();
        assert_eq!(
            STANDARD.decode(id.as_str()).unwrap(),
            format!("1*{OID}*0**19:meeting_OTBl@thread.v2").as_bytes()
        );
        let other = OrganizerId::new("2c9165ff-7e2b-4a57-9d1c-0d0e5a3b2c11");
        assert_eq!(
            link.likely_meeting_id(&other),
            None,
            "somebody else's calendar"
        );
    }

    #[test]
    fn spellings_of_one_link_share_a_key() {
        let plain = LONG.replace("%3a", ":").replace("%40", "@");
        assert_eq!(JoinLink::key(LONG), JoinLink::key(&plain));
        assert_eq!(
            JoinLink::key("https://teams.microsoft.com/meet/2345678901234?p=a"),
            JoinLink::key("https://teams.microsoft.com/meet/2345678901234?p=b")
        );
    }

    #[test]
    fn nothing_is_taken_from_other_hosts_and_forms() {
        for link in [
            LONG.replace("teams.microsoft.com", "teams.microsoft.com.evil.example"),
            LONG.replace("https://", "http://"),
            LONG.replace("https://", "https://user@"),
            LONG.replace("teams.microsoft.com", "teams.microsoft.com:8443"),
            LONG.replace("%40thread.v2", ""),
            "https://teams.microsoft.com/dl/launcher/launcher.html".to_owned(),
            "https://teams.live.com/meet/2345678901234".to_owned(),
            "https://teams.microsoft.com/meet/abc".to_owned(),
            "javascript:alert(1)".to_owned(),
            String::new(),
        ] {
            assert_eq!(JoinLink::read(&link), JoinLink::Other, "{link}");
            assert_eq!(JoinLink::key(&link), link);
        }
    }

    #[test]
    fn a_link_of_another_host_does_not_lead_to_teams() {
        for link in [
            LONG,
            "https://dod.teams.microsoft.us/l/meetup-join/x",
            "https://teams.live.com/meet/2345678901234",
            "https://eur01.safelinks.protection.outlook.com/?url=x",
        ] {
            assert!(may_be_of_teams(link), "{link}");
        }
        for link in [
            "https://meetings.contoso.example/j/1",
            "https://teams.microsoft.com.evil.example/meet/1",
            "https://notteams.microsoft.com/meet/1",
            "tel:+15555550100",
            "",
        ] {
            assert!(!may_be_of_teams(link), "{link}");
        }
    }

    #[test]
    fn a_channels_link_and_id_are_told_and_never_guessed() {
        let link = LONG.replace(
            "19%3ameeting_OTBl%40thread.v2/0",
            "19%3aabc%40thread.tacv2/1600",
        );
        let read = JoinLink::read(&link);
        assert_eq!(read.likely_meeting_id(&OrganizerId::new(OID)), None);
        assert!(is_of_channel(&link) && is_of_channel("19:abc@thread.tacv2"));
        assert!(!is_of_channel(LONG));
        let id = STANDARD.encode(format!("1*{OID}*1600**19:abc@thread.tacv2"));
        assert!(is_channel_meeting_id(&id));
        assert!(!is_channel_meeting_id("MSox"));
    }

    #[test]
    fn one_meeting_may_be_written_in_two_ways() {
        let id = |text: &str| STANDARD.encode(text);
        let usual = id(&format!("1*{OID}*0**19:meeting_OTBl@thread.v2"));
        let older = format!("{OID}_19:meeting_OTBl@thread.v2");
        let in_channel = |message| id(&format!("1*{OID}*{message}**19:abc@thread.tacv2"));
        for (one, other, is_same) in [
            (usual.as_str(), usual.as_str(), true),
            (&usual, &older, true),
            (
                &usual,
                &id(&format!(
                    "1*{}*0**19:meeting_OTBl@thread.v2",
                    OID.to_uppercase()
                )),
                true,
            ),
            (
                &usual,
                &id(&format!("1*{OID}*0**19:meeting_OTBm@thread.v2")),
                false,
            ),
            (&usual, &older.replace("OTBl", "otbl"), false),
            (&in_channel("1600"), &in_channel("1601"), false),
            ("MSox", "MSox", true),
            ("MSox", "MSoy", false),
            ("a_b", "c_b", false),
            ("", "x", false),
        ] {
            assert_eq!(is_same_meeting_id(one, other), is_same, "{one} {other}");
            assert_eq!(is_same_meeting_id(other, one), is_same, "{other} {one}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
            JoinLink::read(&text);
            JoinLink::read(&format!("https://teams.microsoft.com/l/meetup-join/{text}"));
            is_channel_meeting_id(&text);
            is_same_meeting_id(&text, "");
        }
    }
}
