//! Invitations: who is asked, who accepts, and in whose name.

mod accepting;
mod bound;
mod inviting;
mod killed;
mod promises;

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::Desk;
use super::registration::CHOSEN;
use crate::harness::World;
use crate::harness::app::{Answer, uuid};
use crate::harness::mailbox::Mailbox;
use crate::harness::world::{Person, Tenant};

/// The world, with a mail server.
struct Post {
    world: World,
    mailbox: Mailbox,
}

impl Post {
    async fn new() -> Self {
        Self::with(&[]).await
    }
    async fn with(settings: &[(&str, &str)]) -> Self {
        let mailbox = Mailbox::with(settings).await;
        Self { world: World::in_app(mailbox.app.clone()).await, mailbox }
    }
    fn acme(&self) -> &Tenant {
        &self.world.acme
    }
    fn admin(&self) -> Desk<'_> {
        self.world.admin()
    }
    fn path(&self, rest: &str) -> String {
        self.acme().path(&format!("/invitations{rest}"))
    }
    /// Invites with the role `user`.
    async fn invite(&self, desk: &Desk<'_>, email: &str) -> Answer {
        let body = json!({ "email": email, "roleIds": [self.acme().role("user")] });
        desk.post(self.path(""), body).await
    }
    /// Acme's admin invites; the token that was mailed.
    async fn invited(&self, email: &str) -> (Uuid, String) {
        let id = self.invite(&self.admin(), email).await.id();
        (id, self.mailbox.token().await)
    }
    async fn told(&self, invitation: Uuid) -> Value {
        self.admin().get(self.path(&format!("/{invitation}"))).await.expect(200)
    }
    async fn accept(&self, person: &Person, token: &str) -> Answer {
        self.world.bare(person).post(ACCEPT, json!({ "token": token })).await
    }
    /// By somebody without an account.
    async fn register(&self, username: &str, token: &str) -> Answer {
        let register = json!({ "username": username, "password": CHOSEN });
        let body = json!({ "token": token, "register": register });
        self.world.app.post(ACCEPT).json(body).send().await
    }
    async fn members(&self) -> i64 {
        let page = self.admin().get(self.acme().path("/users?count=true")).await.expect(200);
        page["total"].as_i64().unwrap()
    }
    /// The events of Acme's trail, or of the platform's.
    async fn events(&self, of_acme: bool, action: &str) -> Vec<Value> {
        let (desk, path) = if of_acme {
            (self.admin(), self.acme().path("/audit"))
        } else {
            (self.world.root(), "/api/audit".to_owned())
        };
        let page = desk.get(format!("{path}?action={action}")).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

const ACCEPT: &str = "/api/invitations/accept";

fn user_of(answer: &Value) -> Uuid {
    uuid(&answer["userId"])
}
