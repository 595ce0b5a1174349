//! Casbin: a rule for each role, table, operation and level, a role for each that the user holds.

use anyhow::Result;
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};

use crate::Decide;
use crate::model::{Model, OPERATIONS};

const MODEL: &str = "
[request_definition]
r = sub, obj, act, owner
[policy_definition]
p = sub, obj, act, level
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub) && (p.level == \"a\" || r.owner == r.sub)
";

pub fn decider(model: &Model) -> Result<Decide> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let enforcer = runtime.block_on(enforcer(model))?;
    let user = model.user.clone();
    let questions: Vec<_> = model
        .questions
        .iter()
        .map(|asked| (asked.table.clone(), asked.operation.clone(), asked.owner.clone()))
        .collect();
    Ok(Box::new(move |number| {
        let (table, operation, owner) = &questions[number];
        let asked = (user.as_str(), table.as_str(), operation.as_str(), owner.as_str());
        enforcer.enforce(asked).unwrap_or(false)
    }))
}

async fn enforcer(model: &Model) -> Result<Enforcer> {
    let mut enforcer =
        Enforcer::new(DefaultModel::from_str(MODEL).await?, MemoryAdapter::default()).await?;
    let mut rules = Vec::new();
    for (role, tables) in &model.roles {
        for (table, rule) in tables {
            for operation in OPERATIONS {
                let level = rule.level(operation);
                if level != "n" {
                    rules.push([role, table, operation, level].map(str::to_owned).to_vec());
                }
            }
        }
    }
    enforcer.add_policies(rules).await?;
    let held = model.held.iter().map(|role| vec![model.user.clone(), role.clone()]);
    enforcer.add_grouping_policies(held.collect()).await?;
    Ok(enforcer)
}
