//! What one tool gave to keep for a place that no provider claims, and what the others get of it.

use crate::sandbox::{Output, Sandbox};

/// Keeps a password as git does.
fn keep(sandbox: &Sandbox, place: &str, user: &str, password: &str) {
    let input = format!("url={place}\nusername={user}\npassword={password}\n\n");
    sandbox.keyfob(&["git", "store"]).stdin(input).run().expect_success();
}

fn run(sandbox: &Sandbox, args: &[&str], stdin: &str) -> Output {
    let run = sandbox.keyfob(args).stdin(stdin);
    run.env("VAULT_ADDR", "https://host.example").run()
}

/// What git gets that can read everything.
fn git(sandbox: &Sandbox, place: &str) -> String {
    let question = format!("capability[]=authtype\nurl={place}\n\n");
    run(sandbox, &["git", "get"], &question)
        .expect_success()
        .text()
        .to_owned()
}

const STORED: [(&[&str], &str, &[&str], &str); 2] = [
    (
        &["terraform", "store", "host.example"],
        "{\"token\":\"canary-t\"}",
        &["terraform", "get", "host.example"],
        "{\"token\":\"canary-t\"}\n",
    ),
    (&["vault", "store"], "canary-t", &["vault", "get"], "canary-t"),
];

#[test]
fn store_of_a_token_is_for_its_tool_alone() {
    for (store, input, get, expected) in STORED {
        let sandbox = Sandbox::new();
        run(&sandbox, store, input).expect_success();
        assert_eq!(git(&sandbox, "https://host.example"), "");
        assert_eq!(git(&sandbox, "https://host.example/team"), "");
        run(&sandbox, &["token", "https://host.example"], "").expect_code(2);
        // Nor is what somebody else keeps without a user name overwritten by it, or the other way round.
        let bearer = "capability[]=authtype\nurl=https://host.example\nauthtype=Bearer\ncredential=canary-g\n\n";
        run(&sandbox, &["git", "store"], bearer).expect_success();
        assert_eq!(run(&sandbox, get, "").expect_success().text(), expected);
        assert!(git(&sandbox, "https://host.example").contains("credential=canary-g"));
    }
}

#[test]
fn miss_what_is_kept_for_a_path_is_no_answer_for_its_host() {
    let sandbox = Sandbox::new();
    keep(&sandbox, "https://host.example/team", "ann", "canary-team");
    assert!(git(&sandbox, "https://host.example").contains("password=canary-team"));
    for (args, stdin) in [
        (&["token", "https://host.example"][..], ""),
        (&["aws", "https://host.example"], ""),
        (&["kubectl", "https://host.example"], ""),
        (&["ansible", "--vault-id", "https://host.example"], ""),
        (&["netrc", "https://host.example"], ""),
    ] {
        let output = run(&sandbox, args, stdin).expect_code(2);
        assert_eq!(output.text(), "", "{args:?}");
    }
    let output = run(&sandbox, &["docker", "get"], "host.example");
    assert_eq!(output.text(), "credentials not found in native keychain\n");
    let image = "{\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"kind\":\"CredentialProviderRequest\",\
                 \"image\":\"host.example/app\"}";
    let output = run(&sandbox, &["kubelet"], image).expect_success();
    assert!(output.text().ends_with("\"auth\":{}}\n"), "{}", output.text());
}

#[test]
fn erase_of_a_host_leaves_what_is_kept_below_it() {
    let sandbox = Sandbox::new();
    keep(&sandbox, "https://host.example/team", "ann", "canary-team");
    let below = "capability[]=authtype\nurl=https://host.example/team\nauthtype=Bearer\ncredential=canary-b\n\n";
    run(&sandbox, &["git", "store"], below).expect_success();
    for (args, stdin) in [
        (&["terraform", "forget", "host.example"][..], ""),
        (&["vault", "erase"], ""),
        (&["docker", "erase"], "host.example"),
    ] {
        run(&sandbox, args, stdin).expect_success();
    }
    let asked = "url=https://host.example/team\nusername=ann\n\n";
    let kept = run(&sandbox, &["git", "get"], asked).expect_success();
    assert!(kept.text().contains("password=canary-team"), "{}", kept.text());
    assert!(git(&sandbox, "https://host.example/team").contains("canary-b"));
}

#[test]
fn erase_without_a_secret_forgets_what_the_tool_brought_itself() {
    let sandbox = Sandbox::new();
    let of_docker = "{\"ServerURL\":\"host.example\",\"Username\":\"bob\",\"Secret\":\"canary-d\"}";
    keep(&sandbox, "https://host.example", "ann", "canary-a");
    run(&sandbox, &["docker", "store"], of_docker).expect_success();
    // git's store-back does not make it git's.
    keep(&sandbox, "https://host.example", "ann", "canary-a");
    keep(&sandbox, "https://host.example", "bob", "canary-d");
    run(
        &sandbox,
        &["git", "erase"],
        "url=https://host.example\nusername=bob\n\n",
    )
    .expect_success();
    assert!(git(&sandbox, "https://bob@host.example").contains("password=canary-d"));
    run(&sandbox, &["docker", "erase"], "host.example").expect_success();
    assert_eq!(git(&sandbox, "https://bob@host.example"), "");
    assert!(git(&sandbox, "https://host.example").contains("password=canary-a"));
    // A secret is refused for whoever brought it, and a person means everything.
    run(&sandbox, &["docker", "store"], of_docker).expect_success();
    let refused = "url=https://host.example\nusername=bob\npassword=canary-d\n\n";
    run(&sandbox, &["git", "erase"], refused).expect_success();
    assert_eq!(git(&sandbox, "https://bob@host.example"), "");
    run(&sandbox, &["docker", "store"], of_docker).expect_success();
    run(&sandbox, &["erase"], "url=https://host.example\n\n").expect_success();
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn miss_a_host_that_git_asks_for_is_no_place_below_it_that_another_tool_keeps() {
    let sandbox = Sandbox::new();
    let index = "https://host.example/api/simple";
    run(&sandbox, &["keyring", "set", index, "__token__"], "canary-k\n").expect_success();
    assert_eq!(git(&sandbox, "https://host.example"), "");
    let refused = "url=https://host.example\nusername=__token__\npassword=canary-k\n\n";
    run(&sandbox, &["git", "erase"], refused).expect_success();
    let kept = run(&sandbox, &["keyring", "get", index, "__token__"], "").expect_success();
    assert_eq!(kept.text(), "canary-k\n");
    // Where git names the place it means it, and a person means all of a host.
    assert!(git(&sandbox, index).contains("password=canary-k"));
    let asked = run(&sandbox, &["get"], "url=https://host.example\n\n").expect_success();
    assert!(asked.text().contains("password=canary-k"), "{}", asked.text());
    let by_hand = "url=https://host.example/team\nusername=ann\npassword=canary-p\n\n";
    run(&sandbox, &["store"], by_hand).expect_success();
    assert!(git(&sandbox, "https://host.example").contains("password=canary-p"));
}

#[test]
fn erase_with_a_profile_is_nothing_at_another_host() {
    let sandbox = Sandbox::new();
    let text = "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://tf.acme.example\"\n";
    sandbox.write_provider("acme", text);
    let forgot = run(&sandbox, &["terraform", "acme", "forget", "other.example"], "").expect_success();
    assert_eq!((forgot.text(), forgot.stderr.as_str()), ("", ""));
    let store = &["terraform", "acme", "store", "other.example"];
    run(&sandbox, store, "{\"token\":\"canary\"}").expect_code(1);
}

#[test]
fn miss_dockers_identity_token_is_nobody_elses_password() {
    let sandbox = Sandbox::new();
    let identity = "{\"ServerURL\":\"r.example\",\"Username\":\"<token>\",\"Secret\":\"canary-i\"}";
    run(&sandbox, &["docker", "store"], identity).expect_success();
    let output = run(&sandbox, &["docker", "get"], "r.example").expect_success();
    assert!(output.text().contains("canary-i"));
    let image = "{\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"kind\":\"CredentialProviderRequest\",\
                 \"image\":\"r.example/app\"}";
    for (args, stdin, code) in [
        (&["kubelet"][..], image, 0),
        (&["netrc", "https://r.example"], "", 2),
        (&["token", "https://r.example", "--header"], "", 2),
        (&["bazel", "get"], "{\"uri\":\"https://r.example/x\"}", 0),
        (&["git", "get"], "url=https://r.example\n\n", 0),
    ] {
        let output = run(&sandbox, args, stdin).expect_code(code);
        assert!(!output.text().contains("canary"), "{args:?}");
    }
    let text = "format = 1\n[login]\nflow = \"static\"\n[[target]]\nurl = \"https://s.example\"\n";
    sandbox.write_provider("acme", text);
    run(
        &sandbox,
        &["docker", "store"],
        &identity.replace("r.example", "s.example"),
    )
    .expect_success();
    let output = run(&sandbox, &["docker", "get"], "s.example").expect_success();
    assert!(output.text().contains("canary-i"));
    let output = run(&sandbox, &["kubelet"], &image.replace("r.example", "s.example")).expect_success();
    assert!(output.text().ends_with("\"auth\":{}}\n"), "{}", output.text());
    // Somebody's password beside it is the answer, and no second one that fits.
    keep(&sandbox, "https://r.example", "ann", "canary-p");
    let entry = run(&sandbox, &["netrc", "https://r.example"], "").expect_success();
    assert_eq!(entry.text(), "machine r.example login ann password canary-p\n");
}

#[test]
fn two_accounts_of_an_unclaimed_place_are_named_and_none_is_taken() {
    let sandbox = Sandbox::new();
    keep(&sandbox, "https://host.example", "ann", "canary-a");
    keep(&sandbox, "https://host.example", "bob", "canary-b");
    for (args, stdin, code) in [
        (&["token", "https://host.example"][..], "", 5),
        (&["netrc", "https://host.example/me"], "", 5),
        (&["pnpm", "https://host.example/npm/"], "", 5),
        (&["goauth", "https://host.example/mod"], "", 1),
        (&["askpass", "Username for 'https://host.example': "], "", 1),
    ] {
        let output = run(&sandbox, args, stdin).expect_code(code);
        assert_eq!(output.text(), "", "{args:?}");
        assert!(output.stderr.contains("ann, bob"), "{args:?}: {}", output.stderr);
    }
    // keyring's `oauth2` names nobody of them, and that is no failure.
    let miss = run(&sandbox, &["keyring", "get", "https://host.example/", "oauth2"], "").expect_code(1);
    assert_eq!((miss.text(), miss.stderr.as_str()), ("", ""));
    // A tool that names one has it; git and docker take the newest, as their own helpers do.
    let named = run(&sandbox, &["askpass", "Password for 'https://ann@host.example': "], "");
    assert_eq!(named.expect_success().text(), "canary-a\n");
    let docker = || run(&sandbox, &["docker", "get"], "host.example").expect_success();
    assert!(git(&sandbox, "https://host.example").contains("password=canary-b"));
    assert!(docker().text().contains("canary-b"));
    // Who is given again is the newest again, with the same password too.
    keep(&sandbox, "https://host.example", "ann", "canary-a");
    assert!(git(&sandbox, "https://host.example").contains("password=canary-a"));
    assert!(docker().text().contains("canary-a"));
    let again = "{\"ServerURL\":\"host.example\",\"Username\":\"bob\",\"Secret\":\"canary-b\"}";
    run(&sandbox, &["docker", "store"], again).expect_success();
    assert!(docker().text().contains("canary-b"));
    // What is kept for a nearer place is meant more.
    keep(&sandbox, "https://host.example/npm", "cay", "canary-c");
    let nearer = run(&sandbox, &["netrc", "https://host.example/npm/x"], "").expect_success();
    assert_eq!(nearer.text(), "machine host.example login cay password canary-c\n");
}

#[test]
fn malformed_a_password_is_no_bearer_token_whoever_keeps_it() {
    let sandbox = Sandbox::new();
    for (name, user) in [("acme", "ann"), ("beta", "x-access-token")] {
        let target = format!("[[target]]\nurl = \"https://{name}.example\"\nusername = \"{user}\"\n");
        sandbox.write_provider(name, &format!("format = 1\n[login]\nflow = \"key\"\n{target}"));
        let set = sandbox.keyfob(&["set-token", name]).stdin("canary");
        set.run().expect_success();
    }
    let terraform = |host: &str| run(&sandbox, &["terraform", "get", host], "").expect_success();
    assert_eq!(terraform("acme.example").text(), "{}\n");
    assert_eq!(terraform("beta.example").text(), "{\"token\":\"canary\"}\n");
    let vault = |address: &str, code| {
        let run = sandbox.keyfob(&["vault", "get"]).env("VAULT_ADDR", address);
        run.run().expect_code(code).text().to_owned()
    };
    assert_eq!(vault("https://acme.example", 1), "");
    assert_eq!(vault("https://beta.example", 0), "canary");
    let pnpm = |profile: &str| run(&sandbox, &["pnpm", profile], "").expect_success();
    assert_eq!(pnpm("acme").text(), "Basic YW5uOmNhbmFyeQ==\n");
    assert_eq!(pnpm("beta").text(), "Bearer canary\n");
}

#[test]
fn store_of_a_token_where_a_provider_keeps_passwords_says_what_to_mend() {
    let sandbox = Sandbox::new();
    for (name, flow) in [("host", "static"), ("login", "key")] {
        let target = format!("[[target]]\nurl = \"https://{name}.example\"\n");
        sandbox.write_provider(name, &format!("format = 1\n[login]\nflow = \"{flow}\"\n{target}"));
    }
    let terraform = run(
        &sandbox,
        &["terraform", "store", "host.example"],
        "{\"token\":\"canary\"}",
    )
    .expect_code(1);
    let vault = run(&sandbox, &["vault", "store"], "canary").expect_code(1);
    for output in [terraform, vault] {
        assert!(
            output.stderr.contains("keeps passwords there, and no tokens"),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("set `scheme = \"bearer\"`"), "{}", output.stderr);
    }
    let session = run(
        &sandbox,
        &["terraform", "store", "login.example"],
        "{\"token\":\"canary\"}",
    )
    .expect_code(1);
    assert!(
        session.stderr.contains("its provider has sessions"),
        "{}",
        session.stderr
    );
    // A password is what it keeps.
    keep(&sandbox, "https://host.example", "ann", "canary-p");
    assert!(git(&sandbox, "https://host.example").contains("password=canary-p"));
}
