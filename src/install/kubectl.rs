//! kubectl and everything else that reads a kubeconfig: a user that runs keyfob, and the current context with it.
//!
//! Implements tools.md, section 4.

mod left;
mod version;

use std::path::PathBuf;

use super::format::Format;
use super::journal::Options;
use super::wiring::Wiring;
use super::yaml::{self, Kind, Node};
use super::{Apart, Tool};
use crate::error::{Error, Result};
use crate::report::printable;

pub(super) const KUBECTL: Tool = Tool {
    name: "kubectl",
    title: "kubectl, helm, k9s: users of a kubeconfig",
    programs: &["kubectl", "helm", "k9s"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Name(name),
    plan,
    left: Some(left::left),
};

/// What our user is called.
fn name(options: &Options) -> String {
    match (&options.name, &options.profile) {
        (Some(name), _) => name.clone(),
        (None, Some(profile)) => format!("keyfob-{profile}"),
        (None, None) => "keyfob".into(),
    }
}

fn plan(wiring: &mut Wiring) -> Result<()> {
    let Place { path, current } = place(wiring)?;
    let name = name(wiring.options);
    let mut args = vec!["kubectl".to_owned()];
    args.extend(wiring.options.profile.clone());
    let edit = Edit {
        name: &name,
        command: wiring.keyfob()?,
        args: &args,
        replace: wiring.options.replace,
        api: version::api(wiring.world),
        current: current.as_deref(),
    };
    let mut used = Used::Now;
    wiring.edit_as(Format::Yaml, &path, |text| {
        let (after, found) = edit.of(text)?;
        used = found;
        Ok(after)
    })?;
    let current = printable(current.as_deref().unwrap_or_default());
    let note = match used {
        Used::Now => return Ok(()),
        Used::Another => format!(
            "the current context keeps its own user; `kubectl config set-context --current --user={name}` or `--replace` changes that"
        ),
        Used::Elsewhere => format!("the context `{current}`, which is current, is not one of those that ask keyfob"),
        Used::Never if current.is_empty() => format!(
            "no context is current, so that nothing asks keyfob yet: for each that is to, run `kubectl config set-context \
             CONTEXT --user={name}`, with `--cluster` where it is new, then `kubectl config use-context CONTEXT`"
        ),
        Used::Never => format!(
            "the current context `{current}` is in no kubeconfig, so that nothing asks keyfob yet: run `kubectl config \
             set-context {current} --cluster=CLUSTER --user={name}`"
        ),
    };
    wiring.notes.push(note);
    Ok(())
}

/// Where a user of ours has to be, and the context that is to have it.
struct Place {
    path: PathBuf,
    current: Option<String>,
}

/// Of several files the first one that says it wins, for the current context and for each name. Our user goes where that
/// context is; else to the file that names it, else to the first that is there, else to the first.
fn place(wiring: &Wiring) -> Result<Place> {
    let Some(list) = wiring.world.var_os("KUBECONFIG").filter(|list| !list.is_empty()) else {
        let path = wiring.home()?.join(".kube/config");
        let current = current(&yaml::parse(&wiring.text(&path)?).unwrap_or_else(|_| Node::text("")));
        return Ok(Place { path, current });
    };
    let mut paths: Vec<PathBuf> = std::env::split_paths(&list).collect();
    paths.retain(|path| path.is_absolute());
    let first = paths.first().cloned();
    let first = first.ok_or_else(|| Error::usage("the variable `KUBECONFIG` names no absolute path"))?;
    paths.retain(|path| wiring.exists(path));
    let mut files = Vec::new();
    for path in paths {
        let root = yaml::parse(&wiring.text(&path)?)?;
        files.push((path, root));
    }
    let named = files.iter().find_map(|(path, root)| Some((path, current(root)?)));
    let current = named.as_ref().map(|(_, current)| current.clone());
    let has = |(_, root): &&(PathBuf, Node)| current.as_ref().is_some_and(|name| context(root, name).is_some());
    let path = files.iter().find(has).map(|(path, _)| path);
    let path = path
        .or(named.map(|(path, _)| path))
        .or(files.first().map(|(path, _)| path));
    Ok(Place {
        path: path.cloned().unwrap_or(first),
        current,
    })
}

/// The current context that a file names.
fn current(root: &Node) -> Option<String> {
    let name = root.get("current-context").and_then(Node::as_text);
    name.filter(|name| !name.is_empty()).map(String::from)
}

/// Where among the contexts of a file one of this name is.
fn context(root: &Node, name: &str) -> Option<usize> {
    let contexts = root.get("contexts").map_or(&[][..], Node::items);
    contexts
        .iter()
        .position(|context| context.get("name").and_then(Node::as_text) == Some(name))
}

/// Which contexts of a file use our user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Used {
    /// The current one.
    Now,
    /// The current one has another, which it keeps.
    Another,
    /// Others than the current one.
    Elsewhere,
    /// None: the file has no current one.
    Never,
}

/// What is changed in a kubeconfig.
struct Edit<'a> {
    name: &'a str,
    command: &'a str,
    args: &'a [String],
    replace: bool,
    api: &'a str,
    /// The current context, which may be in another file.
    current: Option<&'a str>,
}

impl Edit<'_> {
    /// The changed text, and which contexts then use our user.
    fn of(&self, text: &str) -> Result<(String, Used)> {
        let root = yaml::parse(text)?;
        let old = root.get("users").map_or(&[][..], Node::items);
        let has = old
            .iter()
            .find(|user| user.get("name").and_then(Node::as_text) == Some(self.name));
        let mut expected = root.clone();
        let mut after = text.to_owned();
        if let Some(found) = has {
            if !says_the_same(found, &self.user()) {
                let error = Error::refused(format!(
                    "there is a user `{}` already, which is not keyfob's",
                    self.name
                ));
                return Err(error.hint("give ours another name with `--name`"));
            }
        } else {
            after = self.with_user(text, &root)?;
            self.expect_user(&mut expected, root.is_flow(text))?;
        }
        let (after, used) = self.with_context(after, &mut expected)?;
        if yaml::parse(&after)? != expected {
            return Err(Error::failure(
                "it cannot be changed without changing more than was asked",
            ));
        }
        Ok((after, used))
    }

    /// The text with our user in it.
    fn with_user(&self, text: &str, root: &Node) -> Result<String> {
        if root.is_nothing() && !root.is_flow(text) {
            let end = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            return Ok(format!(
                "{text}{end}apiVersion: v1\nkind: Config\nusers:\n{}",
                self.block("")
            ));
        }
        let Some(users) = root.get("users") else {
            let Kind::Mapping(pairs) = &root.kind else {
                return Err(Error::usage("expected a mapping, found something else"));
            };
            if root.is_flow(text) {
                let comma = if pairs.is_empty() { "" } else { ", " };
                let member = format!("{comma}\"users\": [{}]", self.flow());
                return Ok(inserted(text, root.end(text) - 1, &member));
            }
            let at = after_line(text, root.end(text));
            return Ok(lines_inserted(text, at, &format!("users:\n{}", self.block(""))));
        };
        if users.is_flow(text) && !users.is_nothing() {
            // Behind the last item, so that a comment before the bracket stays there.
            let last = users
                .items()
                .last()
                .map_or(users.place.start + 1, |item| item.end(text));
            return Ok(inserted(text, last, &format!(", {}", self.flow())));
        }
        if root.is_flow(text) {
            let place = users.place.clone();
            return Ok(format!(
                "{}[{}]{}",
                &text[..place.start],
                self.flow(),
                &text[place.end..]
            ));
        }
        if users.is_nothing() {
            let place = users.place.clone();
            let without = format!("{}{}", text[..place.start].trim_end_matches(' '), &text[place.end..]);
            let at = after_line(&without, place.start.min(without.len()).saturating_sub(1));
            return Ok(lines_inserted(&without, at, &self.block("")));
        }
        let first = users.items().first().map_or(users.place.start, |item| item.place.start);
        let line = &text[text[..first].rfind('\n').map_or(0, |at| at + 1)..first];
        let margin = &line[..line.len() - line.trim_start().len()];
        Ok(lines_inserted(
            text,
            after_line(text, users.end(text)),
            &self.block(margin),
        ))
    }

    /// The text with our user in the current context, where that has none or may lose it.
    fn with_context(&self, text: String, expected: &mut Node) -> Result<(String, Used)> {
        let root = yaml::parse(&text)?;
        let contexts = root.get("contexts").map_or(&[][..], Node::items);
        let user_of = |context: &Node| {
            context
                .get("context")
                .and_then(|context| context.get("user")?.as_text().map(String::from))
        };
        let is_used = contexts
            .iter()
            .any(|context| user_of(context).as_deref() == Some(self.name));
        let unused = if is_used { Used::Elsewhere } else { Used::Never };
        let at = self.current.and_then(|current| context(&root, current));
        let Some(at) = at else { return Ok((text, unused)) };
        let Some(context) = contexts[at].get("context") else {
            return Ok((text, unused));
        };
        let user = context.get("user");
        if user.and_then(Node::as_text) == Some(self.name) {
            return Ok((text, Used::Now));
        }
        if user.is_some_and(|user| !user.is_nothing()) && !self.replace {
            return Ok((text, if is_used { Used::Elsewhere } else { Used::Another }));
        }
        let name = scalar(self.name);
        let after = match (user, &context.kind) {
            (Some(user), _) => {
                let (before, rest) = (&text[..user.place.start], &text[user.place.end..]);
                let space = if before.ends_with(':') { " " } else { "" };
                format!("{before}{space}{name}{rest}")
            }
            (None, Kind::Mapping(pairs)) if !pairs.is_empty() => {
                let first = pairs[0].0.place.start;
                let begin = text[..first].rfind('\n').map_or(0, |at| at + 1);
                let next = if context.is_flow(&text) {
                    ", ".to_owned()
                } else {
                    format!("\n{}", " ".repeat(text[begin..first].chars().count()))
                };
                inserted(&text, first, &format!("\"user\": {name}{next}"))
            }
            _ => return Ok((text, unused)),
        };
        if let Some(Kind::Sequence(contexts)) = expected.slot("contexts").map(|node| &mut node.kind)
            && let Some(slot) = contexts[at].slot("context").and_then(|context| context.slot("user"))
        {
            *slot = Node::text(self.name);
            if user.is_none()
                && let Some(Kind::Mapping(pairs)) = contexts[at].slot("context").map(|node| &mut node.kind)
            {
                pairs.rotate_right(1);
            }
        }
        Ok((after, Used::Now))
    }

    fn expect_user(&self, expected: &mut Node, is_flow: bool) -> Result<()> {
        if expected.is_nothing() && !is_flow {
            expected.kind = Kind::Mapping(vec![
                (Node::text("apiVersion"), Node::text("v1")),
                (Node::text("kind"), Node::text("Config")),
            ]);
        }
        let slot = expected.slot("users");
        let slot = slot.ok_or_else(|| Error::usage("expected a mapping, found something else"))?;
        if slot.is_nothing() {
            slot.kind = Kind::Sequence(Vec::new());
        }
        match &mut slot.kind {
            Kind::Sequence(items) => {
                items.push(self.user());
                Ok(())
            }
            _ => Err(Error::usage("`users` is no list")),
        }
    }

    /// Our user as it will be read.
    fn user(&self) -> Node {
        let map = |pairs: Vec<(&str, Node)>| {
            let pairs = pairs.into_iter().map(|(name, value)| (Node::text(name), value));
            Node::new(Kind::Mapping(pairs.collect()), 0..0)
        };
        let args = self.args.iter().map(|arg| Node::text(arg)).collect();
        let exec = map(vec![
            ("apiVersion", Node::text(self.api)),
            ("command", Node::text(self.command)),
            ("args", Node::new(Kind::Sequence(args), 0..0)),
            ("interactiveMode", Node::text("Never")),
            ("provideClusterInfo", Node::text("true")),
        ]);
        map(vec![
            ("name", Node::text(self.name)),
            ("user", map(vec![("exec", exec)])),
        ])
    }

    /// Our user as an item of a list in lines.
    fn block(&self, margin: &str) -> String {
        let args: Vec<String> = self.args.iter().map(|arg| scalar(arg)).collect();
        let lines = [
            format!("- name: {}", scalar(self.name)),
            "  user:".into(),
            "    exec:".into(),
            format!("      apiVersion: {}", self.api),
            format!("      command: {}", scalar(self.command)),
            format!("      args: [{}]", args.join(", ")),
            "      interactiveMode: Never".into(),
            "      provideClusterInfo: true".into(),
        ];
        lines.iter().map(|line| format!("{margin}{line}\n")).collect()
    }

    /// Our user between brackets.
    fn flow(&self) -> String {
        let args: Vec<String> = self.args.iter().map(|arg| scalar(arg)).collect();
        format!(
            "{{\"name\": {}, \"user\": {{\"exec\": {{\"apiVersion\": \"{}\", \"command\": {}, \"args\": [{}], \
             \"interactiveMode\": \"Never\", \"provideClusterInfo\": true}}}}}}",
            scalar(self.name),
            self.api,
            scalar(self.command),
            args.join(", ")
        )
    }
}

/// Whether what was found says what ours does, in whatever order, and besides nothing: kubectl writes names without a
/// value.
fn says_the_same(found: &Node, ours: &Node) -> bool {
    let (Kind::Mapping(pairs), Kind::Mapping(wanted)) = (&found.kind, &ours.kind) else {
        return found == ours;
    };
    let has = |(name, value): &(Node, Node)| {
        let found = name.as_text().and_then(|name| found.get(name));
        found.is_some_and(|found| says_the_same(found, value))
    };
    let is_known = |name: &Node| name.as_text().is_some_and(|name| ours.get(name).is_some());
    wanted.iter().all(has) && pairs.iter().all(|(name, value)| value.is_nothing() || is_known(name))
}

/// A text in double quotes, which YAML and JSON read alike.
fn scalar(text: &str) -> String {
    serde_json::Value::String(text.into()).to_string()
}

fn inserted(text: &str, at: usize, more: &str) -> String {
    format!("{}{more}{}", &text[..at], &text[at..])
}

/// Where the next line begins after this place; at the place itself where a line begins there already.
fn after_line(text: &str, at: usize) -> usize {
    if text[..at].ends_with('\n') {
        return at;
    }
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// Lines inserted where a line begins, or after a last line without an end.
fn lines_inserted(text: &str, at: usize, lines: &str) -> String {
    let end = if at == 0 || text[..at].ends_with('\n') {
        ""
    } else {
        "\n"
    };
    inserted(text, at, &format!("{end}{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, replace: bool) -> (String, Used) {
        let args = ["kubectl".to_owned(), "acme".to_owned()];
        let edit = Edit {
            name: "keyfob-acme",
            command: "/bin/keyfob",
            args: &args,
            replace,
            api: version::API,
            current: Some("c"),
        };
        let (after, other) = edit.of(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(edit.of(&after).unwrap().0, after, "the same again changes nothing");
        (after, other)
    }

    #[test]
    fn a_user_is_added_in_every_form() {
        for text in [
            "",
            "# c\n",
            "apiVersion: v1\nkind: Config\n",
            "apiVersion: v1",
            "users: []\nkind: Config\n",
            "users: null # c\nkind: Config\n",
            "users:\nkind: Config\n",
            "users: # c\n- name: a\n  user:\n    token: canary # d\n# e\nkind: Config # f\n",
            "users:\n  - name: a\n    user: {}\n\n# e\nkind: Config",
            "kind: Config\nusers:\n- name: a\n  user:\n    data: |\n      x\n      y\n",
            "users: [ {name: a, user: {}} ]\n",
            "users: [\n  {name: a} # c\n  ]\n",
            "{}",
            "{\"kind\": \"Config\"}",
            "{\"kind\": \"Config\", \"users\": []}\n",
            "{\"users\": [{\"name\": \"a\"}], \"kind\": \"Config\"}",
            "---\nkind: Config\n...\n",
            "kind: Config\n---\nkind: Other\n",
        ] {
            let (after, _) = edited(text, false);
            assert!(after.contains("/bin/keyfob"), "{text:?}: {after}");
            for comment in ["# c", "# d", "# e", "# f"] {
                assert_eq!(text.matches(comment).count(), after.matches(comment).count(), "{after}");
            }
        }
    }

    #[test]
    fn the_current_context_gets_it_where_it_has_none_or_may_lose_it() {
        let text = |user: &str| {
            format!("contexts:\n- name: c\n  context:\n    cluster: x\n{user}current-context: c\nusers: []\n")
        };
        assert!(
            edited(&text(""), false)
                .0
                .contains("    \"user\": \"keyfob-acme\"\n    cluster: x\n")
        );
        let (after, other) = edited(&text("    user: ann # mine\n"), false);
        assert!(after.contains("user: ann # mine\n") && other == Used::Another);
        let (after, other) = edited(&text("    user: ann # mine\n"), true);
        assert!(after.contains("user: \"keyfob-acme\" # mine\n") && other == Used::Now);
        let flow = "{contexts: [{name: c, context: {cluster: x}}], current-context: c}";
        assert!(
            edited(flow, false)
                .0
                .contains("{\"user\": \"keyfob-acme\", cluster: x}")
        );
    }

    #[test]
    fn a_user_of_somebody_else_is_left_alone() {
        let edit = Edit {
            name: "a",
            command: "/bin/keyfob",
            args: &[],
            replace: true,
            api: version::API,
            current: None,
        };
        assert!(edit.of("users:\n- name: a\n  user: {token: canary}\n").is_err());
        let more = "users:\n- name: a\n  user:\n    exec:\n      command: /bin/keyfob\n      args: []\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      provideClusterInfo: true\n      env: null\n";
        assert_eq!(edit.of(more).unwrap().0, more, "kubectl wrote it anew");
        let more = more.replace("env: null", "env: [{name: PATH, value: canary}]");
        assert!(edit.of(&more).is_err());
        assert!(edit.of("users: canary\n").is_err() && edit.of("- a\n").is_err());
    }
}
