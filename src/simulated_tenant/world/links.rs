//! Ids and join links as Graph makes them: observed shapes, not a contract of Graph's.
//!
//! ```text
//! onlineMeeting.id   base64("1*{organizer}*{message}**{thread}")
//! thread             19:meeting_{base64(guid)}@thread.v2      channels: 19:{hex}@thread.tacv2
//! long join link     https://teams.microsoft.com/l/meetup-join/{thread, %3a and %40}/{message}?context={percent-encoded JSON}
//! short join link    https://teams.microsoft.com/meet/{digits}?p={passcode}
//! ```

/// The 64 digits of base64.
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The chat thread of a meeting, from a GUID.
pub fn meeting_thread(guid: &str) -> String {
    format!("19:meeting_{}@thread.v2", base64(guid.as_bytes()))
}

/// The thread of a channel, from a GUID.
pub fn channel_thread(guid: &str) -> String {
    format!("19:{}@thread.tacv2", guid.replace('-', ""))
}

/// `onlineMeeting.id` of a thread under its organizer; `message` is `0` for meetings and the post's id for channels.
pub fn online_meeting_id(organizer: &str, thread: &str, message: &str) -> String {
    base64(format!("1*{organizer}*{message}**{thread}").as_bytes())
}

/// A long join link; `message` is `0` for meetings and the post's id for channels.
pub fn long_join_url(tenant: &str, organizer: &str, thread: &str, message: &str) -> String {
    let thread = thread.replace(':', "%3a").replace('@', "%40");
    format!(
        "https://teams.microsoft.com/l/meetup-join/{thread}/{message}?context=%7b%22Tid%22%3a%22{tenant}%22%2c%22Oid%22%3a%22{organizer}%22%7d"
    )
}

/// A short join link, which names neither thread nor organizer.
pub fn short_join_url(digits: &str, passcode: &str) -> String {
    format!("https://teams.microsoft.com/meet/{digits}?p={passcode}")
}

/// A GUID (version 4) out of 32 hex digits, as `stable_hash` makes them.
pub fn guid(hash: &str) -> String {
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0_u32;
        for place in 0..3 {
            group = (group << 8) | u32::from(chunk.get(place).copied().unwrap_or(0));
        }
        for place in 0..4_usize {
            let digit = (group >> (18 - 6 * place)) & 63;
            let letter = usize::try_from(digit)
                .ok()
                .and_then(|digit| STANDARD.get(digit))
                .map_or('=', |letter| char::from(*letter));
            text.push(if place > chunk.len() { '=' } else { letter });
        }
    }
    text
}

/// Base64 for URLs, without padding: the parts of a JWT.
pub fn base64_url(bytes: &[u8]) -> String {
    base64(bytes)
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_the_test_vectors_of_rfc_4648() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        assert_eq!(base64_url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn an_online_meeting_id_has_the_length_that_graph_prints() {
        let guid = "1c9165ff-7e2b-4a57-9d1c-0d0e5a3b2c11";
        let id = online_meeting_id(guid, &meeting_thread(guid), "0");
        assert_eq!(id.len(), 148);
        assert!(id.starts_with("MSox"));
    }
}
