//! The pages that the `type` of a problem leads to.

use std::fmt::Write as _;

use super::Code;

/// The page of a code; none for a text that is no code.
pub(crate) fn page(name: &str) -> Option<String> {
    let about = Code::named(name)?.about();
    let status = about.status.as_u16();
    let body = format!(
        "<p><code>{}</code>, status {status}</p>\n<p>{}</p>\n<p><a href=\"/problems\">All problems</a></p>",
        about.code, about.remedy
    );
    Some(document(about.title, &body))
}

/// The list of all codes.
pub(crate) fn index() -> String {
    let mut rows = String::new();
    for code in Code::ALL {
        let about = code.about();
        let status = about.status.as_u16();
        // Writing to a string cannot fail.
        let _ = writeln!(
            rows,
            "<tr><td>{status}</td><td><a href=\"/problems/{0}\"><code>{0}</code></a></td><td>{1}</td><td>{2}</td></tr>",
            about.code, about.title, about.remedy
        );
    }
    let head = "<tr><th>Status</th><th>Code</th><th>Problem</th><th>What to do</th></tr>";
    document("Problems", &format!("<table>\n{head}\n{rows}</table>"))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{title} · Carillon</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )
}

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0}\
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8cf}}";
