//! go's documented sets.

use super::call::{Call, cases_of_a_session, home};
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["goauth", "https://acme.example/mod/@v/list"],
    stdin: "HTTP/1.1 404 Not Found\n\n",
    is_hit: |output, token| output == format!("https://acme.example\n\nAuthorization: Bearer {token}\n\n"),
    codes: [1, 1, 1],
};

cases_of_a_session!(CALL);

#[test]
fn hit_a_profile_says_beforehand_what_names_the_protocol() {
    let (sandbox, issuer) = home();
    let path = sandbox.provider_for(&issuer, &[("https://acme.example", "bearer")]);
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += "tools = [\"goauth\"]\n";
    std::fs::write(path, text).unwrap();
    let ask = |args: &[&str]| sandbox.keyfob(args).run().expect_success().text().to_owned();
    assert_eq!(ask(&["goauth", "acme"]), "");
    sandbox.login(&issuer);
    let set = format!("https://acme.example\n\nAuthorization: Bearer {}\n\n", sandbox.token());
    assert_eq!(ask(&["goauth", "acme"]), set);
    assert_eq!(ask(&["goauth"]), "");
}

#[test]
fn hit_a_prefix_ends_before_what_is_anothers() {
    let sandbox = Sandbox::new();
    for (name, url) in [("acme", "https://go.example"), ("beta", "https://go.example/team/b")] {
        let target = format!("[[target]]\nurl = \"{url}\"\nscheme = \"bearer\"\n");
        sandbox.write_provider(name, &format!("format = 1\n[login]\nflow = \"key\"\n{target}"));
        let set = sandbox.keyfob(&["set-token", name]).stdin(format!("canary-{name}"));
        set.run().expect_success();
    }
    let kept = "url=https://kept.example/x\nusername=ann\npassword=canary-x\n\n";
    let wider = "url=https://kept.example\nusername=bob\npassword=canary-y\n\n";
    for input in [kept, wider] {
        sandbox.keyfob(&["git", "store"]).stdin(input).run().expect_success();
    }
    let first = |args: &[&str]| {
        let output = sandbox.keyfob(&[&["goauth"], args].concat()).run().expect_success();
        output.text().lines().next().unwrap_or_default().to_owned()
    };
    for (args, prefix) in [
        (&["https://go.example/mod/@v/list"][..], "https://go.example/mod"),
        (&["https://go.example/team/a/@v/list"], "https://go.example/team/a"),
        (&["https://go.example/team/b/c/@v/list"], "https://go.example/team/b"),
        // Who names one provider for all means it.
        (&["acme", "https://go.example/mod/@v/list"], "https://go.example"),
        (&["https://kept.example/x/y"], "https://kept.example/x"),
        (&["https://kept.example/z/y"], "https://kept.example/z"),
    ] {
        assert_eq!(first(args), prefix, "{args:?}");
    }
}

#[test]
fn hit_a_profile_that_is_in_a_variable_says_its_places_beforehand() {
    let (sandbox, issuer) = home();
    let path = sandbox.provider_for(&issuer, &[("https://acme.example", "bearer")]);
    let text = std::fs::read_to_string(&path).unwrap() + "tools = [\"goauth\"]\n";
    std::fs::write(path, text).unwrap();
    let run = sandbox.keyfob(&["goauth", "acme"]).env("ACME_TOKEN", "canary-env");
    let set = "https://acme.example\n\nAuthorization: Bearer canary-env\n\n";
    assert_eq!(run.run().expect_success().text(), set);
}
