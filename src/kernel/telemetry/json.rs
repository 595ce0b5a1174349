//! Log lines as JSON: one flat object a line, so that whoever searches by `request_id` need not
//! know which fields come from the request and which from the line.
//!
//! Every request has such a line. So fields are kept as they are written there, as members of the
//! object with a comma before each, and a line is put together without reading any of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write};
use std::io;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

const MESSAGE: &str = "message";
/// What has a place of its own in each line, so that no other field may be called so.
const OWN: [&str; 4] = ["timestamp", "level", MESSAGE, "target"];

/// Time, level and message first; then what is known of the request, and what the line itself
/// tells.
#[derive(Debug)]
pub(super) struct Flat;

impl<S> FormatEvent<S, Members> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        writer.write_str(r#"{"timestamp":""#)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, r#"","level":"{}","message":"#, about.level())?;
        let mut message = Message { writer: writer.by_ref(), written: None };
        event.record(&mut message);
        message.written.unwrap_or_else(|| writer.write_str("null"))?;
        writer.write_str(r#","target":"#)?;
        write_value(&mut writer, about.target())?;

        let mut spans = context.event_scope().into_iter().flat_map(Scope::from_root);
        let (request, inner) = (spans.next(), spans.next());
        let is_told_of_request = |own: &Field| {
            let mut known = request.iter().flat_map(|span| span.metadata().fields());
            known.any(|field| name_of(&field) == name_of(own))
        };
        let may_repeat = inner.is_some() || event.fields().any(|own| is_told_of_request(&own));
        let mut known = String::new();
        for span in [request, inner].into_iter().flatten().chain(spans) {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<Members>>() else { continue };
            if may_repeat {
                known.push_str(&fields.fields);
            } else {
                writer.write_str(&fields.fields)?;
            }
        }
        if may_repeat {
            Members.format_fields(Writer::new(&mut known), event)?;
            writer.write_str(&each_name_once(&known)?)?;
        } else {
            Members.format_fields(writer.by_ref(), event)?;
        }
        writer.write_str("}\n")
    }
}

/// Fields as members of a JSON object, a comma before each.
#[derive(Debug)]
pub(super) struct Members;

impl<'w> FormatFields<'w> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Written { writer, so_far: Ok(()) };
        fields.record(&mut members);
        members.so_far
    }
    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut known = Known { members: &current.fields, some: false };
        fields.record(&mut known);
        let is_repeated = known.some;
        self.format_fields(current.as_writer(), fields)?;
        if is_repeated {
            current.fields = each_name_once(&current.fields)?;
        }
        Ok(())
    }
}

/// Whether some field is among the members already.
struct Known<'a> {
    members: &'a str,
    some: bool,
}

impl Visit for Known<'_> {
    fn record_debug(&mut self, field: &Field, _: &dyn Debug) {
        // Within a value the quotes would be escaped.
        self.some |= self.members.contains(&format!(",\"{}\":", name_of(field)));
    }
}

/// What is called as a word of Rust is (`r#type`) is told as that word.
fn name_of(field: &Field) -> &'static str {
    field.name().trim_start_matches("r#")
}

/// Of members with the same name the last: what is nearest to the line.
fn each_name_once(members: &str) -> Result<String, fmt::Error> {
    let object = format!("{{{}}}", members.trim_start_matches(','));
    let values: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(&object).map_err(|_| fmt::Error)?;
    let mut once = String::new();
    for (name, value) in values {
        write_member(&mut once, &name, value)?;
    }
    Ok(once)
}

fn write_member(writer: &mut impl Write, name: &str, value: impl Serialize) -> fmt::Result {
    writer.write_char(',')?;
    write_value(writer, name)?;
    writer.write_char(':')?;
    write_value(writer, value)
}

fn write_value(writer: &mut impl Write, value: impl Serialize) -> fmt::Result {
    serde_json::to_writer(Bytes(writer), &value).map_err(|_| fmt::Error)
}

/// What JSON is written to, as bytes.
struct Bytes<'a, W>(&'a mut W);

impl<W: Write> io::Write for Bytes<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whatever has no form in JSON.
struct AsText<'a>(&'a dyn Debug);

impl Serialize for AsText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.0))
    }
}

struct Written<'w> {
    writer: Writer<'w>,
    so_far: fmt::Result,
}

impl Written<'_> {
    fn member(&mut self, field: &Field, value: impl Serialize) {
        let name = name_of(field);
        if self.so_far.is_ok() && !OWN.contains(&name) {
            self.so_far = write_member(&mut self.writer, name, value);
        }
    }
}

impl Visit for Written<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Where a line that was written with the crate `log` comes from.
        if !field.name().starts_with("log.") {
            self.member(field, AsText(value));
        }
    }
}

/// The message alone.
struct Message<'w> {
    writer: Writer<'w>,
    written: Option<fmt::Result>,
}

impl Message<'_> {
    /// Once, whatever is called so besides.
    fn tell(&mut self, field: &Field, value: impl Serialize) {
        if field.name() == MESSAGE && self.written.is_none() {
            self.written = Some(write_value(&mut self.writer, value));
        }
    }
}

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.tell(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.tell(field, AsText(value));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::field::Empty;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::kernel::telemetry::{Look, lines};

    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What each line tells beside its time. That no name is told twice shows in their number.
    fn told(by: impl FnOnce()) -> Vec<Value> {
        let written = Lines::default();
        let subscriber = lines(Look::Json, "info", written.clone());
        tracing::dispatcher::with_default(&subscriber, by);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let line = |line: &str| {
            let mut told: Value = serde_json::from_str(line).unwrap();
            let object = told.as_object_mut().unwrap();
            assert!(object.remove("timestamp").unwrap().as_str().unwrap().ends_with('Z'), "{line}");
            // Quotes within values are escaped; the time was before all others.
            assert_eq!(line.matches(",\"").count(), object.len(), "{line}");
            told
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn values_are_what_they_are() {
        let nasty = "\"quoted\"\n\u{1b}[31m \u{202e}ä";
        let lines = told(|| {
            tracing::info!(target: "t", text = nasty, number = 1_u16, below = -1, share = 0.5,
                none = f64::NAN, yes = true, shown = %nasty, looked = ?nasty, r#type = "word",
                absent = Option::<u8>::None, "told {}", nasty);
            tracing::warn!(target: "t", level = "mine", timestamp = 1, target = 2);
        });
        let expected = [
            json!({ "level": "INFO", "message": format!("told {nasty}"), "target": "t",
                "text": nasty, "number": 1, "below": -1, "share": 0.5, "none": null, "yes": true,
                "shown": nasty, "looked": format!("{nasty:?}"), "type": "word" }),
            json!({ "level": "WARN", "message": null, "target": "t" }),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn each_name_is_told_once_by_what_is_nearest() {
        let lines = told(|| {
            let request = tracing::info_span!("request", who = "a", place = Empty, r#type = 1);
            let request = request.entered();
            request.record("place", "there");
            tracing::info!(target: "t", own = 2, "one");
            tracing::info!(target: "t", who = "b", r#type = 1, "two");
            let _inner = tracing::info_span!("inner", who = "c").entered();
            tracing::info!(target: "t", "three");
        });
        let line = |message: &str, who: &str| {
            json!({ "level": "INFO", "message": message, "target": "t", "who": who,
                "place": "there", "type": 1 })
        };
        let mut one = line("one", "a");
        one["own"] = json!(2);
        assert_eq!(lines, [one, line("two", "b"), line("three", "c")]);
    }

    #[test]
    fn what_is_noted_again_of_a_request_is_told_as_it_was_last() {
        let lines = told(|| {
            let request = tracing::info_span!("request", place = Empty).entered();
            request.record("place", "here");
            request.record("place", "there, \"place\":");
            tracing::info!(target: "t", "one");
        });
        assert_eq!(lines[0]["place"], json!("there, \"place\":"));
    }
}
