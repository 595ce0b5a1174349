//! Log lines as JSON: one flat object a line, so that whoever searches by `request_id` need not
//! know which fields come from the request and which from the line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// Time, level and message first; then what is known of the request, and what the line itself
/// tells.
#[derive(Debug)]
pub(super) struct Flat;

impl<S> FormatEvent<S, JsonFields> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut own = String::new();
        context.format_fields(Writer::new(&mut own), event)?;
        let spans = context.event_scope().into_iter().flat_map(Scope::from_root);
        let known: Vec<String> = spans
            .filter_map(|span| {
                Some(span.extensions().get::<FormattedFields<JsonFields>>()?.fields.clone())
            })
            .collect();
        let mut fields = Fields::new();
        for of_one in known.iter().chain([&own]) {
            fields.extend(read(of_one));
        }
        let message = fields.remove("message").map_or("null", RawValue::get);
        let about = event.metadata();
        let (level, target) = (about.level(), Value::from(about.target()));
        write!(
            writer,
            r#"{{"timestamp":"{time}","level":"{level}","message":{message},"target":{target}"#
        )?;
        for (name, value) in fields
            .iter()
            .filter(|(name, _)| !["timestamp", "level", "target"].contains(&name.as_ref()))
        {
            write!(writer, ",{}:{value}", Value::from(name.as_ref()))?;
        }
        writeln!(writer, "}}")
    }
}

/// Values as they were written.
type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What the subscriber keeps of fields is the text of a JSON object.
fn read(fields: &str) -> Fields<'_> {
    serde_json::from_str(fields).unwrap_or_default()
}
