//! `bailiwick secret`: the secret key of the installation is changed for another.

use clap::{Args, Subcommand};

use super::open::Opened;
use super::{ours, say};
use crate::context::{RequestMeta, SystemContext};
use crate::http::app::App;
use crate::identity::service_keys::{self, Resealed};
use crate::kernel::config::Settings;

const ROTATE_HELP: &str = "\
How the secret key is changed, without anybody noticing:
  1. openssl rand -base64 32 makes the new one.
  2. Every node is started again with the new one as BAILIWICK_SECRET_KEY, and the present one as
     BAILIWICK_SECRET_KEY_OLD. They take both.
  3. bailiwick secret rotate, with the same two, seals everything under the new one.
  4. Every node is started again without BAILIWICK_SECRET_KEY_OLD.
The embedded database's present key is in secret.key, in the data folder; stop the service first.

Refresh tokens and cursors that were handed out before stay good for as long as a session lasts. \
Where the secret key has leaked, none of that may be: with --replace in step 3 all keys are made \
anew at once, and everybody has to sign in again. So it is where it is lost, with the new one \
alone; nodes that cannot open them take no token any more, until they are started with it.

Examples:
  BAILIWICK_SECRET_KEY_FILE=new.key BAILIWICK_SECRET_KEY_OLD_FILE=old.key bailiwick secret rotate
  BAILIWICK_SECRET_KEY_FILE=new.key bailiwick secret rotate --replace";

#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Seal everything under the present secret key
    #[command(after_help = ROTATE_HELP)]
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Make all keys anew, also those that cannot be opened any more
    #[arg(long)]
    replace: bool,
}

pub(super) async fn secret(settings: &Settings, what: Secret) -> anyhow::Result<()> {
    let Secret::Rotate(Rotate { replace }) = what;
    let opened = Opened::open(settings).await?;
    let told = rotate_in(&opened, settings, replace).await.map(|told| say(&told));
    let closed = opened.close().await;
    told.and(closed)
}

async fn rotate_in(opened: &Opened, settings: &Settings, replace: bool) -> anyhow::Result<String> {
    let app = if replace {
        opened.prepare().await?;
        opened.app_with_first_keys(settings)?
    } else {
        opened.app(settings).await?
    };
    let outcome = rotate(&app, replace).await;
    app.services().db.close().await;
    outcome
}

async fn rotate(app: &App, replace: bool) -> anyhow::Result<String> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let resealed = service_keys::seal_anew(app, &system, replace).await.map_err(ours)?;
    let name = app.secrets().name();
    Ok(match resealed {
        Resealed::Already => format!(
            "Everything is sealed under this secret key ({name}) already. To change it, set \
             BAILIWICK_SECRET_KEY to a new one and BAILIWICK_SECRET_KEY_OLD to this one."
        ),
        Resealed::Sealed { keys, to_retire } => {
            let told = format!(
                "{keys} keys are sealed under this secret key ({name}). BAILIWICK_SECRET_KEY_OLD \
                 can go, from every node."
            );
            if to_retire.is_empty() {
                return Ok(told);
            }
            let keys = to_retire.join("\n  bailiwick keys retire ");
            format!(
                "{told}\nThese follow from the secret key before. Others sign in an hour; a \
                 quarter of an hour later, retire them:\n  bailiwick keys retire {keys}"
            )
        }
        Resealed::Replaced => format!(
            "All keys are new, and sealed under this secret key ({name}). Everybody has to sign \
             in again."
        ),
    })
}
