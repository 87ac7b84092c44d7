//! Several at once.

use super::home::Home;
use crate::run::{Output, Running};

#[test]
fn all_tools_at_once_wait_for_each_other() {
    let home = Home::full();
    let before = home.look();
    let at_once = |verb: &str, rest: &[&str]| {
        let tools = ["git", "docker", "cargo", "pip", "uv", "vault"];
        let start = |tool: &&str| home.keyfob(&[&[verb, *tool], rest].concat()).spawn();
        let started: Vec<Running> = tools.iter().map(start).collect();
        let ended: Vec<Output> = started.into_iter().map(Running::wait).collect();
        ended.into_iter().for_each(|output| drop(output.expect_success()));
    };
    at_once("install", &["acme", "--replace"]);
    let list = home.keyfob(&["install", "--list"]).run().expect_success();
    assert_eq!(list.text().matches("  wired").count(), 6, "{}", list.text());
    at_once("uninstall", &[]);
    home.assert_is(&before);
}
