//! The places of a provider file with a mistake: it holds them, and answers nothing there.
//!
//! Without that a slip of the pen would hand a place to a wider claim of another provider, or to an old password. It is
//! read as leniently as can be, since nothing but a refusal follows: what is no TOML line by line, each by itself. What
//! cannot be read even so is not held: a file that is empty, no file or too long, a line that breaks off within its URL,
//! a URL that names no place.

use toml::{Table, Value};

use super::disk::Stamp;
use super::index::Claim;
use super::{instance, preset, provider};
use crate::target::Target;

/// The claims by which the file of this name holds its places.
pub(super) fn claims(text: &str, name: &str, stamp: Stamp) -> Vec<Claim> {
    let documents = match toml::from_str::<Table>(text) {
        Ok(whole) => vec![whole],
        Err(_) => fragments(text),
    };
    let mut rows: Vec<Table> = documents.iter().flat_map(rows).collect();
    if rows.is_empty() {
        rows = of_preset(&documents).iter().flat_map(self::rows).collect();
    }
    let claims = rows.iter().filter_map(|row| claim(row, name, stamp));
    claims.collect()
}

/// The lines that are TOML by themselves, each a document with the header that it stands below.
fn fragments(text: &str) -> Vec<Table> {
    let mut header = "";
    let mut documents = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') && !line.split('#').next().unwrap_or_default().contains([',', '=']) {
            header = line;
        } else if line.contains('=') {
            documents.extend(toml::from_str::<Table>(&format!("{header}\n{line}\n")));
        }
    }
    documents
}

/// The targets of a document and of its modes, also where their table is misspelt.
fn rows(document: &Table) -> Vec<Table> {
    let modes = document.get("mode").and_then(Value::as_table);
    let modes = modes.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let tables = std::iter::once(document).chain(modes);
    let values = tables.flatten().flat_map(|(key, value)| match value {
        Value::Array(list) => list.iter().filter_map(Value::as_table).collect(),
        Value::Table(table) if key.starts_with("target") => vec![table],
        _ => Vec::new(),
    });
    values.filter(|row| row.contains_key("url")).cloned().collect()
}

/// The preset that the documents name, with what they tell it of an instance.
fn of_preset(documents: &[Table]) -> Option<Table> {
    let named = documents.iter().find_map(|document| document.get("preset")?.as_str());
    let mut text = preset::find(named?)?.to_owned();
    let usual = toml::from_str::<Table>(&text).ok()?;
    for document in documents.iter().chain([&usual]) {
        let values = document.get("instance").and_then(Value::as_table);
        for (slot, value) in values.into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().trim_end_matches('/');
            text = text.replace(&instance::braced(slot), value);
        }
    }
    toml::from_str(&text).ok()
}

fn claim(row: &Table, name: &str, stamp: Stamp) -> Option<Claim> {
    let url = row.get("url")?.as_str()?.trim();
    let (subdomains, plain) = provider::split_url(url.split(['?', '#']).next()?);
    let (root, _) = Target::from_url_with_user(&plain).ok()?;
    // A mistake such as `*.example` must not hold what no provider file may claim.
    if !provider::is_root(&root, subdomains) {
        return None;
    }
    let tools = row.get("tools").and_then(Value::as_array);
    let tools = tools.and_then(|tools| tools.iter().map(|tool| Some(tool.as_str()?.to_owned())).collect());
    Some(Claim {
        provider: name.into(),
        mode: String::new(),
        default_mode: true,
        keeps: false,
        unattended: false,
        prefix: None,
        root,
        subdomains,
        bearer: false,
        username: None,
        tools: tools.unwrap_or_default(),
        exclusive: false,
        variables: Vec::new(),
        workspace: None,
        hidden: None,
        mistaken: true,
        stamp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> Vec<String> {
        let claims = claims(text, "acme", Stamp::default());
        let url = |claim: &Claim| format!("{}{}", if claim.subdomains { "*" } else { "" }, claim.root);
        claims.iter().map(url).collect()
    }

    #[test]
    fn what_can_be_read_of_a_wrong_file_is_held() {
        const ACME: &str = "[[target]]\nurl = \"https://acme.example\"\n";
        for (text, places) in [
            (format!("{ACME}typo = 1\n"), &["https://acme.example"][..]),
            (format!("title = \"a\n{ACME}"), &["https://acme.example"]),
            (format!("{ACME}[login\nflow = "), &["https://acme.example"]),
            (
                format!("{ACME}{ACME}]"),
                &["https://acme.example", "https://acme.example"],
            ),
            (ACME.replace("target", "targets"), &["https://acme.example"]),
            (ACME.replace("[[target]]", "[target]"), &["https://acme.example"]),
            (
                ACME.replace("[[target]]", "[[mode.dev.target]] # a, b"),
                &["https://acme.example"],
            ),
            (
                ACME.replace("[[target]]", "[[mode.dev.target]]\n="),
                &["https://acme.example"],
            ),
            (ACME.replace("://", "://*."), &["*https://acme.example"]),
            (ACME.replace(".example", ".example/a?b#c"), &["https://acme.example/a"]),
            (ACME.replace("acme.", "ann@acme."), &["https://acme.example"]),
            (
                "preset = \"gitlab\"".into(),
                &["https://gitlab.com", "https://registry.gitlab.com"],
            ),
            (
                "preset = \"forgejo\"\n=\n[instance]\nhost = \"git.acme.example\"\n".into(),
                &["https://git.acme.example"],
            ),
            (format!("preset = \"gitlab\"\n{ACME}"), &["https://acme.example"]),
            // What cannot be read, and what is no target, is not.
            (ACME.replace(".example\"", ""), &[]),
            (ACME.replace("https://acme", "https://*"), &[]),
            (ACME.replace("[[target]]", "[whoami]"), &[]),
            (ACME.replace("[[target]]", "=\n[whoami]"), &[]),
            (ACME.replace("https://acme.example", "acme"), &[]),
            ("preset = \"forgejo\"\n".into(), &[]),
            (String::new(), &[]),
        ] {
            assert_eq!(held(&text), places, "{text}");
        }
    }

    #[test]
    fn the_tools_of_a_target_that_can_be_read_are_the_only_ones_that_it_is_held_for() {
        let row = |tools: &str| format!("[[target]]\nurl = \"https://acme.example\"\ntools = {tools}\n");
        for (tools, read) in [("[\"git\"]", &["git"][..]), ("[\"git\", 3]", &[]), ("\"git\"", &[])] {
            assert_eq!(claims(&row(tools), "acme", Stamp::default())[0].tools, read, "{tools}");
        }
    }
}
