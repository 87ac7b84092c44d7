//! client-go's exec credential plugins, by the API group `client.authentication.k8s.io`.

use serde_json::{Value, json};

use super::call::home_for;
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::{Output, Sandbox};

const SERVER: &str = "https://k.acme.example:6443";

fn info(version: &str) -> String {
    let text = json!({
        "apiVersion": format!("client.authentication.k8s.io/{version}"),
        "kind": "ExecCredential",
        "spec": {"interactive": false, "cluster": {"server": SERVER, "config": null}},
    });
    format!("{text}\n")
}

/// A session for a cluster.
fn session() -> (Sandbox, Issuer) {
    home_for(SERVER, "bearer")
}

fn run(sandbox: &mut Sandbox, args: &[&str], info: &str) -> Output {
    sandbox.set("KUBERNETES_EXEC_INFO", info);
    sandbox
        .keyfob(&[&["kubectl"], args].concat())
        .stdin("nobody reads this")
        .run()
}

fn answer(sandbox: &mut Sandbox, args: &[&str], info: &str) -> Value {
    let output = run(sandbox, args, info).expect_success();
    assert_eq!(output.stderr, "");
    serde_json::from_str(output.text()).unwrap()
}

/// The provider `acme`, whose keys are client certificates.
fn certificates(sandbox: &Sandbox) {
    let text =
        format!("format = 1\n[login]\nflow = \"key\"\n[key]\nform = \"certificate\"\n[[target]]\nurl = \"{SERVER}\"\n");
    sandbox.write_provider("acme", &text);
}

/// A certificate and its private key, whose insides nobody looks at here.
fn identity() -> (String, String) {
    let part = |label: &str, inside: &str| format!("-----BEGIN {label}-----\n{inside}\n-----END {label}-----\n");
    let certificate = part("CERTIFICATE", &["A".repeat(64), "B".repeat(64)].join("\n"));
    (certificate, part("PRIVATE KEY", &"canary".repeat(10)))
}

#[test]
fn hit_a_token_has_the_version_of_the_question() {
    let (mut sandbox, issuer) = session();
    sandbox.login(&issuer);
    for version in ["v1", "v1beta1"] {
        for args in [&[][..], &["acme"], &[SERVER]] {
            let answer = answer(&mut sandbox, args, &info(version));
            assert_eq!(
                answer["apiVersion"],
                json!(format!("client.authentication.k8s.io/{version}"))
            );
            assert_eq!(answer["kind"], json!("ExecCredential"));
            let token = answer["status"]["token"].as_str().unwrap();
            assert!(issuer.valid_access(token), "a bare token");
            let end = answer["status"]["expirationTimestamp"].as_str().unwrap();
            assert!(end.len() == 20 && end.ends_with('Z'), "{end}");
        }
    }
}

#[test]
fn hit_a_client_certificate_comes_back_as_it_was_given() {
    let mut sandbox = Sandbox::new();
    certificates(&sandbox);
    let (certificate, key) = identity();
    for text in [format!("{certificate}{key}"), format!("{key}\nremark\n{certificate}")] {
        sandbox
            .keyfob(&["set-token", "acme"])
            .stdin(text)
            .run()
            .expect_success();
        let answer = answer(&mut sandbox, &[], &info("v1"));
        let status = json!({"clientCertificateData": certificate, "clientKeyData": key});
        assert_eq!(answer["status"], status);
    }
    // Nobody else can send one, and nobody gets the private key for a token.
    for args in [
        &["token", "acme"][..],
        &["token", SERVER, "--header"],
        &["print-access-token", "acme"],
    ] {
        let output = sandbox.keyfob(args).run();
        assert_eq!((output.code(), output.text()), (5, ""), "{args:?}");
    }
    for args in [&["docker", "get"][..], &["git", "get"], &["get"]] {
        let question = match args[0] {
            "docker" => "k.acme.example:6443",
            _ => "protocol=https\nhost=k.acme.example:6443\n\n",
        };
        let output = sandbox.keyfob(args).stdin(question).run();
        assert_ne!(output.code(), 0, "{args:?}");
        assert!(
            !output.text().contains("BEGIN") && !output.text().contains("password"),
            "{args:?}"
        );
    }
}

#[test]
fn malformed_certificates_are_refused_when_they_are_given() {
    let sandbox = Sandbox::new();
    certificates(&sandbox);
    let (certificate, key) = identity();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for text in [
        "canary".to_owned(),
        certificate.clone(),
        key.clone(),
        format!("{certificate}{encrypted}"),
        format!("{certificate}{key}{}", "x".repeat(64 << 10)),
    ] {
        let output = sandbox.keyfob(&["set-token", "acme"]).stdin(text).run();
        output.expect_code(64);
    }
    assert!(sandbox.files_with("BEGIN").is_empty());
    // A token is one word, as before.
    sandbox.write_provider("other", "format = 1\n[login]\nflow = \"key\"\n");
    let output = sandbox
        .keyfob(&["set-token", "other"])
        .stdin(format!("{certificate}{key}"))
        .run();
    output.expect_code(64);
}

#[test]
fn malformed_provider_files_say_what_goes_with_a_certificate() {
    let sandbox = Sandbox::new();
    for (flow, more, beside) in [
        ("static", "", "another flow than `key`"),
        ("key", "prefix = \"x\"", "key.prefix"),
        ("key", "[whoami]\nurl = \"https://k.acme.example/me\"", "whoami.url"),
    ] {
        let text = format!("format = 1\n[login]\nflow = \"{flow}\"\n[key]\nform = \"certificate\"\n{more}\n");
        sandbox.write_provider("acme", &text);
        let output = sandbox.keyfob(&["provider", "check", "acme"]).run();
        assert!(
            output.stderr.contains(&format!("beside {beside}, found `certificate`")),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("acme.toml:5"), "{}", output.stderr);
    }
}

#[test]
fn refreshed_before_it_is_answered() {
    let (mut sandbox, issuer) = session();
    sandbox.login_expired(&issuer);
    let answer = answer(&mut sandbox, &["acme"], &info("v1"));
    assert!(issuer.valid_access(answer["status"]["token"].as_str().unwrap()));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn miss_and_refusals_are_words_on_stderr_and_no_answer() {
    let (mut sandbox, _issuer) = session();
    let elsewhere = info("v1").replace("k.acme", "other");
    let text = "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://b.example\"\n";
    sandbox.write_provider("basic", text);
    sandbox
        .keyfob(&["set-token", "basic"])
        .stdin("canary")
        .run()
        .expect_success();
    for (args, info, code, words) in [
        (&[][..], info("v1"), 2, "run `keyfob login acme`"),
        (&[], elsewhere.clone(), 2, "run `keyfob login PROFILE`"),
        (&["acme"], elsewhere, 5, "does not serve https://other.example:6443"),
        (&["https://other.example"], info("v1"), 5, "another place"),
        (
            &["basic"],
            info("v1").replace("k.acme", "b").replace(":6443", ""),
            5,
            "scheme = \"bearer\"",
        ),
    ] {
        let output = run(&mut sandbox, args, &info);
        assert_eq!((output.code(), output.text()), (code, ""), "{args:?}");
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
}

#[test]
fn malformed_questions_are_refused() {
    let (mut sandbox, issuer) = session();
    sandbox.login(&issuer);
    for text in [
        "{",
        "{}",
        &info("v1alpha1"),
        &info("v2"),
        &info("v1").replace("https:", "https"),
    ] {
        let output = run(&mut sandbox, &["acme"], text);
        assert_eq!((output.code(), output.text()), (64, ""), "{text}");
        assert!(
            output
                .stderr
                .starts_with("keyfob: error: reading `KUBERNETES_EXEC_INFO`"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn two_accounts_are_listed() {
    let mut sandbox = Sandbox::new();
    let text = format!("format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"{SERVER}\"\nscheme = \"bearer\"\n");
    sandbox.write_provider("acme", &text);
    for name in ["acme:ann", "acme:bob"] {
        sandbox
            .keyfob(&["set-token", name])
            .stdin("canary")
            .run()
            .expect_success();
    }
    let output = run(&mut sandbox, &[], &info("v1")).expect_code(5);
    assert!(output.stderr.contains("acme:ann, acme:bob"), "{}", output.stderr);
    assert_eq!(
        answer(&mut sandbox, &["acme:bob"], &info("v1"))["status"]["token"],
        json!("canary")
    );
}

#[test]
fn locked_machines_give_no_token() {
    let (mut sandbox, issuer) = session();
    sandbox.login(&issuer);
    gate::set(&sandbox);
    let output = run(&mut sandbox, &[], &info("v1")).expect_code(4);
    assert!(
        output.text().is_empty() && output.stderr.contains("keyfob unlock"),
        "{}",
        output.stderr
    );
}
