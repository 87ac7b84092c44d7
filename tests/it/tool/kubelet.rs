//! kubelet's image credential providers, by the API group `credentialprovider.kubelet.k8s.io`.
//!
//! There is no kubelet to be had here: what is checked is what the API's page says of each field.

use serde_json::{Value, json};

use super::call::home_for;
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::{Output, Sandbox};

const IMAGE: &str = "registry.acme.example/team/app:1";

fn request(version: &str, image: &str) -> String {
    let text = json!({
        "apiVersion": format!("credentialprovider.kubelet.k8s.io/{version}"),
        "kind": "CredentialProviderRequest",
        "image": image,
        "serviceAccountToken": "canary-pod",
        "serviceAccountAnnotations": {"acme.example/role": "puller"},
    });
    text.to_string()
}

fn session() -> (Sandbox, Issuer) {
    home_for("https://registry.acme.example", "basic")
}

fn run(sandbox: &Sandbox, args: &[&str], input: &str) -> Output {
    sandbox.keyfob(&[&["kubelet"], args].concat()).stdin(input).run()
}

/// An answer that has what the API demands of every one.
fn answer(sandbox: &Sandbox, args: &[&str], version: &str, image: &str) -> Value {
    let output = run(sandbox, args, &request(version, image)).expect_success();
    assert_eq!(output.stderr, "");
    let answer: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(
        answer["apiVersion"],
        json!(format!("credentialprovider.kubelet.k8s.io/{version}"))
    );
    assert_eq!(answer["kind"], json!("CredentialProviderResponse"));
    // Without one of its three words kubelet drops the answer.
    assert_eq!(answer["cacheKeyType"], json!("Registry"));
    assert!(answer["auth"].is_object());
    answer
}

/// The seconds of a duration as Go reads it.
fn seconds(answer: &Value) -> u64 {
    let text = answer["cacheDuration"].as_str().unwrap();
    text.strip_suffix('s').unwrap().parse().unwrap()
}

#[test]
fn hit_a_session_is_a_password_for_its_registry_as_long_as_it_lives() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    for version in ["v1", "v1beta1", "v1alpha1"] {
        for args in [&[][..], &["acme"], &["https://registry.acme.example"]] {
            let answer = answer(&sandbox, args, version, IMAGE);
            let login = &answer["auth"]["registry.acme.example"];
            assert_eq!(login["username"], json!("oauth2"));
            assert!(issuer.valid_access(login["password"].as_str().unwrap()));
            assert!((1..3600).contains(&seconds(&answer)), "{answer}");
        }
    }
}

#[test]
fn hit_what_docker_stored_serves_kubelet() {
    let sandbox = Sandbox::new();
    for (server, image, key) in [
        ("https://index.docker.io/v1/", "docker.io/library/nginx:1", "docker.io"),
        (
            "registry.example:5000",
            "registry.example:5000/app",
            "registry.example:5000",
        ),
    ] {
        let body = json!({"ServerURL": server, "Username": "ann", "Secret": "canary"}).to_string();
        sandbox.keyfob(&["docker", "store"]).stdin(body).run().expect_success();
        let answer = answer(&sandbox, &[], "v1", image);
        assert_eq!(answer["auth"], json!({key: {"username": "ann", "password": "canary"}}));
        assert!(
            answer.get("cacheDuration").is_none(),
            "nobody knows how long a password is good"
        );
    }
}

#[test]
fn miss_is_an_empty_answer_that_is_not_kept() {
    let answer = answer(&Sandbox::new(), &[], "v1", IMAGE);
    assert_eq!((&answer["auth"], seconds(&answer)), (&json!({}), 0));
}

#[test]
fn refreshed_before_it_is_answered() {
    let (sandbox, issuer) = session();
    sandbox.login_expired(&issuer);
    let answer = answer(&sandbox, &[], "v1", IMAGE);
    assert!(issuer.valid_access(answer["auth"]["registry.acme.example"]["password"].as_str().unwrap()));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn malformed_requests_are_refused() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    for input in [
        String::new(),
        "{".into(),
        request("v2", IMAGE),
        request("v1", IMAGE).replace("CredentialProviderRequest", "CredentialProviderResponse"),
        request("v1", "ann@registry.acme.example/app"),
        request("v1", "registry.acme.example:port/app"),
    ] {
        let output = run(&sandbox, &[], &input);
        assert_eq!((output.code(), output.text()), (64, ""), "{input}");
    }
}

#[test]
fn two_accounts_a_missing_login_and_another_place_are_words_on_stderr() {
    let (sandbox, _issuer) = session();
    let text = "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://r.example\"\n";
    sandbox.write_provider("two", text);
    for name in ["two:ann", "two:bob"] {
        sandbox
            .keyfob(&["set-token", name])
            .stdin("canary")
            .run()
            .expect_success();
    }
    for (args, image, code, words) in [
        (&[][..], "r.example/app", 5, "two:ann, two:bob"),
        (&[], IMAGE, 2, "run `keyfob login acme`"),
        (&["two:ann"], IMAGE, 5, "does not serve https://registry.acme.example"),
        (&["https://r.example"], IMAGE, 5, "another place"),
        (&["--what"], IMAGE, 64, "at most one profile or URL"),
    ] {
        let output = run(&sandbox, args, &request("v1", image));
        assert_eq!((output.code(), output.text()), (code, ""), "{args:?}");
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    let one = answer(&sandbox, &["two:ann"], "v1", "r.example/app");
    assert_eq!(
        one["auth"]["r.example"],
        json!({"username": "ann", "password": "canary"})
    );
}

#[test]
fn locked_machines_give_no_password() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    gate::set(&sandbox);
    let output = run(&sandbox, &[], &request("v1", IMAGE)).expect_code(4);
    assert!(
        output.text().is_empty() && output.stderr.contains("keyfob unlock"),
        "{}",
        output.stderr
    );
}
