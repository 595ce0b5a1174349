//! Instances as a user finds them, and roles, kept between requests under the epochs that the
//! request read first: an entry may be newer than its numbers say, never older.

use std::sync::Arc;

use serde_json::{Value, json};

use super::load::{self, Epochs, FoundInstance, OpenInstance};
use super::services::Services;
use crate::access::HeldRole;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// The enabled instances to which a member is admitted.
pub(super) async fn open_instances(
    services: &Services,
    key: (UserId, MandateId),
    epochs: Epochs,
) -> Result<Arc<Vec<OpenInstance>>> {
    if let Some(cached) = services.cache.open_instances(key, epochs) {
        return Ok(cached);
    }
    let found = Arc::new(
        load::open_instances(&*services.reader(key.0, Some(key.1)).await?, key.0, key.1).await?,
    );
    services.cache.keep_open_instances(key, epochs, found.clone());
    Ok(found)
}

/// An instance with a member's access in it.
pub(super) async fn instance(
    services: &Services,
    (user, mandate): (UserId, MandateId),
    instance: InstanceId,
    epochs: Epochs,
) -> Result<Option<FoundInstance>> {
    let key = (user, mandate, instance);
    if let Some(cached) = services.cache.instance(key, epochs) {
        return Ok(cached);
    }
    let found =
        load::instance(&*services.reader(user, Some(mandate)).await?, user, mandate, instance)
            .await?;
    services.cache.keep_instance(key, epochs, found.clone());
    Ok(found)
}

/// All roles of the mandate, or of one of its instances; `user` asks.
pub(super) async fn roles(
    services: &Services,
    (user, mandate): (UserId, MandateId),
    instance: Option<InstanceId>,
    epochs: Epochs,
) -> Result<Arc<Vec<HeldRole>>> {
    let key = (mandate, instance);
    if let Some(cached) = services.cache.roles(key, epochs) {
        return Ok(cached);
    }
    let reader = services.reader(user, Some(mandate)).await?;
    let found = Arc::new(load::roles(&*reader, mandate, instance).await?);
    services.cache.keep_roles(key, epochs, found.clone());
    Ok(found)
}

/// The only instance that fits; 400 with the candidates where there are none or several.
pub(super) fn sole(
    open: &[OpenInstance],
    fits: impl Fn(&OpenInstance) -> bool,
) -> Result<InstanceId> {
    let fitting: Vec<&OpenInstance> = open.iter().filter(|open| fits(open)).collect();
    if let [only] = fitting[..] { Ok(only.id) } else { Err(missing(&fitting)) }
}

/// 400: the header has to say which of these is meant.
pub(super) fn missing(candidates: &[&OpenInstance]) -> Error {
    let detail = match candidates {
        [] => "No feature instance of this kind is open here in this mandate.",
        _ => "The header X-Instance-Id must say which of the `candidates` is meant.",
    };
    let candidates: Vec<Value> =
        candidates.iter().map(|open| json!({ "id": open.id, "label": open.label })).collect();
    Error::new(Code::InstanceContextMissing, detail).with("candidates", candidates)
}
