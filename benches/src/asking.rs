//! The model of the question, made in the service over its own REST interface: a feature with
//! twenty tables and five template roles, and an instance of it in which `load-1` holds two.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::children::clean;
use crate::client;
use crate::people::{People, bearer, sign_in};
use crate::plan::{Ask, Headers};
use crate::question::{Model, Question};
use crate::scene::Places;

/// Not secret: of a SysAdmin in a throw-away database.
const PASSWORD: &str = "quiet-Harbour-58-lantern";

/// The model, and how its questions are asked.
pub struct Asking {
    pub model: Model,
    /// Of `load-0`, in the first mandate.
    pub in_mandate: Headers,
    in_instance: Headers,
}

impl Asking {
    pub async fn prepare(
        places: &Places<'_>,
        url: &str,
        service: SocketAddr,
        people: &People,
    ) -> Result<Self> {
        let [admin, user, ..] = people.all() else { anyhow::bail!("too few people") };
        let model = Model::of(user.id, admin.id);
        make_sys_admin(places, url).await?;
        let sys_admin = bearer(&sign_in(service, "bench-admin", PASSWORD).await?);
        register(service, &sys_admin, &model).await?;
        let mandate = mandate(service, &admin.headers).await?;
        let in_mandate = [&admin.headers[..], std::slice::from_ref(&mandate)].concat();
        let instance = open(service, admin.id, &in_mandate, &model).await?;
        let instance = ("X-Instance-Id".to_owned(), instance);
        let in_instance = [&user.headers[..], &[mandate, instance]].concat();
        let asking = Self { model, in_mandate, in_instance };
        asking.verify(service).await?;
        Ok(asking)
    }

    /// `POST /api/access/check` with these questions.
    pub fn ask(&self, questions: &[Question]) -> Ask {
        let check = |question: &Question| {
            json!({
                "table": question.table, "operation": question.operation,
                "ownerId": question.owner,
            })
        };
        let checks: Vec<_> = questions.iter().map(check).collect();
        let body = json!({ "checks": checks });
        Ask::sending("POST", "/api/access/check", self.in_instance.clone(), &body)
    }

    /// The service answers every question as the model says.
    async fn verify(&self, service: SocketAddr) -> Result<()> {
        for questions in self.model.questions.chunks(100) {
            let answer = client::send(service, &self.ask(questions)).await?.json()?;
            let results = answer["results"].as_array().context("no results")?;
            let alike = questions.iter().zip(results).all(|(question, result)| {
                result["allowed"] == question.allowed && result["level"] == json!(question.level)
            });
            anyhow::ensure!(alike && results.len() == questions.len(), "{questions:?} {results:?}");
        }
        Ok(())
    }
}

async fn make_sys_admin(places: &Places<'_>, url: &str) -> Result<()> {
    let mut command = clean(&places.site.service);
    command.args(["user", "create", "--username", "bench-admin", "--sys-admin"]);
    command.envs(Places::settings(url)).current_dir(&places.site.folder).kill_on_drop(true);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(places.site.log()?).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(format!("{PASSWORD}\n").as_bytes()).await?;
    drop(stdin);
    anyhow::ensure!(child.wait().await?.success(), "{}", places.site.last_words());
    Ok(())
}

/// The feature and its template roles.
async fn register(service: SocketAddr, sys_admin: &Headers, model: &Model) -> Result<()> {
    let feature = json!({ "code": "bench", "label": { "en": "Bench" }, "tables": model.tables });
    client::call(service, ("POST", "/api/features"), sys_admin, &feature).await?.json()?;
    for (label, rules) in &model.roles {
        let role = json!({ "featureCode": "bench", "roleLabel": label });
        let templates = ("POST", "/api/features/templates/roles");
        let made = client::call(service, templates, sys_admin, &role).await?.json()?;
        let path = format!("/api/roles/{}/permissions", id(&made)?);
        let permissions = json!({ "tables": rules });
        client::call(service, ("PUT", &path), sys_admin, &permissions).await?.json()?;
    }
    Ok(())
}

/// The header of the mandate of which `load-0` is admin: the first.
pub async fn mandate(service: SocketAddr, user: &Headers) -> Result<(String, String)> {
    let me = client::get(service, "/api/auth/me", user).await?.json()?;
    let mandates = me["mandates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_first = |mandate: &&Value| {
        mandate["code"].as_str().is_some_and(|code| {
            code.starts_with("load-") && code.ends_with("-0") && code.matches('-').count() == 2
        })
    };
    let mandate = mandates.iter().find(is_first).context("load-0 is not in the first mandate")?;
    Ok(("X-Mandate-Id".to_owned(), id(mandate)?.to_owned()))
}

/// An instance in which the user holds what the model says; its id. The admin who opens it takes
/// the role that may do everything, and so may give the others, and then leaves, so as to have as
/// much in the navigation as before.
async fn open(
    service: SocketAddr,
    admin_id: Uuid,
    admin: &Headers,
    model: &Model,
) -> Result<String> {
    let wanted =
        json!({ "featureCode": "bench", "label": "Questions", "grantCreatorRole": "role_0" });
    let instances = ("POST", "/api/features/instances");
    let made = client::call(service, instances, admin, &wanted).await?.json()?;
    let base = format!("/api/features/instances/{}", id(&made)?);
    let roles = client::get(service, &format!("{base}/roles"), admin).await?.json()?;
    let roles = roles["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_held = |role: &&Value| model.held.iter().any(|held| role["label"] == held.as_str());
    let ids: Vec<_> = roles.iter().filter(is_held).map(id).collect::<Result<_>>()?;
    anyhow::ensure!(ids.len() == model.held.len(), "roles are missing: {roles:?}");
    let member = json!({ "userId": model.user, "roleIds": ids });
    let users = format!("{base}/users");
    client::call(service, ("POST", &users), admin, &member).await?.json()?;
    let own = format!("{users}/{admin_id}");
    let left = client::call(service, ("DELETE", &own), admin, &Value::Null).await?;
    anyhow::ensure!(left.status == 204, "{}: {}", left.status, left.body);
    Ok(id(&made)?.to_owned())
}

pub fn id(made: &Value) -> Result<&str> {
    made["id"].as_str().with_context(|| format!("no id in {made}"))
}
