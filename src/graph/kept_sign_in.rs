//! A user's sign-in between two runs: a file that holds the refresh token, readable by its owner only.
//!
//! One file a sign-in host, tenant and app, so that a token never goes to another host than the one that gave it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::ids::stable_hash;
use crate::job::auth::AuthPlan;

/// No sign-in is this large.
const LARGEST_FILE: u64 = 256 * 1024;
const OTHERS: u32 = 0o077;

/// Where one sign-in is kept.
#[derive(Debug)]
pub(super) struct KeptSignIn {
    path: PathBuf,
    authority: String,
    tenant: String,
    client_id: String,
}

#[derive(Serialize)]
struct Written<'a> {
    authority: &'a str,
    tenant: &'a str,
    client_id: &'a str,
    refresh_token: &'a str,
}

#[derive(Deserialize)]
struct Read {
    refresh_token: SecretString,
}

impl KeptSignIn {
    pub(super) fn new(folder: &Path, auth: &AuthPlan, client_id: &str) -> Self {
        let authority = auth.authority.origin().ascii_serialization();
        let key = stable_hash([authority.as_str(), &auth.tenant, client_id]);
        Self {
            path: folder.join(format!("sign-in-{key}.json")),
            authority,
            tenant: auth.tenant.clone(),
            client_id: client_id.to_owned(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The refresh token; `None` where nobody has signed in.
    ///
    /// # Errors
    /// A file that others may read is refused: whoever could read it may have the token.
    pub(super) fn read(&self) -> io::Result<Option<SecretString>> {
        let file = File::options()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.path);
        let file = match file {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        if file.metadata()?.permissions().mode() & OTHERS != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "other users may read it",
            ));
        }
        let mut text = Vec::new();
        file.take(LARGEST_FILE).read_to_end(&mut text)?;
        let read: Read = serde_json::from_slice(&text)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a kept sign-in"))?;
        Ok(Some(read.refresh_token))
    }

    /// Keeps a refresh token in place of the old one, whole or not at all; whatever the umask is, nobody else may read it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn write(&self, refresh_token: &SecretString) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        if fs::metadata(folder)?.permissions().mode() & OTHERS != 0 {
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        }
        let text = serde_json::to_vec(&Written {
            authority: &self.authority,
            tenant: &self.tenant,
            client_id: &self.client_id,
            refresh_token: refresh_token.expose_secret(),
        })?;
        // runs of one user may renew at the same time
        let temporary = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        let written =
            write_new(&temporary, &text).and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            fs::remove_file(&temporary).ok();
        }
        written?;
        File::open(folder)?.sync_all()
    }
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
