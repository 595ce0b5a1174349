//! What of a schema's change breaks a client. What is sent has to be taken as before, so that the
//! new schema must allow whatever the old one did. What is answered has to be what was told, so
//! that the old one must allow whatever the new one does.

use std::collections::HashSet;

use serde_json::Value;

use super::shape::Shape;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Sent,
    Answered,
    /// As answered; but the list of codes grows with what can be refused, and who does not know one
    /// goes by the status.
    Refused,
}

/// Where, and what.
type Found = (String, String);

pub struct Comparison<'a> {
    documents: (&'a Value, &'a Value),
    direction: Direction,
    /// Schemas that hold themselves are looked at once.
    under_way: HashSet<(*const Value, *const Value)>,
    found: Vec<Found>,
}

impl<'a> Comparison<'a> {
    pub fn new(documents: (&'a Value, &'a Value), direction: Direction) -> Self {
        Self { documents, direction, under_way: HashSet::new(), found: Vec::new() }
    }

    pub fn run(mut self, at: &str, old: &'a Value, new: &'a Value) -> Vec<Found> {
        self.compare(at, old, new);
        self.found
    }

    fn tell(&mut self, at: &str, what: impl Into<String>) {
        self.found.push((at.to_owned(), what.into()));
    }

    fn is_sent(&self) -> bool {
        self.direction == Direction::Sent
    }

    fn compare(&mut self, at: &str, old: &'a Value, new: &'a Value) {
        if !self.under_way.insert((std::ptr::from_ref(old), std::ptr::from_ref(new))) {
            return;
        }
        let (was, is) = (Shape::of(self.documents.0, old), Shape::of(self.documents.1, new));
        self.compare_null(at, &was, &is);
        if !was.choices.is_empty() || !is.choices.is_empty() {
            self.compare_choices(at, old, new, &was, &is);
            return;
        }
        self.compare_kinds(at, &was, &is);
        self.compare_values(at, &was, &is);
        self.compare_limits(at, &was, &is);
        self.compare_members(at, &was, &is);
        if let (Some(old), Some(new)) = (was.items, is.items) {
            self.compare(&format!("{at}/[]"), old, new);
        }
    }

    fn compare_kinds(&mut self, at: &str, was: &Shape, is: &Shape) {
        let (wide, narrow) = if self.is_sent() { (is, was) } else { (was, is) };
        let fits = |kind: &&str| {
            wide.kinds.contains(kind) || (*kind == "integer" && wide.kinds.contains("number"))
        };
        let is_narrowed =
            !wide.kinds.is_empty() && (narrow.is_open() || !narrow.kinds.iter().all(fits));
        if is_narrowed {
            self.tell(at, format!("was {} and is {}", kinds(was), kinds(is)));
        }
    }

    fn compare_null(&mut self, at: &str, was: &Shape, is: &Shape) {
        let (wide, narrow) = if self.is_sent() { (is, was) } else { (was, is) };
        if narrow.nullable && !wide.nullable && !wide.is_open() {
            self.tell(
                at,
                if self.is_sent() { "must not be null any more" } else { "may be null now" },
            );
        }
    }

    /// Each choice of the narrow side is one that the wide side has.
    fn compare_choices(
        &mut self,
        at: &str,
        old: &'a Value,
        new: &'a Value,
        was: &Shape<'a>,
        is: &Shape<'a>,
    ) {
        let of = |shape: &Shape<'a>, whole: &'a Value| {
            if shape.choices.is_empty() { vec![whole] } else { shape.choices.clone() }
        };
        let (olds, news) = (of(was, old), of(is, new));
        let (narrow, wide) = if self.is_sent() { (&olds, &news) } else { (&news, &olds) };
        for (index, choice) in narrow.iter().enumerate() {
            let fits = |other: &&'a Value| {
                let (old, new) = if self.is_sent() { (*choice, *other) } else { (*other, *choice) };
                let mut comparison = Self::new(self.documents, self.direction);
                comparison.under_way.clone_from(&self.under_way);
                comparison.run(at, old, new).is_empty()
            };
            if !wide.iter().any(fits) {
                self.tell(
                    at,
                    format!("has another form as choice {} of {}", index + 1, narrow.len()),
                );
            }
        }
    }

    fn compare_values(&mut self, at: &str, was: &Shape, is: &Shape) {
        if self.direction == Direction::Refused {
            return;
        }
        let (wide, narrow) = if self.is_sent() { (is, was) } else { (was, is) };
        let Some(allowed) = &wide.values else { return };
        match &narrow.values {
            None => self.tell(
                at,
                if self.is_sent() {
                    "takes only some values now"
                } else {
                    "may have any value now"
                },
            ),
            Some(values) => {
                for value in values.iter().filter(|value| !allowed.contains(value)) {
                    let what = if self.is_sent() {
                        "is not taken any more"
                    } else {
                        "may be answered now"
                    };
                    self.tell(at, format!("{value} {what}"));
                }
            }
        }
    }

    /// An answer that is less narrow than it was still goes where it went; one of another format
    /// does not.
    fn compare_limits(&mut self, at: &str, was: &Shape, is: &Shape) {
        let names = was.limits.keys().chain(is.limits.keys());
        let names: std::collections::BTreeSet<&str> = names.copied().collect();
        for name in names {
            let (old, new) = (was.limits.get(name).copied(), is.limits.get(name).copied());
            let breaks = if self.is_sent() {
                is_tighter(name, old, new)
            } else {
                name == "format" && old.is_some() && old != new
            };
            if breaks {
                let said =
                    |limit: Option<&Value>| limit.map_or("none".to_owned(), ToString::to_string);
                self.tell(at, format!("has {name} {} instead of {}", said(new), said(old)));
            }
        }
    }

    fn compare_members(&mut self, at: &str, was: &Shape<'a>, is: &Shape<'a>) {
        for (name, old) in &was.properties {
            let at = format!("{at}/{name}");
            match is.properties.get(name) {
                Some(new) => self.compare(&at, old, new),
                None => self.tell(&at, "is gone"),
            }
        }
        if self.is_sent() {
            is.required.difference(&was.required).for_each(|name| {
                self.found.push((format!("{at}/{name}"), "is required now".into()));
            });
        } else {
            let kept = was
                .required
                .difference(&is.required)
                .filter(|name| is.properties.contains_key(*name));
            kept.for_each(|name| {
                self.found.push((format!("{at}/{name}"), "may be left out now".into()));
            });
        }
        self.compare_others(at, was, is);
    }

    fn compare_others(&mut self, at: &str, was: &Shape<'a>, is: &Shape<'a>) {
        let closed = |others: &Value| *others == false;
        match (was.others, is.others) {
            (Some(old), Some(new)) if !closed(old) && !closed(new) => {
                self.compare(&format!("{at}/*"), old, new);
            }
            (old, Some(new)) if self.is_sent() && !old.is_some_and(closed) && old != Some(new) => {
                self.tell(at, "takes no members of other names any more");
            }
            _ => {}
        }
    }
}

fn kinds(shape: &Shape) -> String {
    let named: Vec<&str> = shape.kinds.iter().copied().collect();
    if named.is_empty() { "anything".to_owned() } else { named.join(" or ") }
}

/// Whether less is taken than before.
fn is_tighter(name: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    let Some(new) = new else { return false };
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    if name.to_lowercase().contains("max") {
        return old.is_none_or(|old| number(new) < number(old));
    }
    if name.to_lowercase().contains("min") {
        // Lengths and counts are never below nothing.
        let least = if name.ends_with("imum") { f64::NEG_INFINITY } else { 0.0 };
        return number(new) > old.map_or(least, number);
    }
    *new != false && old != Some(new)
}
