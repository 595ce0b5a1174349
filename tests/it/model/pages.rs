//! Lists: sorted, cut into pages, and continued from a cursor after whatever happened meanwhile.

use serde_json::Value;
use uuid::Uuid;

use super::call::Call;
use super::reply::{Outcome, Refusal, Reply, unlike};
use super::world::World;

/// A row of a list, with what it is sorted by.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: String,
    pub id: Uuid,
    pub value: Value,
}

impl Row {
    pub fn of(key: impl Into<String>, id: Uuid, value: Value) -> Self {
        Self { key: key.into(), id, value }
    }
}

/// The row after which a list goes on. A cursor is good for the list that gave it out, with the
/// same sort and filters.
#[derive(Debug, Clone)]
pub struct Position {
    list: String,
    key: String,
    id: Uuid,
}

/// A page as it must be.
#[derive(Debug, Clone)]
pub struct Page {
    items: Vec<Value>,
    total: Option<usize>,
    /// Where the next page goes on; none on the last one.
    pub next: Option<Position>,
}

impl Page {
    pub fn difference(&self, body: &Value) -> Option<String> {
        let items = unlike("/items", &Value::from(self.items.clone()), &body["items"]);
        if items.is_some() {
            return items;
        }
        if body["nextCursor"].is_string() != self.next.is_some() {
            return Some(format!(
                "nextCursor: {}, but there is {} more",
                body["nextCursor"],
                if self.next.is_some() { "" } else { "nothing" }
            ));
        }
        let total = body["total"].as_u64().map(|total| usize::try_from(total).unwrap());
        (total != self.total).then(|| format!("total: expected {:?}, got {total:?}", self.total))
    }
}

/// What a list was asked for, checked.
pub struct Asked {
    limit: usize,
    count: bool,
    pub sort: String,
    pub descending: bool,
    list: String,
    after: Option<Position>,
}

impl Asked {
    /// 400 for a limit outside 1..200, an unknown sort, and a cursor that this list did not give
    /// out. The first sort is the default.
    pub fn of(world: &World, call: &Call, sorts: &[&str]) -> Result<Self, Refusal> {
        let refused = || Refusal::of(400, "invalid_parameter");
        let limit = call.asked_as::<usize>("limit")?.unwrap_or(50);
        let count = call.asked_as::<bool>("count")?.unwrap_or(false);
        let wanted = call.asked("sort").unwrap_or(sorts[0]).to_owned();
        let field = wanted.trim_start_matches('-').to_owned();
        let known = sorts.iter().any(|sort| sort.trim_start_matches('-') == field);
        let filters: Vec<_> = call
            .query
            .iter()
            .filter(|(name, _)| !["limit", "cursor", "sort", "count"].contains(name))
            .collect();
        let list = format!("{} {:?} {filters:?} {wanted}", call.operation.id, call.args);
        let cursor = call
            .asked("cursor")
            .map(|cursor| world.cursors.get(cursor).cloned().ok_or_else(refused))
            .transpose()?;
        if !(1..=200).contains(&limit)
            || !known
            || cursor.as_ref().is_some_and(|position| position.list != list)
        {
            return Err(refused());
        }
        Ok(Self {
            limit,
            count,
            descending: wanted.starts_with('-'),
            sort: field,
            list,
            after: cursor,
        })
    }

    /// The first page of another operation's list at the same path.
    pub fn beginning_of(operation: &str, call: &Call, sort: &str) -> Self {
        let nothing: [&(&str, String); 0] = [];
        let list = format!("{operation} {:?} {nothing:?} {sort}", call.args);
        Self {
            limit: 50,
            count: false,
            sort: sort.to_owned(),
            descending: false,
            list,
            after: None,
        }
    }

    pub fn page(&self, mut rows: Vec<Row>) -> Outcome {
        let total = self.count.then_some(rows.len());
        rows.sort_by(|one, other| (&one.key, one.id).cmp(&(&other.key, other.id)));
        if self.descending {
            rows.reverse();
        }
        if let Some(Position { key, id, .. }) = &self.after {
            rows.retain(|row| {
                if self.descending {
                    (&row.key, row.id) < (key, *id)
                } else {
                    (&row.key, row.id) > (key, *id)
                }
            });
        }
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| more);
        let next =
            last.map(|row| Position { list: self.list.clone(), key: row.key.clone(), id: row.id });
        let page = Page { items: rows.into_iter().map(|row| row.value).collect(), total, next };
        Ok(Reply { status: 200, body: Value::Null, page: Some(page) })
    }
}
