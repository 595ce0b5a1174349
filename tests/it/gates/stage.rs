//! The ground that gates call operations on: the twin mandates with people of every kind around
//! them, and, before a call that succeeds, fresh things to aim at. Set by SQL around every wall, so
//! that a gate does not stand on what it tests.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::cases::{self, Case, Names, fill};
use super::operations::Operation;
use crate::core;
use crate::features::{self, Staged};
use crate::harness::app::{Answer, PASSWORD, uuid};
use crate::harness::world::{Person, Tenant};
use crate::harness::{TestApp, World};

/// Names of tokens.
const SECRETS: [&str; 4] = ["refresh", "registertoken", "resettoken", "invitetoken"];

/// The world, and whoever else knocks.
#[derive(Clone)]
pub struct Ground {
    pub world: World,
    /// Belongs to nothing.
    pub stranger: Person,
    /// Was an admin until the account was disabled.
    pub disabled: Person,
    /// An admin whose session has ended.
    pub ended: Person,
    /// A member whose permissions gates set; see [`super::walker`].
    pub walker: Person,
    /// The walker's mandate role.
    pub walks: Uuid,
    /// A mandate of which Acme's admin is admin too.
    pub other: Uuid,
    /// Another, deleted since.
    pub gone: Uuid,
    /// Of the SysAdmin who acts as Acme's admin. Acme alone allows that.
    pub acting: String,
}

impl Ground {
    pub async fn new() -> Self {
        let world = World::new().await;
        let (app, acme) = (&world.app, &world.acme);
        let admins = [acme.role("admin")];
        world.member_with(acme, "second-admin", &admins).await;
        let ended = world.member_with(acme, "ended", &admins).await;
        app.post("/api/auth/logout").bearer(&ended.token).send().await.expect(204);
        let disabled = world.member_with(acme, "disabled", &admins).await;
        let off = app
            .patch(format!("/api/users/{}", disabled.id))
            .bearer(&world.sys_admin.token)
            .json(json!({ "enabled": false }));
        off.send().await.expect(200);
        let (other, gone) = (another(&world, "Initech").await, another(&world, "Hooli").await);
        app.delete(format!("/api/mandates/{gone}"))
            .bearer(&world.sys_admin.token)
            .send()
            .await
            .expect(200);
        let walker = world.stranger("walker").await;
        let walks = world.role_with(acme, "walks", json!({})).await;
        let stranger = world.stranger("stranger").await;
        // Automatic groups would make everybody a peer of everybody.
        let allow =
            format!("update mandates set allow_impersonation = true where id = '{}'", acme.id);
        app.sql.execute(sqlx::raw_sql(AssertSqlSafe(allow))).await.unwrap();
        let body = json!({ "userId": acme.admin.id, "reason": "to see what they see" });
        let acting = app.post("/api/auth/impersonate").bearer(&world.sys_admin.token).json(body);
        let acting = acting.send().await.expect(201)["accessToken"].as_str().unwrap().to_owned();
        let ground = Self { world, stranger, disabled, ended, walker, walks, other, gone, acting };
        ground.sql("update groups set auto_join = false; delete from group_members").await;
        ground
    }

    /// Runs statements as the superuser.
    pub async fn sql(&self, statements: impl Into<String>) {
        self.world.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(statements.into()))).await.unwrap();
    }

    /// Puts back what calls may have taken away: the mandate, who is in it, their sessions, and the
    /// walker, who may have erased their own account.
    pub async fn mend(&self) {
        let (acme, admin, ended) = (self.world.acme.id, self.world.acme.admin.id, self.ended.id);
        let (walker, name) = (self.walker.id, &self.walker.name);
        // All accounts with a password have the same.
        self.sql(format!(
            "update users set username = '{name}', username_key = '{name}', enabled = true,
               erased_at = null,
               password_hash = (select password_hash from users where id = '{admin}')
             where id = '{walker}' and erased_at is not null;
             update users u set password_hash = same.password_hash from users same
             where same.id = '{ended}' and u.password_hash <> same.password_hash;
             update mandates set deleted_at = null, purge_at = null, enabled = true,
               limits = default where id = '{acme}';
             update memberships set enabled = true where mandate_id = '{acme}'
               and user_id = '{admin}';
             update sessions set revoked_at = null where user_id <> '{ended}'"
        ))
        .await;
    }

    /// Fresh things of a mandate, of every feature, and of the platform.
    pub async fn stage(&self, tenant: &Tenant) -> Names {
        let mut names = self.stage_with(tenant, features::ALL).await;
        for secret in SECRETS {
            let value = self.secret(secret, tenant, &names).await;
            names.insert(secret, value);
        }
        names
    }

    /// What only the service can make.
    async fn secret(&self, name: &str, tenant: &Tenant, names: &Names) -> String {
        let app = &self.world.app;
        match name {
            "refresh" => self.refresh_token(tenant).await,
            "registertoken" => app.registration_token(&names["unique"]).await,
            "resettoken" => app.reset_token(names["account"].parse().unwrap()).await,
            "invitetoken" => app.invitation_token(names["invitation"].parse().unwrap()).await,
            other => panic!("what is {other}?"),
        }
    }

    /// That of a new sign-in of the tenant's member.
    async fn refresh_token(&self, tenant: &Tenant) -> String {
        // Whatever calls before this one tried with the name.
        self.sql("delete from guesses").await;
        let body = json!({ "username": tenant.member.name, "password": PASSWORD });
        let answer = self.world.app.post("/api/auth/login").json(body).send().await.expect(200);
        answer["refreshToken"].as_str().unwrap().to_owned()
    }

    /// Fresh things for a call to aim at: those of features only where the case names them.
    pub async fn stage_for(&self, case: &Case, tenant: &Tenant) -> Names {
        let wanted: Vec<_> =
            features::ALL.iter().copied().filter(|staged| staged.is_named(case)).collect();
        let mut names = self.stage_with(tenant, &wanted).await;
        for secret in SECRETS.into_iter().filter(|secret| case.mentions(secret)) {
            let value = self.secret(secret, tenant, &names).await;
            names.insert(secret, value);
        }
        names
    }

    async fn stage_with(&self, tenant: &Tenant, features: &[&Staged]) -> Names {
        let names = fresh_names(tenant);
        let mut script = fill(&core::rows(), &names);
        for staged in features {
            script.push_str(&fill(
                &format!("{}{}", features::INSTANCE, staged.rows),
                &staged.names_for(&names, &names["admitted"]),
            ));
        }
        self.sql(script).await;
        names
    }
}

/// A mandate with Acme's admin.
async fn another(world: &World, name: &str) -> Uuid {
    let body = json!({ "name": name, "adminUserId": world.acme.admin.id });
    let made =
        world.app.post("/api/mandates").bearer(&world.sys_admin.token).json(body).send().await;
    uuid(&made.expect(201)["id"])
}

fn fresh_names(tenant: &Tenant) -> Names {
    let fresh = |name| (name, Uuid::now_v7().to_string());
    let mut names: Names = core::fresh_ids().map(fresh).collect();
    // The end of a version 7 id is what chance adds: unlike its beginning, never twice the same.
    let tail = |id: Uuid| id.simple().to_string()[20..].to_owned();
    for staged in features::ALL {
        staged.name(&mut names);
    }
    names.insert("unique", format!("u{}", tail(Uuid::now_v7())));
    names.insert("word", format!("w{}", tail(Uuid::now_v7())));
    names.insert("person", format!("p{}", tail(Uuid::now_v7())));
    names.insert("feature", format!("f{}", tail(Uuid::now_v7())));
    names.insert("mandate", tenant.id.to_string());
    names.insert("admin", tenant.admin.id.to_string());
    names.insert("username", tenant.member.name.clone());
    names.insert("password", PASSWORD.to_owned());
    names
}

/// How a call is made: by whom, and with which headers.
#[derive(Debug, Clone, Default)]
pub struct Approach {
    pub token: Option<String>,
    pub mandate: Vec<String>,
    /// Instead of the case's own.
    pub instance: Option<Vec<String>>,
    /// What some names stand for in this call only.
    pub aims: BTreeMap<&'static str, String>,
    /// Instead of the case's own: content type and text.
    pub body: Option<(&'static str, String)>,
    /// Behind the path.
    pub query: Option<&'static str>,
    /// `Idempotency-Key`.
    pub key: Option<&'static str>,
    /// `If-Match`.
    pub if_match: Option<String>,
    /// `Content-Encoding`.
    pub encoding: Option<&'static str>,
}

impl Approach {
    pub fn of(person: &Person) -> Self {
        Self { token: Some(person.token.clone()), ..Self::default() }
    }
    /// The SysAdmin who acts as Acme's admin.
    pub fn acting(ground: &Ground) -> Self {
        Self { token: Some(ground.acting.clone()), ..Self::default() }
    }
    pub fn nobody() -> Self {
        Self::default()
    }
    pub fn in_mandate(mut self, mandate: impl ToString) -> Self {
        self.mandate.push(mandate.to_string());
        self
    }
    /// Whether a body is sent that has nothing in it.
    pub fn is_empty(&self) -> bool {
        self.body.as_ref().is_some_and(|(_, text)| text.is_empty())
    }
    pub fn aiming(mut self, name: &'static str, at: impl ToString) -> Self {
        self.aims.insert(name, at.to_string());
        self
    }
}

impl Ground {
    /// Whom the route is for: an admin of Acme; where only SysAdmins come in, the SysAdmin.
    pub fn rightful(&self, operation: &Operation, case: &Case) -> Approach {
        if case.sys_only || operation.is_for_sys_admins() {
            return Approach::of(&self.world.sys_admin);
        }
        Approach::of(&self.world.acme.admin).in_mandate(self.world.acme.id)
    }
}

/// Makes the case's call.
pub async fn call(
    app: &TestApp,
    operation: &Operation,
    case: &Case,
    names: &Names,
    approach: &Approach,
) -> Answer {
    let mut names = names.clone();
    names.extend(approach.aims.clone());
    let mut uri = fill(case.uri, &names);
    if let Some(query) = approach.query {
        uri = format!("{}?{query}", uri.split('?').next().unwrap_or_default());
    }
    let mut call = app.call(operation.method.clone(), uri);
    if let Some(token) = &approach.token {
        call = call.bearer(token);
    }
    if let Some(key) = approach.key {
        call = call.header("idempotency-key", key);
    }
    if let Some(tag) = &approach.if_match {
        call = call.header("if-match", tag);
    }
    if let Some(encoding) = approach.encoding {
        call = call.header("content-encoding", encoding);
    }
    for mandate in &approach.mandate {
        call = call.header("x-mandate-id", mandate);
    }
    let own = || case.instance.map(|name| fill(name, &names)).into_iter().collect();
    for instance in approach.instance.clone().unwrap_or_else(own) {
        call = call.header("x-instance-id", instance);
    }
    if let Some((content_type, body)) = &approach.body {
        call = call.raw(content_type, body);
    } else if let Some(body) = case.body {
        let body = fill(body, &names);
        call = match case.media {
            Some(media) => call.raw(media, &body),
            None => call.json(serde_json::from_str(&body).unwrap()),
        };
    }
    call.send().await
}

/// Whether a call may have changed something.
pub fn may_have_changed(operation: &Operation, answer: &Answer) -> bool {
    operation.has_effect() && answer.status.is_success()
}

/// How many grounds work at the same time.
const GROUNDS: usize = 4;

/// Does something with every case, on several grounds at once; the outcomes in the order of the
/// cases.
pub fn on_grounds<T: Send>(work: impl AsyncFn(&Ground, &Operation, &Case) -> T + Sync) -> Vec<T> {
    on_grounds_with(|_| (), async |ground, (), operation, case| work(ground, operation, case).await)
}

/// The same with something beside each ground.
pub fn on_grounds_with<B, T: Send>(
    beside: impl Fn(&Ground) -> B + Sync,
    work: impl AsyncFn(&Ground, &B, &Operation, &Case) -> T + Sync,
) -> Vec<T> {
    let (beside, work) = (&beside, &work);
    let share = |share: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ground = Ground::new().await;
            let beside = beside(&ground);
            let mut done = Vec::new();
            for (index, (operation, case)) in
                cases::all().into_iter().enumerate().filter(|(index, _)| index % GROUNDS == share)
            {
                done.push((index, work(&ground, &beside, &operation, &case).await));
            }
            done
        })
    };
    let share = &share;
    let mut outcomes: Vec<(usize, T)> = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..GROUNDS).map(|index| scope.spawn(move || share(index))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
