//! A type for every id, so that two of them are never exchanged by accident; and the hash behind the ids that are ours.
//!
//! Ids are opaque text. Graph's are kept byte for byte; [`SessionId`] and [`GapId`] are made with [`stable_hash`].

use std::borrow::Cow;
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the id as it stands.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The spelling under which ids are compared: letters of a GUID have no case, everything else is opaque.
            pub fn folded(&self) -> Cow<'_, Self> {
                match fold_guid(&self.0) {
                    Cow::Borrowed(_) => Cow::Borrowed(self),
                    Cow::Owned(folded) => Cow::Owned(Self(folded)),
                }
            }

            /// The text, without the type.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(/// The GUID of an Entra tenant (the token's `tid`).
    TenantId);
id!(/// The object id of the user who owns a meeting or virtual event.
    OrganizerId);
id!(/// The id of an onlineMeeting, webinar or town hall.
    EventId);
id!(/// One occurrence of a meeting, or one session of a virtual event: our hash.
    SessionId);
id!(/// The id of a meetingAttendanceReport.
    ReportId);
id!(/// Something known to be missing from a day: our hash.
    GapId);
id!(/// One finished chunk of a run or backfill.
    RunId);
id!(/// One execution of the program; all its chunks share it.
    InvocationId);

/// A GUID, or two of them as virtual events have them, in small letters; anything else as it is.
pub fn fold_guid(id: &str) -> Cow<'_, str> {
    let is_of_guids = id.len() >= 36
        && id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-' || byte == b'@')
        && id.bytes().filter(|byte| *byte == b'-').count() >= 4;
    if is_of_guids && id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(id.to_ascii_lowercase())
    } else {
        Cow::Borrowed(id)
    }
}

/// What logs say in place of an id that leads to a person: the same in every line and every run.
pub fn hashed(id: &str) -> String {
    let mut hash = stable_hash([id]);
    hash.truncate(16);
    hash
}

impl ReportId {
    /// What the ids of reports begin with that were imported from files; no id of Graph's does.
    const IMPORTED: &'static str = "imported-";

    /// The id of a report that was imported.
    pub fn of_import(hash: &str) -> Self {
        Self::new(format!("{}{hash}", Self::IMPORTED))
    }

    /// Whether the report was imported from a file.
    pub fn is_imported(&self) -> bool {
        self.0.starts_with(Self::IMPORTED)
    }
}

impl InvocationId {
    /// What tells one request for a backfill from another: its last eight characters, which repeat when the same command is repeated.
    pub fn request(&self) -> &str {
        let start = self.0.len().saturating_sub(8);
        self.0.get(start..).unwrap_or_default()
    }
}

/// Hashes the parts to 32 lower-case hex digits: the same parts give the same id on every machine and in every version.
///
/// Each part goes in with its length first, so `["ab", "c"]` and `["a", "bc"]` differ. BLAKE3, cut to 128 bits.
pub fn stable_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut digits = hasher.finalize().to_hex().to_string();
    digits.truncate(32);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_ends_changes_the_hash() {
        assert_ne!(stable_hash(["ab", "c"]), stable_hash(["a", "bc"]));
    }

    #[test]
    fn only_letters_of_guids_have_no_case() {
        let guid = "1C9165FF-2f3A-4b5c-8d6e-7f8091a2b3c4";
        for (id, folded) in [
            (guid.to_owned(), guid.to_lowercase()),
            (
                format!("{guid}@{guid}"),
                format!("{guid}@{guid}").to_lowercase(),
            ),
            // of an online meeting, whose letters differ by case
            (
                "MSoxYzkxNjVmZi0yZjNhLTRiNWMtOGQ2ZS03ZjgwOTFhMmIzYzQ=".to_owned(),
                String::new(),
            ),
            (
                "8:acs:1C9165FF-2f3A-4b5c-8d6e-7f8091a2b3c4".to_owned(),
                String::new(),
            ),
            ("latest:ABC".to_owned(), String::new()),
            (String::new(), String::new()),
        ] {
            let expected = if folded.is_empty() { &id } else { &folded };
            assert_eq!(fold_guid(&id), *expected, "{id}");
            assert_eq!(ReportId::new(&id).folded().as_str(), expected);
        }
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        assert_eq!(
            stable_hash(["tenant", "session"]),
            stable_hash(["tenant", "session"])
        );
        assert_eq!(stable_hash(["tenant", "session"]).len(), 32);
    }
}
