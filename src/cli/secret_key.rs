//! The secret key of an installation that was given none: made once, kept in the data folder.
//! Without it every access token would die with the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::anyhow;

use super::ours;
use crate::kernel::config::{SecretKey, Settings};
use crate::kernel::crypto::{Secrets, random};

const NAME: &str = "secret.key";

/// The installation's key, wherever it is from.
fn secret(settings: &Settings) -> anyhow::Result<SecretKey> {
    match &settings.secret_key {
        Some(key) => Ok(key.clone()),
        None => load_or_make(&settings.data_dir),
    }
}

/// The same, with the one before while it is being changed.
pub(super) fn secrets(settings: &Settings) -> anyhow::Result<Secrets> {
    Ok(Secrets::new(secret(settings)?, settings.secret_key_old.clone()))
}

/// The folder's key. The folder is the caller's alone (its lock is held while the embedded database
/// runs), so that nobody else makes one at the same time.
fn load_or_make(folder: &Path) -> anyhow::Result<SecretKey> {
    let path = folder.join(NAME);
    match fs::read_to_string(&path) {
        Ok(text) => SecretKey::from_base64(text.trim()).ok_or_else(|| {
            anyhow!(
                "{} does not hold a key (32 bytes in base64): put it back; where it is lost, \
                    remove it and make all keys anew (bailiwick secret rotate --replace)",
                path.display()
            )
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(folder).map_err(|error| anyhow!("cannot make {}: {error}", path.display()))
        }
        Err(error) => Err(anyhow!("cannot read {}: {error}", path.display())),
    }
}

/// Whole or not at all, also after a loss of power: written aside, then renamed.
fn make(folder: &Path) -> io::Result<SecretKey> {
    let key = SecretKey::new(random().map_err(|error| io::Error::other(ours(error)))?);
    let aside = folder.join(format!("{NAME}.new"));
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    writeln!(file, "{}", key.to_base64())?;
    file.sync_all()?;
    fs::rename(&aside, folder.join(NAME))?;
    File::open(folder)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.key.new"), "half").unwrap();
        let key = load_or_make(folder.path()).unwrap();
        assert_eq!(load_or_make(folder.path()).unwrap().expose(), key.expose());
        let mode = fs::metadata(folder.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "hunter2").unwrap();
        let error = load_or_make(folder.path()).unwrap_err().to_string();
        assert!(error.contains("secret.key") && !error.contains("hunter2"), "{error}");
    }
}
