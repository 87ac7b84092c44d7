//! Another address of the same service, by a variable of its program: sessions of one are never sent to the other.

use crate::sandbox::{Output, Sandbox};
use crate::service::{CODE, Service};

/// A program `ctl` whose service is the first, and which the variable sends to the second.
struct Set {
    sandbox: Sandbox,
    usual: Service,
    other: Service,
}

impl Set {
    fn new() -> Set {
        let (sandbox, usual, other) = (Sandbox::new(), Service::start(), Service::start());
        let url = usual.url();
        let text = format!(
            "format = 1\n[login]\nflow = \"email-otp\"\n[program]\nauth = false\n\
             [program.address]\nvariable = \"CTL_SERVER_ADDRESS\"\nreplaces = [\"{url}\"]\n\
             [otp.send]\nurl = \"{url}/send\"\n[otp.exchange]\nurl = \"{url}/exchange\"\n\
             [refresh.exchange]\nurl = \"{url}/refresh\"\n[whoami]\nurl = \"{url}/me\"\nsubject = \"/email\"\n\
             [env]\nvariables = [\"CTL_KEY\"]\n[[target]]\nurl = \"{url}\"\nscheme = \"basic\"\nusername = \"u\"\n"
        );
        sandbox.write_provider("ctl", &text);
        std::os::unix::fs::symlink(sandbox.keyfob_path(), sandbox.path().join("ctl")).unwrap();
        Set { sandbox, usual, other }
    }

    fn run(&self, args: &[&str]) -> Output {
        self.sandbox.program(self.sandbox.path().join("ctl"), args).run()
    }

    fn there(&self, args: &[&str]) -> Output {
        let run = self.sandbox.program(self.sandbox.path().join("ctl"), args);
        run.env("CTL_SERVER_ADDRESS", self.other.url()).run()
    }

    fn login<'a>(&self) -> [&'a str; 5] {
        ["login", "--email", "ann@acme.example", "--code", CODE]
    }
}

#[test]
fn a_session_belongs_to_the_address_where_it_was_made() {
    let set = Set::new();
    set.run(&set.login()).expect_success();
    let missing = set.there(&["whoami"]).expect_code(2);
    assert!(
        missing.stderr.ends_with("hint: run `ctl login`\n"),
        "{}",
        missing.stderr
    );
    assert!(set.other.seen("/me").is_empty(), "no token went there");
    set.there(&set.login()).expect_success();
    assert_eq!(
        (set.usual.seen("/exchange").len(), set.other.seen("/exchange").len()),
        (1, 1)
    );
    let asked = set.usual.seen("/me").len();
    set.there(&["whoami"]).expect_success();
    assert!(set.usual.seen("/me").len() == asked && !set.other.seen("/me").is_empty());
    set.there(&["logout", "--local"]).expect_success();
    set.run(&["print-access-token"]).expect_success();
    set.there(&["print-access-token"]).expect_code(2);
}

#[test]
fn a_tools_call_goes_on_as_if_the_variable_were_not_set() {
    let set = Set::new();
    set.run(&set.login()).expect_success();
    let git = set
        .sandbox
        .keyfob(&["git", "get"])
        .env("CTL_SERVER_ADDRESS", set.other.url());
    let url = format!("url={}\n", set.usual.url());
    assert!(git.stdin(url).run().expect_success().text().contains("password="));
    let token = set
        .sandbox
        .keyfob(&["token", "ctl"])
        .env("CTL_SERVER_ADDRESS", set.other.url());
    token.run().expect_success();
    let there = set
        .sandbox
        .keyfob(&["git", "get"])
        .env("CTL_SERVER_ADDRESS", set.other.url());
    let url = format!("url={}\n", set.other.url());
    assert_eq!(
        there.stdin(url).run().expect_success().text(),
        "",
        "no target is added by a variable"
    );
}

#[test]
fn an_address_that_is_not_safe_is_refused_before_anything_is_sent() {
    let set = Set::new();
    set.run(&set.login()).expect_success();
    for value in [
        "http://api.acme.example",
        "api.acme.example",
        "https://a/b",
        "https://u:canary@a",
        "x",
    ] {
        let run = set.sandbox.program(set.sandbox.path().join("ctl"), &["whoami"]);
        let wrong = run.env("CTL_SERVER_ADDRESS", value).run().expect_code(64);
        assert!(
            wrong.stderr.contains("`CTL_SERVER_ADDRESS` is not `https://HOST"),
            "{}",
            wrong.stderr
        );
    }
    let same = set.sandbox.program(set.sandbox.path().join("ctl"), &["whoami"]);
    same.env("CTL_SERVER_ADDRESS", format!("{}/", set.usual.url()))
        .run()
        .expect_success();
    for (lines, why) in [
        (
            "replaces = [\"https://a\"]",
            "program.address.replaces: expected `program.address.variable`",
        ),
        (
            "variable = \"X\"\nreplaces = [\"https://a/b\"]",
            "program.address.replaces: expected `https://HOST`",
        ),
        ("variable = \"A-B\"", "program.address.variable: expected names"),
    ] {
        let text = format!("format = 1\n[login]\nflow = \"key\"\n[program.address]\n{lines}\n");
        set.sandbox.write_provider("wrong", &text);
        let wrong = set
            .sandbox
            .keyfob(&["provider", "check", "wrong"])
            .run()
            .expect_code(64);
        assert!(wrong.stderr.contains(why), "{}", wrong.stderr);
    }
}
