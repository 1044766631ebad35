//! Whose calendars and events: the forms of `users` and `organizers`, and the users file.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::csv_file::{CsvFile, column_name};
use super::error::{Lines, PlanError};
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

/// Columns that hold a user, the surest first: object ids need no look-up and outlive a change of name. As they are called by the Entra
/// and Microsoft 365 admin centers, by PowerShell's `Get-MgUser`, `Get-AzureADUser` and `Get-Mailbox`, and by people.
const USER_COLUMNS: [&str; 19] = [
    "objectid",
    "externaldirectoryobjectid",
    "azureadobjectid",
    "objektid",
    "entraobjectid",
    "userid",
    "id",
    "memberobjectidorupn",
    "userprincipalname",
    "upn",
    "user",
    "username",
    "signinname",
    "mail",
    "email",
    "emailaddress",
    "primarysmtpaddress",
    "windowsemailaddress",
    "benutzerprinzipalname",
];

/// The users of a CSV, by the columns that its header names or in its first column.
fn read_users(bytes: &[u8], path: &Path) -> Result<Vec<String>, PlanError> {
    let file =
        CsvFile::read(bytes, is_header).map_err(|source| PlanError::UsersFileUnreadable {
            path: path.to_owned(),
            source,
        })?;
    let places = user_places(&file, &USER_COLUMNS);
    let (mut users, mut wrong) = (Vec::new(), Vec::new());
    for row in &file.rows {
        let mut cells = places.iter().map(|place| row.cell(*place));
        match cells.find(|cell| is_user_in_file(cell)) {
            Some(user) => users.push(user.to_owned()),
            None if places.iter().all(|place| row.cell(*place).is_empty()) => {}
            None => wrong.push(row.line),
        }
    }
    if wrong.is_empty() {
        return Ok(users);
    }
    Err(PlanError::UsersFileLine {
        path: path.to_owned(),
        lines: Lines(wrong),
    })
}

/// Where a row's user stands, the surest column first; the first column where no name is known.
pub(super) fn user_places(file: &CsvFile, names: &[&str]) -> Vec<usize> {
    let places = file.places(names);
    if places.is_empty() { vec![0] } else { places }
}

/// A first line that names a column of users. One that names none is not passed over: it may be somebody who is not well written.
fn is_header(cells: &[String]) -> bool {
    has_column(cells, &USER_COLUMNS)
}

/// Whether one of the cells is one of these names, and none is a user.
pub(super) fn has_column(cells: &[String], names: &[&str]) -> bool {
    let is_name = |cell: &String| names.contains(&column_name(cell).as_str());
    cells.iter().any(is_name) && !cells.iter().any(|cell| is_user_in_file(cell))
}

/// An object id or an address. A job file may have other names, which Graph then judges.
pub(super) fn is_user_in_file(text: &str) -> bool {
    is_user(text) && (text.contains('@') || is_guid(text))
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
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

    const ID: &str = "00000000-0000-4000-8000-0000000000a1";

    #[test]
    fn the_first_column_is_read_without_header_blanks_and_comments() {
        let text = "\u{feff}UPN,department\n\n# left the company\n ada@contoso.com ,R&D\n\ngrace@contoso.com\r\n,nobody\n";
        assert_eq!(
            users(text.as_bytes()).unwrap(),
            ["ada@contoso.com", "grace@contoso.com"]
        );
    }

    #[test]
    fn exports_of_microsofts_own_are_read() {
        let ada = "ada@contoso.com";
        for (what, text, expected) in [
            (
                "Entra",
                format!(
                    "userPrincipalName,displayName,surname,mail,givenName,id,userType\r\n{ada},Ada,L,{ada},Ada,{ID},Member\r\n"
                ),
                ID,
            ),
            (
                "Entra, German",
                format!("\u{feff}Benutzerprinzipalname;Anzeigename\r\n{ada};Ada\r\n"),
                ada,
            ),
            (
                "Microsoft 365",
                format!(
                    "Block credential,Display name,Object Id,User principal name\nFalse,Ada,{ID},{ada}\n"
                ),
                ID,
            ),
            (
                "Export-Csv",
                format!("\"UserPrincipalName\",\"DisplayName\"\r\n\"{ada}\",\"Lovelace, Ada\"\r\n"),
                ada,
            ),
            (
                "Windows PowerShell",
                format!("#TYPE Selected.User\r\n\"DisplayName\",\"Id\"\r\n\"Ada\",\"{ID}\"\r\n"),
                ID,
            ),
            (
                "Exchange",
                format!("\"Id\",\"PrimarySmtpAddress\"\r\n\"contoso.com/Users/Ada\",\"{ada}\"\r\n"),
                ada,
            ),
            ("an id is missing", format!("id,upn\n,{ada}\n"), ada),
            ("Excel", format!("sep=;\r\nupn;Name\r\n{ada};Ada\r\n"), ada),
            (
                "a template of Entra",
                format!(
                    "version:v1.0\nMember object ID or user principal name [memberObjectIdOrUpn] Required\n{ada}\n"
                ),
                ada,
            ),
            ("tabs", format!("mail\tName\n{ada}\tAda\n"), ada),
        ] {
            assert_eq!(users(text.as_bytes()).unwrap(), [expected], "{what}");
        }
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
    fn every_line_without_a_user_is_told_and_never_its_text() {
        for (text, lines) in [
            ("upn\n# comment\nAda Lovelace\n", "line 3"),
            ("upn\nada\nada@contoso.com\ngrace;x@y\n", "lines 2 and 4"),
            ("id,x\n1,2\n3,4\n5,6\n", "lines 2, 3 and 4"),
            // a header of no list, or a user who is not well written: who knows
            ("Wer;Wo\nada@contoso.com;Bonn\n", "line 1"),
        ] {
            assert_eq!(
                users(text.as_bytes()).unwrap_err().to_string(),
                format!("users file `users.csv`, {lines}: this is no user")
            );
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(matches!(
            users(b"PK\x03\x04"),
            Err(PlanError::UsersFileUnreadable { .. })
        ));
    }
}
