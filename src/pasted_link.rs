//! Join links as people paste them, in Graph's own spelling.
//!
//! Graph finds a meeting by its link only where that is spelled as Graph stores it: lower-case escapes, nothing but `context` behind it.
//! People copy it from mails, from the browser's address bar and from launcher pages:
//!
//! | pasted | is |
//! |---|---|
//! | `…/19%3Ameeting_X%40thread.v2/0?context=%7B…&anon=true` | other escapes, none, or escaped twice; more in the query |
//! | `https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fteams…` | wrapped by a mail filter, also several times |
//! | `https://teams.microsoft.com/dl/launcher/launcher.html?url=%2F_%23%2Fl%2F…` | the launcher page |
//! | `https://teams.microsoft.com/v2/?meetingjoin=true#/l/…`, `…/_#/l/…` | the address bar |
//! | `https://teams.microsoft.com/light-meetings/launch?coords=…` | the address bar of a guest |
//! | `msteams:/l/…`, `<https://…>.` | what the app is started with; what a mail puts around a link |
//!
//! Nothing is asked of any host: a wrapper that does not hold the link itself cannot be read.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

/// Hosts whose join links have the two forms: the global cloud's old and new one, and the United States government's.
const HOSTS: [&str; 4] = [
    GLOBAL,
    "teams.cloud.microsoft",
    "gov.teams.microsoft.us",
    "dod.teams.microsoft.us",
];
/// The global cloud's, under which Graph stores links whatever the address bar shows.
const GLOBAL: &str = "teams.microsoft.com";
/// Teams for private accounts: its pages also open meetings of organizations, its own meetings have no attendance in Graph.
const PRIVATE: &str = "teams.live.com";
/// So many wrappers may lie around each other.
const DEEPEST: u8 = 6;

/// A join link in Graph's spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastedLink {
    /// The link.
    pub link: String,
    /// Whether the end of a long link was lost: it does not say whose meeting it is, and Graph will not find it.
    pub is_cut: bool,
}

/// Why a text is no join link of Teams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoJoinLink {
    /// Another host or page, or no link at all.
    NotOfTeams,
    /// A meeting of a private account.
    Private,
}

/// Whether a text is meant as a link, be it a good one or not.
pub fn is_meant_as_link(text: &str) -> bool {
    let text = bare(text).to_ascii_lowercase();
    text.contains("://")
        || text.starts_with("msteams:")
        || text.starts_with("https%")
        || begins_with_host(&text)
}

/// Whether only the scheme is missing.
fn begins_with_host(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    let mut hosts = HOSTS.iter().chain([&PRIVATE]);
    hosts.any(|host| {
        small
            .strip_prefix(host)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

/// The link in Graph's spelling; a link that has it already is returned as it is.
///
/// # Errors
/// [`NoJoinLink`]; terminal.
pub fn in_graphs_spelling(text: &str) -> Result<PastedLink, NoJoinLink> {
    let text = bare(text);
    if begins_with_host(&text) {
        return read(&format!("https://{text}"), DEEPEST);
    }
    read(&text, DEEPEST)
}

/// The text without what a mail puts around a link and without the line breaks within.
fn bare(text: &str) -> String {
    let inside = text
        .split_once('<')
        .and_then(|(_, rest)| Some(rest.split_once('>')?.0))
        .unwrap_or(text);
    let is_invisible = |letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || matches!(letter, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
    };
    let seen: String = inside.chars().filter(|c| !is_invisible(*c)).collect();
    let seen = seen.trim_start_matches(['<', '(', '[', '"', '\'', '\u{201c}', '\u{ab}']);
    seen.trim_end_matches([
        '.', ',', ';', ':', '!', '?', ')', ']', '>', '"', '\'', '\u{201d}', '\u{bb}',
    ])
    .to_owned()
}

fn read(text: &str, depth: u8) -> Result<PastedLink, NoJoinLink> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(NoJoinLink::NotOfTeams);
    };
    let small = text.to_ascii_lowercase();
    if small.starts_with("https%") || small.starts_with("msteams%") {
        return read(&decoded(text), depth);
    }
    if let Some(rest) = small
        .starts_with("msteams:")
        .then(|| text.get(8..))
        .flatten()
    {
        let rest = rest.trim_start_matches('/');
        let has_host = HOSTS.iter().any(|host| rest.starts_with(host));
        let host = if has_host { "" } else { "teams.microsoft.com/" };
        return read(&format!("https://{host}{rest}"), depth);
    }
    if let Some(inside) = of_url_defense(text) {
        return read(&inside, depth);
    }
    let url = Url::parse(text).map_err(|_| NoJoinLink::NotOfTeams)?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" || url.port().is_some() || !url.username().is_empty() {
        return Err(NoJoinLink::NotOfTeams);
    }
    if HOSTS.contains(&host) || host == PRIVATE {
        of_teams(&url, host, depth)
    } else {
        wrapped(&url, depth)
    }
}

/// A link of Teams itself: a join link, or a page that holds one.
fn of_teams(url: &Url, host: &str, depth: u8) -> Result<PastedLink, NoJoinLink> {
    if let Some(found) = direct(url, host) {
        return found;
    }
    // what a page holds is under the global cloud's own host, whichever of its hosts the page is of
    let page = match host {
        PRIVATE | "teams.cloud.microsoft" => GLOBAL,
        other => other,
    };
    if let Some(fragment) = url.fragment().filter(|fragment| fragment.starts_with('/')) {
        return read(&format!("https://{page}{fragment}"), depth);
    }
    let mut problem = NoJoinLink::NotOfTeams;
    for (name, value) in url.query_pairs() {
        let found = if name == "coords" {
            of_coordinates(&value, page).ok_or(NoJoinLink::NotOfTeams)
        } else if value.starts_with('/') {
            read(&format!("https://{page}{value}"), depth)
        } else {
            read(&value, depth)
        };
        match found {
            Ok(found) => return Ok(found),
            Err(NoJoinLink::NotOfTeams) => {}
            Err(NoJoinLink::Private) => problem = NoJoinLink::Private,
        }
    }
    Err(problem)
}

/// A join link by itself; `None` where the page is another.
fn direct(url: &Url, host: &str) -> Option<Result<PastedLink, NoJoinLink>> {
    let path = fully_decoded(url.path());
    let (path, more) = path.split_once('?').unwrap_or((&path, ""));
    let parameter = |name: &str| {
        let outside = url.query_pairs().find(|(own, _)| own == name);
        let outside = outside.map(|(_, value)| value.into_owned());
        outside.or_else(|| {
            let mut parts = more.split('&').filter_map(|part| part.split_once('='));
            parts.find_map(|(own, value)| (own == name).then(|| value.to_owned()))
        })
    };
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let is = |segment: &str, wanted: &str| segment.eq_ignore_ascii_case(wanted);
    match segments.as_slice() {
        [l, join, thread, rest @ ..]
            if is(l, "l") && is(join, "meetup-join") && thread.contains("@thread.") =>
        {
            let host = if host == PRIVATE { GLOBAL } else { host };
            let message = rest.first().copied().unwrap_or("0");
            let context = parameter("context").map(|context| fully_decoded(&context));
            Some(Ok(long(host, thread, message, context.as_deref())))
        }
        [meet, digits, ..] if is(meet, "meet") && is_meeting_number(digits) => {
            if host == PRIVATE {
                return Some(Err(NoJoinLink::Private));
            }
            let passcode = parameter("p").filter(|passcode| !passcode.is_empty());
            let query = passcode.map_or_else(String::new, |p| format!("?p={}", encoded(&p)));
            Some(Ok(PastedLink {
                link: format!("https://{host}/meet/{digits}{query}"),
                is_cut: false,
            }))
        }
        _ => None,
    }
}

fn long(host: &str, thread: &str, message: &str, context: Option<&str>) -> PastedLink {
    #[derive(Deserialize)]
    struct Context {
        #[serde(rename = "Oid")]
        organizer: Option<String>,
    }
    let context: Option<String> = context.map(|text| text.split_whitespace().collect());
    let whole = context.filter(|text| serde_json::from_str::<Context>(text).is_ok());
    let has_organizer = whole.as_deref().is_some_and(|text| {
        serde_json::from_str::<Context>(text).is_ok_and(|context| context.organizer.is_some())
    });
    let query = whole.map_or_else(String::new, |text| format!("?context={}", encoded(&text)));
    PastedLink {
        link: format!(
            "https://{host}/l/meetup-join/{}/{}{query}",
            encoded(thread),
            encoded(message)
        ),
        is_cut: !has_organizer,
    }
}

/// What the page for guests is opened with: base64 of thread, tenant and organizer as JSON, mostly escaped before.
fn of_coordinates(text: &str, host: &str) -> Option<PastedLink> {
    #[derive(Deserialize)]
    struct Coordinates {
        #[serde(rename = "conversationId")]
        thread: String,
        #[serde(rename = "messageId")]
        message: Option<String>,
        #[serde(rename = "tenantId")]
        tenant: String,
        #[serde(rename = "organizerId")]
        organizer: Option<String>,
    }
    let text = decoded(&of_base64(text)?);
    let found: Coordinates = serde_json::from_str(&text).ok()?;
    let message = found.message.as_deref().unwrap_or("0");
    let (tenant, organizer) = (found.tenant, found.organizer);
    let context = organizer.map(|oid| format!(r#"{{"Tid":"{tenant}","Oid":"{oid}"}}"#));
    let is_thread = found.thread.contains("@thread.");
    is_thread.then(|| long(host, &found.thread, message, context.as_deref()))
}

/// A link of another host that holds one: as a parameter of its query, or behind its path.
fn wrapped(url: &Url, depth: u8) -> Result<PastedLink, NoJoinLink> {
    let mut problem = NoJoinLink::NotOfTeams;
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let path = decoded(url.path());
    let behind = path.find("/https:").and_then(|at| path.get(at + 1..));
    let query = url
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let behind = behind.map(|behind| format!("{behind}{query}"));
    for value in values.chain(behind) {
        // base64 of `http`
        let decoded = value.starts_with("aHR0").then(|| of_base64(&value));
        let inside = decoded.flatten().unwrap_or(value);
        match read(&inside, depth) {
            Ok(found) => return Ok(found),
            Err(NoJoinLink::NotOfTeams) => {}
            Err(NoJoinLink::Private) => problem = NoJoinLink::Private,
        }
    }
    Err(problem)
}

/// Proofpoint's two ways: version 2 writes `-` for `%` and `_` for `/`; version 3 writes `*` for some letters and these behind the link.
fn of_url_defense(text: &str) -> Option<String> {
    if !text.contains("urldefense") {
        return None;
    }
    if let Some((_, rest)) = text.split_once("/v3/__") {
        let (inside, rest) = rest.split_once("__;")?;
        let letters = of_base64(rest.split('!').next()?)?;
        let mut letters = letters.chars();
        // `**` stands for several at once, which no link of Teams has
        let put_back = |letter| match letter {
            '*' => letters.next(),
            other => Some(other),
        };
        return (!inside.contains("**"))
            .then(|| inside.chars().map(put_back).collect::<Option<String>>())?;
    }
    let url = Url::parse(text).ok()?;
    let (_, inside) = url.query_pairs().find(|(name, _)| name == "u")?;
    Some(decoded(&inside.replace('-', "%").replace('_', "/")))
}

fn of_base64(text: &str) -> Option<String> {
    // a form reads `+` as a blank
    let text = text.trim_end_matches('=').replace(' ', "+");
    let bytes = STANDARD_NO_PAD
        .decode(&text)
        .or_else(|_| URL_SAFE_NO_PAD.decode(&text))
        .ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether a text is the number that invitations print as the meeting's id, without its spaces.
pub fn is_meeting_number(text: &str) -> bool {
    (6..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The text without any escapes, however often it was escaped: nothing that a link names holds a `%`.
fn fully_decoded(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..DEEPEST {
        let once = decoded(&text);
        if once == text {
            break;
        }
        text = once;
    }
    text
}

/// Escapes as Graph's links have them: all but letters, digits and a few signs, in small letters.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!*()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_OTBl%40thread.v2/0\
        ?context=%7b%22Tid%22%3a%227f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11%22%2c%22Oid%22%3a%221c9165ff-7e2b-4a57-9d1c-0d0e5a3b2c11%22%7d";
    const SHORT: &str = "https://teams.microsoft.com/meet/2345678901234?p=aBc1";

    fn spelled(text: &str) -> Result<String, NoJoinLink> {
        in_graphs_spelling(text).map(|found| {
            assert!(!found.is_cut, "{text}");
            found.link
        })
    }

    /// As a form encodes a value.
    fn value(text: &str) -> String {
        let bytes = text.bytes();
        bytes
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect()
    }

    #[test]
    fn a_long_link_is_found_in_every_way_of_pasting_it() {
        let path = LONG.strip_prefix("https://teams.microsoft.com").unwrap();
        let plain = fully_decoded(LONG);
        let upper = LONG
            .replace("%3a", "%3A")
            .replace("%7b", "%7B")
            .replace("%7d", "%7D")
            .replace("%2c", "%2C");
        let safe = |link: &str| {
            format!(
                "https://nam02.safelinks.protection.outlook.com/ap/t-59584e83/?url={}&data=05%7C02&sdata=x%3D&reserved=0",
                value(link)
            )
        };
        let coordinates = r#"{"conversationId":"19:meeting_OTBl@thread.v2","tenantId":"7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11","organizerId":"1c9165ff-7e2b-4a57-9d1c-0d0e5a3b2c11","messageId":"0"}"#;
        let [coordinates, escaped] =
            [coordinates.to_owned(), value(coordinates)].map(|text| STANDARD_NO_PAD.encode(text));
        let proofpoint_2 = value(LONG)
            .replace('_', "%5F")
            .replace("%2F", "_")
            .replace('-', "%2D")
            .replace('%', "-");
        let proofpoint_3 = LONG.replace('%', "*");
        let percents = STANDARD_NO_PAD.encode("%".repeat(LONG.matches('%').count()));
        for text in [
            LONG.to_owned(),
            upper.clone(),
            plain.clone(),
            LONG.replace('%', "%25"),
            LONG.replace("/0?", "%2f0?"),
            value(LONG),
            LONG.replace("%3ameeting", ":meeting").replace("%40", "@"),
            format!("{LONG}&anon=true&deeplinkId=0a1b"),
            format!("{LONG}&amp;anon=true"),
            LONG.replace("?context", "?anon=true&context"),
            format!("{LONG}#"),
            // what a mail puts around it
            format!("<{LONG}>"),
            format!("  \"{LONG}\".\r\n"),
            format!("Join the meeting now <{LONG}>"),
            format!("{LONG}\u{200b}"),
            LONG.replace("/0?", "/0\r\n?"),
            LONG.replace("https://", ""),
            LONG.replace("https://teams", "HTTPS://Teams"),
            // wrapped
            safe(LONG),
            safe(&upper),
            safe(&safe(LONG)),
            format!(
                "https://gcc02.safelinks.protection.outlook.us/?url={}",
                value(LONG)
            ),
            format!(
                "https://statics.teams.cdn.office.net/evergreen-assets/safelinks/2/atp-safelinks.html?url={}&locale=en-us",
                value(LONG)
            ),
            format!("https://www.google.com/url?q={}&sa=D", value(LONG)),
            format!("https://linkprotect.cudasvc.com/url?a={}&c=E", value(LONG)),
            format!("https://secure-web.cisco.com/1aBc/{}", value(LONG)),
            format!("https://urldefense.proofpoint.com/v2/url?u={proofpoint_2}&d=DwMF"),
            format!("https://urldefense.com/v3/__{proofpoint_3}__;{percents}!!aBc!x$"),
            format!(
                "https://eu.protection.sophos.example/?d=teams.microsoft.com&u={}",
                STANDARD_NO_PAD.encode(LONG)
            ),
            // pages
            format!(
                "https://teams.microsoft.com/dl/launcher/launcher.html?url={}&type=meetup-join",
                value(&format!("/_#{path}"))
            ),
            format!(
                "https://teams.microsoft.com/dl/launcher/launcher.html?type=meetup-join&url={}",
                value(&format!("/_#{path}&anon=true"))
            ),
            format!("https://teams.microsoft.com/v2/?meetingjoin=true#{path}&anon=true"),
            format!("https://teams.cloud.microsoft/v2/?meetingjoin=true#{path}"),
            format!("https://teams.live.com/_#{path}"),
            format!("https://teams.microsoft.com/_#{path}"),
            format!(
                "https://teams.microsoft.com/light-meetings/launch?agent=web&coords={coordinates}&deeplinkId=1"
            ),
            format!("https://teams.microsoft.com/light-meetings/launch?coords={escaped}=="),
            format!("msteams:{path}"),
            format!("msteams://teams.microsoft.com{path}"),
        ] {
            assert_eq!(spelled(&text).as_deref(), Ok(LONG), "{text}");
            assert!(is_meant_as_link(&text), "{text}");
        }
    }

    #[test]
    fn a_short_link_keeps_its_passcode_and_nothing_else() {
        for text in [
            SHORT.to_owned(),
            format!("{SHORT}&anon=true"),
            format!(
                "https://teams.microsoft.com/dl/launcher/launcher.html?url={}&type=meet",
                value("/_#/meet/2345678901234?p=aBc1&anon=true")
            ),
            "msteams:/meet/2345678901234?p=aBc1".to_owned(),
            "https://teams.microsoft.com/v2/?meetingjoin=true#/meet/2345678901234?p=aBc1"
                .to_owned(),
        ] {
            assert_eq!(spelled(&text).as_deref(), Ok(SHORT), "{text}");
        }
        let bare = "https://gov.teams.microsoft.us/meet/2345678901234";
        assert_eq!(spelled(bare).as_deref(), Ok(bare));
    }

    #[test]
    fn a_government_clouds_link_keeps_its_host() {
        let own = LONG.replace("teams.microsoft.com", "dod.teams.microsoft.us");
        let path = own.strip_prefix("https://dod.teams.microsoft.us").unwrap();
        for text in [
            own.clone(),
            format!("https://dod.teams.microsoft.us/_#{path}"),
        ] {
            assert_eq!(spelled(&text).as_deref(), Ok(own.as_str()), "{text}");
        }
    }

    #[test]
    fn what_is_no_join_link_is_told() {
        use NoJoinLink::{NotOfTeams, Private};
        for (text, why) in [
            ("", NotOfTeams),
            ("Ada Lovelace", NotOfTeams),
            ("https://meetings.contoso.example/j/1", NotOfTeams),
            ("http://teams.microsoft.com/meet/2345678901234", NotOfTeams),
            (
                "https://user@teams.microsoft.com/meet/2345678901234",
                NotOfTeams,
            ),
            (
                "https://teams.microsoft.com:8443/meet/2345678901234",
                NotOfTeams,
            ),
            (
                "https://teams.microsoft.com.evil.example/meet/2345678901234",
                NotOfTeams,
            ),
            (
                "https://teams.microsoft.com/l/team/19%3aabc%40thread.tacv2/conversations",
                NotOfTeams,
            ),
            (
                "https://teams.microsoft.com/dl/launcher/launcher.html",
                NotOfTeams,
            ),
            ("https://events.teams.microsoft.com/event/1@2", NotOfTeams),
            ("https://url.uk.m.mimecastprotect.com/s/aBc", NotOfTeams),
            (
                "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fcontoso.example",
                NotOfTeams,
            ),
            ("javascript:alert(1)", NotOfTeams),
            ("https://teams.live.com/meet/2345678901234?p=x", Private),
            (
                "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fteams.live.com%2Fmeet%2F2345678901234",
                Private,
            ),
        ] {
            assert_eq!(in_graphs_spelling(text), Err(why), "{text}");
        }
        // a wrapper of wrappers ends
        let mut text = SHORT.to_owned();
        for _ in 0..9 {
            text = format!("https://a.example/?u={}", value(&text));
        }
        assert_eq!(in_graphs_spelling(&text), Err(NotOfTeams));
    }

    #[test]
    fn a_long_link_without_its_end_is_told() {
        let cut = |length| LONG.chars().take(length).collect::<String>();
        let whole = LONG.len();
        for text in [
            cut(whole - 10),
            cut(whole / 2),
            cut(LONG.find('?').unwrap()),
        ] {
            let found = in_graphs_spelling(&text).unwrap();
            assert!(found.is_cut, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}", query in "[a-z%0-9=&*_/:-]{0,60}") {
            for text in [
                text.clone(),
                format!("https://teams.microsoft.com/{text}"),
                format!("https://a.example/?url={query}"),
                format!("https://urldefense.com/v3/__{query}__;{text}"),
                format!("msteams:{text}"),
            ] {
                in_graphs_spelling(&text).ok();
                is_meant_as_link(&text);
            }
        }

        #[test]
        fn a_spelled_link_is_spelled_the_same_again(thread in "[A-Za-z0-9_+=-]{1,30}", message in "[0-9]{1,13}") {
            let once = in_graphs_spelling(&format!(
                "https://teams.microsoft.com/l/meetup-join/19:{thread}@thread.v2/{message}?context={{\"Oid\":\"a\"}}"
            ));
            let once = once.unwrap().link;
            proptest::prop_assert_eq!(in_graphs_spelling(&once).unwrap().link, once);
        }
    }
}
