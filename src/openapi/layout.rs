//! The document as text: whatever fits on a line stands on one, so that a change of it shows as the
//! lines that it concerns.

/// The longest line, unless it cannot be shorter.
const WIDTH: usize = 100;

/// Lays out JSON that was written without spaces.
pub(super) fn laid_out(compact: &str) -> String {
    let mut text = String::with_capacity(compact.len() * 3 / 2);
    write(&mut text, compact, 0, WIDTH);
    text.push('\n');
    text
}

/// Writes a value; `room` is what is left of the line.
fn write(text: &mut String, value: &str, depth: usize, room: usize) {
    let parts = parts(value);
    if parts.is_empty() {
        text.push_str(value);
        return;
    }
    if value.len() <= room {
        let line = on_one_line(value);
        if line.chars().count() <= room {
            text.push_str(&line);
            return;
        }
    }
    text.push_str(&value[..1]);
    for (index, part) in parts.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(depth + 1));
        let (name, value) = named(part);
        let before = if name.is_empty() { String::new() } else { format!("{name}: ") };
        text.push_str(&before);
        // A comma may follow.
        let room = WIDTH.saturating_sub(depth + 2 + before.chars().count());
        write(text, value, depth + 1, room);
    }
    text.push('\n');
    text.push_str(&" ".repeat(depth));
    text.push_str(&value[value.len() - 1..]);
}

fn on_one_line(value: &str) -> String {
    let parts: Vec<String> = parts(value)
        .into_iter()
        .map(|part| match named(part) {
            ("", value) => on_one_line(value),
            (name, value) => format!("{name}: {}", on_one_line(value)),
        })
        .collect();
    match (parts.join(", "), value.chars().next()) {
        (parts, _) if parts.is_empty() => value.to_owned(),
        (parts, Some('{')) => format!("{{ {parts} }}"),
        (parts, _) => format!("[{parts}]"),
    }
}

/// The members of an object or the items of an array; none of anything else.
fn parts(value: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    if !value.starts_with(['{', '[']) || value.len() == 2 {
        return parts;
    }
    let (mut from, mut depth, mut quoted, mut escaped) = (1, 0_usize, false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 1 => {
                parts.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[from..value.len() - 1]);
    parts
}

/// A member's name, in quotes, and its value; an item has no name.
fn named(part: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = part.bytes().enumerate().skip(1).find(|(_, byte)| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    match end {
        Some((end, _)) if part.starts_with('"') && part[end + 1..].starts_with(':') => {
            (&part[..=end], &part[end + 2..])
        }
        _ => ("", part),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_fits_on_a_line_stands_on_one() {
        let value = json!({
            "a": { "$ref": "#/b" }, "empty": [{}, []], "quoted": "say \"{,}\": \\",
            "long": ["x".repeat(60), "y".repeat(60)],
        });
        let expected = format!(
            "{{\n \"a\": {{ \"$ref\": \"#/b\" }},\n \"empty\": [{{}}, []],\n \"long\": [\n  \
             \"{}\",\n  \"{}\"\n ],\n \"quoted\": \"say \\\"{{,}}\\\": \\\\\"\n}}\n",
            "x".repeat(60),
            "y".repeat(60)
        );
        assert_eq!(laid_out(&value.to_string()), expected);
    }

    #[test]
    fn it_is_the_same_document() {
        let value = json!({ "lines": ["é".repeat(99), "é".repeat(9)], "none": null, "one": 1.5 });
        let text = laid_out(&value.to_string());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
