//! `/api/features/instances`: the list of instances.

use utoipa_axum::routes;

use super::FeatureInstance;
use super::list::{self, Filter};
use crate::access::tables::{Instances, Read};
use crate::context::authorize::{Reach, mandate_access_denied};
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::Query;
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(list_feature_instances).guard(app, Policy::table::<Instances, Read>().or_sys()),
    )
}

list_query! {
    InstancesQuery sorted by "label" {
        /// Only instances of this feature.
        #[param(example = "trustee")]
        feature_code: String,
        /// Only instances that are open to this user: their admission is there, and enabled.
        #[param(inline)]
        user_id: UserId,
        /// Only instances of this mandate. SysAdmins see those of all mandates where neither this
        /// nor `X-Mandate-Id` names one; where both do, they must agree.
        #[param(inline)]
        mandate_id: MandateId,
    }
}

/// The mandate's feature instances that the caller's level reaches; to SysAdmins those of all
/// mandates, or of one.
#[utoipa::path(get, path = "/api/features/instances", tag = "Instances", params(InstancesQuery),
    responses((status = 200, description = "A page of instances", body = Page<FeatureInstance>)))]
async fn list_feature_instances(
    reach: Reach,
    lister: Lister,
    Query(query): Query<InstancesQuery>,
) -> Result<PageAnswer<FeatureInstance>> {
    let paging = query.paging(&lister)?;
    let filter = &Filter { feature: query.feature_code.as_deref(), user: query.user_id };
    let rows = match reach {
        Reach::Mandate(context) => {
            require_same(query.mandate_id, context.mandate())?;
            let grant = context.grant::<Instances, Read>()?;
            let mut reading = context.read().await?;
            let rows = list::in_mandate(&mut reading, &grant, filter, &paging).await?;
            reading.finish().await?;
            rows
        }
        Reach::Everywhere(system, named) => {
            named.map_or(Ok(()), |named| require_same(query.mandate_id, named))?;
            let mandate = query.mandate_id.or(named);
            let mut reading = system.read().await?;
            let rows =
                list::everywhere(&mut reading, system.system(), mandate, filter, &paging).await?;
            reading.finish().await?;
            rows
        }
    };
    Ok(lister.answer(&paging, rows))
}

/// Query and header name the same mandate, where both do.
fn require_same(asked: Option<MandateId>, named: MandateId) -> Result<()> {
    if asked.is_none_or(|asked| asked == named) { Ok(()) } else { Err(mandate_access_denied()) }
}
