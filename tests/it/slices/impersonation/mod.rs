//! Support sees what a customer sees: where the customer's admins let it, and seen by them.

mod acting;
mod ending;
mod starting;
mod told;

use serde_json::{Value, json};

use super::kit::Desk;
use crate::harness::World;
use crate::harness::app::Answer;
use crate::harness::world::{Person, Tenant};

const IMPERSONATE: &str = "/api/auth/impersonate";

impl World {
    /// Its admin lets SysAdmins act as the tenant's members, or does so no more.
    async fn allow(&self, tenant: &Tenant, is_allowed: bool) {
        let desk = self.desk(&tenant.admin, tenant);
        let body = json!({ "allowImpersonation": is_allowed });
        let mandate = desk.patch(tenant.path(""), body).await.expect(200);
        assert_eq!(mandate["allowImpersonation"], is_allowed);
    }

    async fn impersonate(&self, by: &Person, whom: &Person) -> Answer {
        let body = json!({ "userId": whom.id, "reason": "Ticket 4711" });
        self.bare(by).post(IMPERSONATE, body).await
    }

    /// The SysAdmin as somebody else.
    async fn as_if(&self, whom: &Person) -> Person {
        let answer = self.impersonate(&self.sys_admin, whom).await.expect(201);
        let token = answer["accessToken"].as_str().unwrap().to_owned();
        Person { token, ..whom.clone() }
    }

    async fn me(&self, person: &Person) -> Value {
        self.bare(person).get("/api/auth/me").await.expect(200)
    }

    /// The newest events first.
    async fn trail(&self, desk: &Desk<'_>, path: String) -> Vec<Value> {
        let page = desk.get(path).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }

    /// What SysAdmins read of an action in the platform's trail.
    async fn told_to_platform(&self, action: &str) -> Vec<Value> {
        self.trail(&self.root(), format!("/api/audit?action={action}")).await
    }

    /// What the tenant's admin reads of an action.
    async fn told_to(&self, tenant: &Tenant, action: &str) -> Vec<Value> {
        let desk = self.desk(&tenant.admin, tenant);
        self.trail(&desk, tenant.path(&format!("/audit?action={action}"))).await
    }
}

/// Acme allows it; its member has used it already.
async fn world() -> World {
    let world = World::new().await;
    world.allow(&world.acme, true).await;
    let member = world.acme.member.clone();
    world.desk(&member, &world.acme).get("/api/access/me").await.expect(200);
    world
}
