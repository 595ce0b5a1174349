//! Log lines as JSON: one flat object a line, so that whoever searches by `request_id` need not
//! know which fields come from the request and which from the line.

use std::fmt;

use serde_json::{Map, Value};
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
        let mut own = read(&own);
        let message = own.remove("message").unwrap_or_default();
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            if let Some(known) = span.extensions().get::<FormattedFields<JsonFields>>() {
                fields.extend(read(known));
            }
        }
        fields.extend(own);
        let about = event.metadata();
        let (time, level, target) =
            (Value::from(time), Value::from(about.level().as_str()), Value::from(about.target()));
        write!(
            writer,
            r#"{{"timestamp":{time},"level":{level},"message":{message},"target":{target}"#
        )?;
        for (name, value) in fields
            .iter()
            .filter(|(name, _)| !["timestamp", "level", "target"].contains(&name.as_str()))
        {
            write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(writer, "}}")
    }
}

/// What the subscriber keeps of fields is the text of a JSON object.
fn read(fields: &str) -> Map<String, Value> {
    serde_json::from_str(fields).unwrap_or_default()
}
