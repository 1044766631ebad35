//! Whose calendars and events: the forms of `users` and `organizers`, and the users file.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::PlanError;
use super::plan::UsersPlan;
use super::surroundings::Surroundings;

const USERS: &str = "sources.online_meetings.users";

/// `users` as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UsersFile {
    /// `"all"`: enabled accounts of the tenant but guests.
    #[default]
    All,
    /// `"me"`: the user who signed in.
    Me,
    /// `["id or upn", …]`
    Listed(Vec<String>),
    /// `{ group = "id" }`
    Group(String),
    /// `{ file = "users.csv" }`
    File(PathBuf),
}

/// `organizers` as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OrganizersFile {
    /// `"all"`: the tenant's list of events.
    #[default]
    All,
    /// `"me"`: the user who signed in.
    Me,
    /// `["id", …]`
    Listed(Vec<String>),
}

impl UsersFile {
    /// The users of the plan; a users file is read here. Order as written, a second mention left out.
    ///
    /// # Errors
    /// [`PlanError::NoUser`], [`PlanError::InvalidValue`] and the `UsersFile…` variants for lists
    /// that hold nobody or something else than users. Terminal.
    pub fn resolve(&self, surroundings: &Surroundings<'_>) -> Result<UsersPlan, PlanError> {
        match self {
            Self::All => Ok(UsersPlan::All),
            Self::Me => Ok(UsersPlan::Me),
            Self::Group(id) if is_user(id) => Ok(UsersPlan::Group(id.clone())),
            Self::Group(id) => Err(PlanError::InvalidValue {
                key: "sources.online_meetings.users.group",
                value: format!("{id:?}"),
                expected: "the group's object id",
            }),
            Self::Listed(users) => listed_users(users.clone(), USERS),
            Self::File(path) => {
                let contents = (surroundings.read_file)(path).map_err(|source| {
                    PlanError::UsersFileUnreadable {
                        path: path.clone(),
                        source,
                    }
                })?;
                let users = read_users(&contents.bytes, path)?;
                listed(users.into_iter(), || path.display().to_string())
            }
        }
    }
}

/// The first column of a CSV; a header (`user`, `id`, `upn` or `mail`), blank lines and lines that begin with `#` are passed over.
fn read_users(bytes: &[u8], path: &Path) -> Result<Vec<String>, PlanError> {
    // Excel begins its UTF-8 files with a byte order mark
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut users = Vec::new();
    let mut is_first = true;
    for record in reader.records() {
        let record = record.map_err(|source| PlanError::UsersFileUnreadable {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, source),
        })?;
        let user = record.get(0).unwrap_or_default();
        if user.is_empty() {
            continue;
        }
        let is_header = ["user", "id", "upn", "mail"]
            .iter()
            .any(|name| user.eq_ignore_ascii_case(name));
        if !(is_first && is_header) {
            if !is_user(user) {
                return Err(PlanError::UsersFileLine {
                    path: path.to_owned(),
                    line: record.position().map_or(0, |before| line_of(bytes, before)),
                });
            }
            users.push(user.to_owned());
        }
        is_first = false;
    }
    Ok(users)
}

/// The line of a record: csv's position lies before the blank lines and comments that it skips on the way.
pub(super) fn line_of(bytes: &[u8], before: &csv::Position) -> u64 {
    let offset = usize::try_from(before.byte()).unwrap_or(usize::MAX);
    let skipped = bytes
        .get(offset..)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .take_while(|line| line.trim_ascii().is_empty() || line.starts_with(b"#"))
        .count();
    before.line() + skipped as u64
}

/// Graph's ids and user principal names hold none of these; a whole line of another CSV dialect does.
pub(super) fn is_user(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '"' | '/' | '\\')
        })
}

/// The organizers that a job lists, each once; `key` names the list.
///
/// # Errors
/// [`PlanError::InvalidValue`] with the place of what is no user, [`PlanError::NoUser`]; terminal.
pub(super) fn organizers(names: Vec<String>, key: &'static str) -> Result<Vec<String>, PlanError> {
    match listed_users(names, key)? {
        UsersPlan::Listed(organizers) => Ok(organizers),
        UsersPlan::All | UsersPlan::Me | UsersPlan::Group(_) => Ok(Vec::new()),
    }
}

fn listed_users(names: Vec<String>, key: &'static str) -> Result<UsersPlan, PlanError> {
    // by its place, not by its text: it may be somebody's name
    if let Some(index) = names.iter().position(|user| !is_user(user)) {
        return Err(PlanError::InvalidValue {
            key,
            value: format!("entry {} of the list", index + 1),
            expected: "object ids or user principal names",
        });
    }
    listed(names.into_iter(), || key.to_owned())
}

fn listed(
    users: impl Iterator<Item = String>,
    origin: impl FnOnce() -> String,
) -> Result<UsersPlan, PlanError> {
    let mut seen = BTreeSet::new();
    let users: Vec<String> = users
        .filter(|user| seen.insert(user.to_lowercase()))
        .collect();
    if users.is_empty() {
        return Err(PlanError::NoUser { origin: origin() });
    }
    Ok(UsersPlan::Listed(users))
}

impl<'de> Deserialize<'de> for UsersFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UsersVisitor)
    }
}

struct UsersVisitor;

impl<'de> Visitor<'de> for UsersVisitor {
    type Value = UsersFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            r#"`"all"`, `"me"`, a list of users, `{ group = "id" }` or `{ file = "users.csv" }`"#,
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<UsersFile, E> {
        match text {
            "all" => Ok(UsersFile::All),
            "me" => Ok(UsersFile::Me),
            // not quoted: it is most likely one user's address
            _ => Err(E::invalid_value(de::Unexpected::Other("text"), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<UsersFile, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(UsersFile::Listed)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UsersFile, A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Form {
            Group,
            File,
        }
        let users = match map.next_key()? {
            Some(Form::Group) => UsersFile::Group(map.next_value()?),
            Some(Form::File) => UsersFile::File(map.next_value()?),
            None => return Err(de::Error::invalid_length(0, &self)),
        };
        if map.next_key::<Form>()?.is_some() {
            return Err(de::Error::invalid_length(2, &self));
        }
        Ok(users)
    }
}

impl<'de> Deserialize<'de> for OrganizersFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrganizersVisitor)
    }
}

struct OrganizersVisitor;

impl<'de> Visitor<'de> for OrganizersVisitor {
    type Value = OrganizersFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"`"all"`, `"me"` or a list of object ids"#)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OrganizersFile, E> {
        match text {
            "all" => Ok(OrganizersFile::All),
            "me" => Ok(OrganizersFile::Me),
            _ => Err(E::invalid_value(de::Unexpected::Other("text"), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OrganizersFile, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OrganizersFile::Listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(bytes: &[u8]) -> Result<Vec<String>, PlanError> {
        read_users(bytes, Path::new("users.csv"))
    }

    #[test]
    fn the_first_column_is_read_without_header_blanks_and_comments() {
        let text = "\u{feff}UPN,department\n\n# left the company\n ada@contoso.com ,R&D\n\ngrace@contoso.com\r\n,nobody\n\"id\",x\n";
        assert_eq!(
            users(text.as_bytes()).unwrap(),
            ["ada@contoso.com", "grace@contoso.com", "id"]
        );
    }

    #[test]
    fn a_file_without_a_header_loses_nobody() {
        assert_eq!(
            users(b"ada@contoso.com\ngrace@contoso.com").unwrap().len(),
            2
        );
    }

    #[test]
    fn a_guest_is_a_user() {
        assert_eq!(
            users(b"ada_fabrikam.com#EXT#@contoso.com").unwrap(),
            ["ada_fabrikam.com#EXT#@contoso.com"]
        );
    }

    #[test]
    fn another_csv_dialect_is_refused_with_its_line_and_without_its_text() {
        let error = users(b"upn;department\nada@contoso.com;R&D\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "users file `users.csv`, line 1: this is no user"
        );
        let error = users(b"upn\n# comment\nAda Lovelace\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "users file `users.csv`, line 3: this is no user"
        );
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        assert!(matches!(
            users(b"\xff\xfe"),
            Err(PlanError::UsersFileUnreadable { .. })
        ));
    }
}
