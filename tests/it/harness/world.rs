//! A small world to test in: a SysAdmin and two mandates that are twins. Each has an admin, a plain
//! member (role `user`), and an instance of `playbooks` with its template roles. Made over HTTP, as
//! people would.

use serde_json::{Value, json};
use uuid::Uuid;

use super::app::{TestApp, uuid};

/// Somebody with an account and a token.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: Uuid,
    pub name: String,
    pub token: String,
}

/// A mandate with its people and things.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub id: Uuid,
    pub admin: Person,
    pub member: Person,
    /// Mandate roles by label: `admin`, `user`, `viewer`.
    pub roles: Value,
    pub everyone: Uuid,
    /// An instance of `playbooks`; nobody is admitted to it.
    pub instance: Uuid,
    /// The instance's roles by label: `playbooks-admin` and so on.
    pub instance_roles: Value,
}

impl Tenant {
    /// A mandate role's id by its label.
    #[track_caller]
    pub fn role(&self, label: &str) -> Uuid {
        uuid(&self.roles[label])
    }
    /// An instance role's id by its label.
    #[track_caller]
    pub fn instance_role(&self, label: &str) -> Uuid {
        uuid(&self.instance_roles[label])
    }
    pub fn path(&self, rest: &str) -> String {
        format!("/api/mandates/{}{rest}", self.id)
    }
    pub fn instance_path(&self, rest: &str) -> String {
        format!("/api/features/instances/{}{rest}", self.instance)
    }
}

/// The world.
#[derive(Clone)]
pub struct World {
    pub app: TestApp,
    pub sys_admin: Person,
    pub acme: Tenant,
    pub globex: Tenant,
}

impl World {
    pub async fn new() -> Self {
        Self::in_app(TestApp::start().await).await
    }

    pub async fn in_app(app: TestApp) -> Self {
        let sys_admin = person(&app, "root", true).await;
        let acme = tenant(&app, &sys_admin, "Acme").await;
        let globex = tenant(&app, &sys_admin, "Globex").await;
        Self { app, sys_admin, acme, globex }
    }

    /// An account that belongs to nothing, signed in.
    pub async fn stranger(&self, name: &str) -> Person {
        person(&self.app, name, false).await
    }

    /// One more mandate, with this admin, a plain member and an instance.
    pub async fn another_tenant(&self, name: &str, admin: &Person) -> Tenant {
        tenant_of(&self.app, &self.sys_admin, name, admin.clone()).await
    }

    /// A new member of a tenant with these mandate roles, signed in.
    pub async fn member_with(&self, tenant: &Tenant, name: &str, roles: &[Uuid]) -> Person {
        let person = person(&self.app, name, false).await;
        let body = json!({ "targetUserId": person.id, "roleIds": roles });
        let added = self
            .app
            .post(tenant.path("/users"))
            .bearer(&tenant.admin.token)
            .mandate(tenant.id)
            .json(body)
            .send()
            .await;
        added.expect(201);
        person
    }

    /// A new mandate role with these permissions: `{"members": ["a", "n", "n", "n"]}` is view, and
    /// read, create, update, delete.
    pub async fn role_with(&self, tenant: &Tenant, label: &str, tables: Value) -> Uuid {
        let made = self
            .app
            .post(tenant.path("/roles"))
            .bearer(&tenant.admin.token)
            .mandate(tenant.id)
            .json(json!({ "label": label }))
            .send()
            .await;
        let role = made.id();
        let body = json!({ "tables": rules(&tables) });
        let put = self
            .app
            .put(format!("/api/roles/{role}/permissions"))
            .bearer(&tenant.admin.token)
            .mandate(tenant.id)
            .json(body)
            .send()
            .await;
        put.expect(200);
        role
    }

    /// Admits a member to the tenant's instance with these instance roles.
    pub async fn admit(&self, tenant: &Tenant, user: Uuid, roles: &[Uuid]) {
        let body = json!({ "userId": user, "roleIds": roles });
        let path = tenant.instance_path("/users");
        let answer = self
            .app
            .post(path)
            .bearer(&tenant.admin.token)
            .mandate(tenant.id)
            .json(body)
            .send()
            .await;
        answer.expect(201);
    }
}

/// Rules in the short form of [`World::role_with`].
pub fn rules(tables: &Value) -> Value {
    let short = tables.as_object().unwrap().iter();
    short
        .map(|(table, levels)| {
            let rule = json!({
                "view": true, "read": levels[0], "create": levels[1], "update": levels[2],
                "delete": levels[3],
            });
            (table.clone(), rule)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What a role permits as it is answered: as it was put, and nothing stale.
pub fn answered(mut permissions: Value) -> Value {
    permissions["stale"] = json!({ "tables": [], "views": [] });
    permissions
}

async fn person(app: &TestApp, name: &str, sys_admin: bool) -> Person {
    let id = app.account(name, sys_admin).await;
    Person { id, name: name.to_owned(), token: app.sign_in(name).await }
}

async fn tenant(app: &TestApp, sys_admin: &Person, name: &str) -> Tenant {
    let admin = person(app, &format!("{}-admin", name.to_lowercase()), false).await;
    tenant_of(app, sys_admin, name, admin).await
}

async fn tenant_of(app: &TestApp, sys_admin: &Person, name: &str, admin: Person) -> Tenant {
    let member = person(app, &format!("{}-member", name.to_lowercase()), false).await;
    let body = json!({ "name": name, "adminUserId": admin.id });
    let id = app.post("/api/mandates").bearer(&sys_admin.token).json(body).send().await.id();
    let path = |rest: &str| format!("/api/mandates/{id}{rest}");
    let roles = by_label(
        &app.get(path("/roles")).bearer(&admin.token).mandate(id).send().await.expect(200),
        "label",
    );
    let groups = by_label(
        &app.get(path("/groups")).bearer(&admin.token).mandate(id).send().await.expect(200),
        "name",
    );
    let body = json!({ "targetUserId": member.id, "roleIds": [roles["user"]] });
    app.post(path("/users")).bearer(&admin.token).mandate(id).json(body).send().await.expect(201);
    let body = json!({ "featureCode": "playbooks", "label": format!("{name} handbook") });
    let instance = app
        .post("/api/features/instances")
        .bearer(&admin.token)
        .mandate(id)
        .json(body)
        .send()
        .await
        .id();
    let listed = app
        .get(format!("/api/features/instances/{instance}/roles"))
        .bearer(&admin.token)
        .mandate(id)
        .send()
        .await
        .expect(200);
    Tenant {
        id,
        admin,
        member,
        everyone: uuid(&groups["everyone"]),
        roles,
        instance,
        instance_roles: by_label(&listed, "label"),
    }
}

fn by_label(page: &Value, label: &str) -> Value {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| (item[label].as_str().unwrap().to_owned(), item["id"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
