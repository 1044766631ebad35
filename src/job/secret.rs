//! Secrets: a job file says where one is kept, never what it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::encoding::text_of;
use super::error::PlanError;
use super::surroundings::Surroundings;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFile {
    /// `{ env = "VARIABLE" }`
    Env(String),
    /// `{ file = "path" }`, or `{ file = "$VARIABLE/path" }` below a folder that an environment variable names, as systemd hands
    /// credentials over.
    File(PathBuf),
    /// The job file holds the secret itself. Its text is dropped while reading: only the refusal remains.
    Literal,
}

/// What a secret looks like inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// One word: a client secret or a token. A blank in it is a mistake of whoever put it there.
    Word,
    /// Several lines: a certificate with its key.
    Lines,
}

impl SecretFile {
    /// The secret's value; `key` names it in errors. What `echo` and editors put around it is taken off: line ends, blanks, NULs, a byte
    /// order mark; a file in UTF-16, as Windows PowerShell writes it, is read too.
    ///
    /// # Errors
    /// [`PlanError`]'s `Secret…` variants; terminal. None of them holds the value.
    pub fn reveal(
        &self,
        key: &'static str,
        form: SecretForm,
        surroundings: &Surroundings<'_>,
    ) -> Result<SecretString, PlanError> {
        let value = match self {
            Self::Literal => return Err(PlanError::SecretInJobFile { key }),
            Self::Env(variable) => {
                (surroundings.variable)(variable).ok_or_else(|| PlanError::SecretNotSet {
                    key,
                    variable: variable.clone(),
                })?
            }
            Self::File(path) => {
                let path = &below_variable(path, key, surroundings)?;
                let unreadable = |source| PlanError::SecretUnreadable {
                    key,
                    path: path.clone(),
                    source,
                };
                let contents = (surroundings.read_file)(path).map_err(unreadable)?;
                if contents.is_readable_by_others {
                    return Err(PlanError::SecretReadableByOthers {
                        key,
                        path: path.clone(),
                    });
                }
                // the bytes are dropped here: an error that carried them would carry the secret
                text_of(&contents.bytes).ok_or_else(|| {
                    unreadable(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
                })?
            }
        };
        let value = value.trim_matches(is_around);
        let place = || match self {
            Self::Env(variable) => format!("the environment variable `{variable}`"),
            Self::File(path) => format!("`{}`", path.display()),
            Self::Literal => String::from("the job file"),
        };
        if value.is_empty() {
            return Err(PlanError::SecretEmpty {
                key,
                place: place(),
            });
        }
        if form == SecretForm::Word && value.contains(is_around) {
            return Err(PlanError::SecretWithBlank {
                key,
                place: place(),
            });
        }
        let is_quoted =
            |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
        if form == SecretForm::Word && ['"', '\''].into_iter().any(is_quoted) {
            return Err(PlanError::SecretInQuotes {
                key,
                place: place(),
            });
        }
        if form == SecretForm::Lines && !value.contains('\n') {
            // a variable of one line, as `.env` files and pipelines keep it
            return Ok(SecretString::from(value.replace("\\n", "\n")));
        }
        Ok(SecretString::from(value))
    }
}

/// What no secret begins or ends with: blanks and line ends, control characters, and characters that cannot be seen.
fn is_around(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(letter, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// The path with its first component replaced where that is a `$VARIABLE`.
fn below_variable(
    path: &Path,
    key: &'static str,
    surroundings: &Surroundings<'_>,
) -> Result<PathBuf, PlanError> {
    let mut components = path.components();
    let first = components
        .next()
        .and_then(|first| first.as_os_str().to_str());
    let Some(variable) = first.and_then(|first| first.strip_prefix('$')) else {
        return Ok(path.to_owned());
    };
    let folder = (surroundings.variable)(variable).ok_or_else(|| PlanError::SecretNotSet {
        key,
        variable: variable.to_owned(),
    })?;
    Ok(Path::new(&folder).join(components.as_path()))
}

impl<'de> Deserialize<'de> for SecretFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"`{ env = "VARIABLE" }` or `{ file = "path" }`"#)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretFile, E> {
        Ok(SecretFile::Literal)
    }

    // serde would quote a number in its message, and a secret may be all digits
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretFile, E> {
        Ok(SecretFile::Literal)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretFile, A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Place {
            Env,
            File,
        }
        let place = match map.next_key()? {
            Some(Place::Env) => SecretFile::Env(map.next_value()?),
            Some(Place::File) => SecretFile::File(map.next_value()?),
            None => return Err(de::Error::invalid_length(0, &self)),
        };
        if map.next_key::<Place>()?.is_some() {
            return Err(de::Error::invalid_length(2, &self));
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::job::encoding::tests::utf_16_le;
    use crate::job::surroundings::FileContents;
    use crate::time::UtcMicros;

    #[derive(Debug, Deserialize)]
    struct Holder {
        secret: SecretFile,
    }

    fn reveal(toml: &str) -> Result<String, PlanError> {
        reveal_as(toml, SecretForm::Word)
    }

    fn reveal_as(toml: &str, form: SecretForm) -> Result<String, PlanError> {
        let read = |path: &Path| match path.to_str() {
            Some("unix") => Ok((b"  s3cret \n".to_vec(), false)),
            Some("windows") => Ok((b"s3cret\r\n".to_vec(), false)),
            Some("ends") => Ok((b"\xef\xbb\xbfs3cret\n\n\0".to_vec(), false)),
            Some("utf-16") => Ok((utf_16_le("\u{feff}s3cret\r\n"), false)),
            Some("two-words") => Ok((b"s3cret hunter2\n".to_vec(), false)),
            Some("two-lines") => Ok((b"s3cret\nhunter2\n".to_vec(), false)),
            Some("nul") => Ok((b"s3\0cret".to_vec(), false)),
            Some("pem") => Ok((b"\xef\xbb\xbf\r\n--a--\r\nb\r\n".to_vec(), false)),
            Some("newline-only") => Ok((b"\n".to_vec(), false)),
            Some("bytes") => Ok((vec![0xff], false)),
            Some("/run/credentials/unit/secret") => Ok((b"handed-over".to_vec(), false)),
            Some("open") => Ok((b"s3cret".to_vec(), true)),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        let surroundings = Surroundings {
            started_at: UtcMicros(0),
            random: [0; 16],
            variable: &|name| match name {
                "SET" => Some("s3cret".to_owned()),
                "LINE_END" => Some("s3cret\n".to_owned()),
                "CARRIAGE_RETURN" => Some("s3cret\r".to_owned()),
                "MARK" => Some("\u{feff} s3cret\u{a0}".to_owned()),
                "TWO_LINES" => Some("s3cret\nhunter2".to_owned()),
                "QUOTED" => Some("\"s3cret\"".to_owned()),
                "BLANK" => Some(" \t".to_owned()),
                "PEM" => Some(r"--a--\nb\n".to_owned()),
                "CREDENTIALS_DIRECTORY" => Some("/run/credentials/unit".to_owned()),
                _ => None,
            },
            read_file: &|path| {
                read(path).map(|(bytes, is_readable_by_others)| FileContents {
                    bytes,
                    is_readable_by_others,
                })
            },
            job_stem: "job",
        };
        let holder: Holder = toml::from_str(&format!("secret = {toml}")).unwrap();
        let secret = holder
            .secret
            .reveal("auth.client_secret", form, &surroundings)?;
        Ok(secret.expose_secret().to_owned())
    }

    #[test]
    fn a_secret_comes_from_where_the_job_file_says() {
        for (toml, expected) in [
            ("{ env = 'SET' }", "s3cret"),
            ("{ env = 'LINE_END' }", "s3cret"),
            ("{ env = 'CARRIAGE_RETURN' }", "s3cret"),
            ("{ env = 'MARK' }", "s3cret"),
            ("{ file = 'unix' }", "s3cret"),
            ("{ file = 'windows' }", "s3cret"),
            ("{ file = 'ends' }", "s3cret"),
            ("{ file = 'utf-16' }", "s3cret"),
            ("{ file = '$CREDENTIALS_DIRECTORY/secret' }", "handed-over"),
        ] {
            assert_eq!(reveal(toml).unwrap(), expected, "{toml}");
        }
    }

    #[test]
    fn fault_89_a_literal_secret_is_refused_and_forgotten() {
        for toml in ["'hunter2'", "1234"] {
            let error = reveal(toml).unwrap_err();
            assert!(
                matches!(error, PlanError::SecretInJobFile { .. }),
                "{error:?}"
            );
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
    }

    #[test]
    fn fault_89_a_secret_that_is_not_there_or_not_safe_is_refused() {
        for (toml, expected) in [
            ("{ env = 'UNSET' }", "SecretNotSet"),
            ("{ file = 'nowhere' }", "SecretUnreadable"),
            ("{ file = '$UNSET/secret' }", "SecretNotSet"),
            ("{ file = './$SET/secret' }", "SecretUnreadable"),
            ("{ file = 'bytes' }", "SecretUnreadable"),
            ("{ file = 'open' }", "SecretReadableByOthers"),
            ("{ file = 'two-words' }", "SecretWithBlank"),
            ("{ file = 'two-lines' }", "SecretWithBlank"),
            ("{ file = 'nul' }", "SecretWithBlank"),
            ("{ env = 'TWO_LINES' }", "SecretWithBlank"),
            ("{ env = 'BLANK' }", "SecretEmpty"),
            ("{ env = 'QUOTED' }", "SecretInQuotes"),
            (
                "{ file = 'newline-only' }",
                r#"SecretEmpty { key: "auth.client_secret", place: "`newline-only`" }"#,
            ),
        ] {
            let error = format!("{:?}", reveal(toml).unwrap_err());
            assert!(error.starts_with(expected), "{toml}: {error}");
        }
    }

    #[test]
    fn a_certificate_keeps_its_lines() {
        for toml in ["{ file = 'pem' }", "{ env = 'PEM' }"] {
            let text = reveal_as(toml, SecretForm::Lines).unwrap();
            assert_eq!(text.lines().collect::<Vec<_>>(), ["--a--", "b"], "{toml}");
        }
    }

    #[test]
    fn a_secret_in_two_places_or_in_an_unknown_one_is_refused_unquoted() {
        for toml in [
            "{}",
            "{ env = 'A', file = 'b' }",
            "{ value = 'hunter2' }",
            "['hunter2']",
            "true",
        ] {
            let error = toml::from_str::<Holder>(&format!("secret = {toml}")).unwrap_err();
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }
}
