//! Cedar: a policy for each role, table and level. The user is a member of the roles and a row is
//! in its table; both are entities that are there already, and policies are parsed once.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use anyhow::Result;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression,
};

use crate::Decide;
use crate::model::{Model, Question};

pub fn decider(model: &Model) -> Result<Decide> {
    let policies: PolicySet = policies(model)?.parse()?;
    let requests: Vec<Request> =
        model.questions.iter().map(|question| request(model, question)).collect::<Result<_>>()?;
    let entities = entities(model)?;
    let authorizer = Authorizer::new();
    Ok(Box::new(move |number| {
        let answer = authorizer.is_authorized(&requests[number], &policies, &entities);
        answer.decision() == Decision::Allow
    }))
}

fn policies(model: &Model) -> Result<String> {
    let mut text = String::new();
    for (role, rules) in &model.roles {
        for (table, rule) in rules {
            for (level, condition) in [("a", ""), ("m", " when { resource.owner == principal }")] {
                let actions = rule.at(level);
                if actions.is_empty() {
                    continue;
                }
                let actions: Vec<_> =
                    actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
                writeln!(
                    text,
                    "permit(principal in Role::\"{role}\", action in [{}], resource in \
                     Table::\"{table}\"){condition};",
                    actions.join(", ")
                )?;
            }
        }
    }
    Ok(text)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid> {
    let kind: EntityTypeName = kind.parse()?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn row(question: &Question) -> Result<EntityUid> {
    uid("Row", &format!("{} of {}", question.table, question.owner))
}

fn request(model: &Model, question: &Question) -> Result<Request> {
    let action = uid("Action", &question.operation)?;
    let (user, row) = (uid("User", &model.user)?, row(question)?);
    Ok(Request::new(user, action, row, Context::empty(), None)?)
}

fn entities(model: &Model) -> Result<Entities> {
    let roles: HashSet<_> =
        model.held.iter().map(|role| uid("Role", role)).collect::<Result<_>>()?;
    let mut entities = HashMap::from([(
        model.user.clone(),
        Entity::new_no_attrs(uid("User", &model.user)?, roles),
    )]);
    for question in &model.questions {
        let owner = RestrictedExpression::new_entity_uid(uid("User", &question.owner)?);
        let attributes = HashMap::from([("owner".to_owned(), owner)]);
        let tables = HashSet::from([uid("Table", &question.table)?]);
        let row = row(question)?;
        entities.insert(row.to_string(), Entity::new(row, attributes, tables)?);
    }
    Ok(Entities::from_entities(entities.into_values(), None)?)
}
