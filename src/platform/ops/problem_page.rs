//! The page behind a problem's `type`: made from the same list of codes that answers are made from,
//! so that no code is without an explanation.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::kernel::error::Code;

/// No script, no image, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "
body {
  margin: 4rem auto; max-width: 40rem; padding: 0 1.5rem;
  font: 1.0625rem/1.6 system-ui, sans-serif; color: #1c2330; background: #fff;
}
h1 { font-size: 1.75rem; line-height: 1.25; margin: .5rem 0 1.5rem; }
.status { color: #5b6577; font-variant-numeric: tabular-nums; }
code {
  font: .9375em ui-monospace, monospace;
  background: #f0f2f6; padding: .1em .35em; border-radius: .25em;
}
a { color: #1f5fbf; }
ul { columns: 2; padding-left: 1.2rem; font-size: .9375rem; }
@media (max-width: 36rem) { ul { columns: 1; } }
@media (prefers-color-scheme: dark) {
  body { color: #e3e7ee; background: #14181f; }
  .status { color: #9aa5b8; }
  code { background: #232a35; }
  a { color: #8ab4f8; }
}
";

/// The page of a code.
pub(super) fn render(code: Code) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, page(code)).into_response()
}

fn page(code: Code) -> String {
    let (name, title, help) = (escape(&code.name()), escape(code.title()), escape(code.help()));
    let others: String =
        Code::ALL.iter().filter(|other| **other != code).map(|other| link(*other)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Bailiwick</title>\n<style>{STYLE}</style>\n\
         <main>\n<p class=\"status\">{status} · <code>{name}</code></p>\n\
         <h1>{title}</h1>\n<p>{help}</p>\n\
         <p>The <code>detail</code> of the answer says what was wrong this time; its \
         <code>requestId</code> finds it in the operator's log. All operations are in the \
         <a href=\"/docs/\">documentation</a>.</p>\n\
         <details><summary>Other problems</summary>\n<ul>\n{others}</ul>\n</details>\n\
         </main>\n</html>\n",
        status = code.status(),
    )
}

fn link(code: Code) -> String {
    let name = escape(&code.name());
    format!("<li><a href=\"/problems/{name}\"><code>{name}</code></a></li>\n")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_with_its_status_title_and_help() {
        for code in Code::ALL {
            let page = page(*code);
            let help = escape(code.help());
            assert!(
                page.contains(&help)
                    && page.contains(&code.status().to_string())
                    && page.contains(&escape(code.title())),
                "{page}"
            );
        }
    }

    #[test]
    fn text_does_not_become_markup() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert!(page(Code::Unauthenticated).contains("Bearer &lt;access token&gt;"));
    }
}
