//! Which contexts still name our user once it is taken out.
//!
//! Implements tools.md, section 4.

use super::super::journal::Options;
use super::super::yaml::{self, Node};
use super::name;
use crate::report::printable;

/// What a person should know of a kubeconfig out of which our user was taken: contexts that they gave it.
pub(super) fn left(options: &Options, text: &str) -> Option<String> {
    let (name, root) = (name(options), yaml::parse(text).ok()?);
    let items = |of: &str| root.get(of).map_or(&[][..], Node::items);
    let name_of = |item: &Node| item.get("name").and_then(Node::as_text).map(printable);
    if items("users")
        .iter()
        .any(|user| user.get("name").and_then(Node::as_text) == Some(&name))
    {
        return None;
    }
    let is_left = |context: &&Node| {
        let user = context.get("context").and_then(|context| context.get("user"));
        user.and_then(Node::as_text) == Some(&name)
    };
    let contexts: Vec<String> = items("contexts").iter().filter(is_left).filter_map(name_of).collect();
    (!contexts.is_empty()).then(|| {
        format!(
            "the user `{name}` is gone, and these contexts have it still: `{}`; give each another with `kubectl config \
             set-context CONTEXT --user=USER`",
            contexts.join("`, `")
        )
    })
}
