//! What every protocol answers where there is nothing to give: one table, asked through the real program.
//!
//! A row is a protocol, or a second way to ask it. Its own file has what is special about it.

use std::collections::BTreeSet;

use crate::gate;
use crate::sandbox::{Output, Sandbox};

/// Where a protocol tells a failure.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    Stderr,
    /// In words of its own, or in words that a person reads beside them.
    Stdout,
}
use Told::{Stderr, Stdout};

/// How one protocol asks for what is at a host, and the ends of that.
struct Row {
    /// The arguments, with `{}` for the host.
    args: &'static [&'static str],
    /// What it writes, with `{}` for the host.
    stdin: &'static str,
    /// What stdout has where there is nothing, and nobody claims the host; nothing: it has nothing.
    miss: &'static str,
    /// Where failures are told.
    told: Told,
    /// The exit codes of that miss, of a login that is needed, of two accounts, of a secret of two lines, and of a machine
    /// that is locked.
    codes: [i32; 5],
    /// The host whose secret of two lines it may have.
    lines: &'static str,
    /// Whether its answers can carry such a secret.
    carries_lines: bool,
}

const fn row(args: &'static [&'static str], stdin: &'static str, miss: &'static str, codes: [i32; 5]) -> Row {
    Row {
        args,
        stdin,
        miss,
        told: Stderr,
        codes,
        lines: "lines.example",
        carries_lines: false,
    }
}

const URL: &str = "https://{}";
const ATTRIBUTES: &str = "url=https://{}\n\n";

#[rustfmt::skip]
const ROWS: [Row; 21] = [
    row(&["get"], ATTRIBUTES, "", [0, 2, 5, 5, 4]),
    row(&["ansible", "--vault-id", URL], "", "", [2, 2, 1, 1, 1]),
    row(&["askpass", "Password for 'https://{}': "], "", "", [1, 1, 1, 1, 1]),
    row(&["aws", URL], "", "", [2, 2, 5, 5, 4]),
    row(&["bazel", "get"], "{\"uri\":\"https://{}/x\"}", "{\"headers\":{}}\n", [0, 1, 1, 1, 1]),
    Row { told: Stdout, lines: "bearer.example", ..row(&["cargo", "--cargo-plugin"],
        "{\"v\":1,\"kind\":\"get\",\"operation\":\"read\",\"registry\":{\"index-url\":\"sparse+https://{}/\"}}\n",
        "{\"Err\":{\"kind\":\"not-found\"}}\n", [0, 0, 0, 0, 0]) },
    Row { lines: "bearer.example", ..row(&["cargo", "get", "sparse+https://{}"], "", "", [2, 2, 5, 5, 4]) },
    Row { told: Stdout, carries_lines: true, ..row(&["docker", "get"], "{}",
        "credentials not found in native keychain\n", [1, 1, 1, 0, 1]) },
    row(&["git", "get"], ATTRIBUTES, "", [0, 0, 1, 1, 1]),
    row(&["goauth", "https://{}/x/y"], "", "", [0, 1, 1, 1, 1]),
    Row { told: Stdout, ..row(&["google", URL], "", "\"code\":\"LOGIN_REQUIRED\"", [0, 0, 0, 0, 0]) },
    row(&["keyring", "get", URL, "--mode", "creds"], "", "", [1, 1, 1, 1, 1]),
    row(&["kubectl", URL], "", "", [2, 2, 5, 5, 4]),
    row(&["kubelet"], "{\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\
        \"kind\":\"CredentialProviderRequest\",\"image\":\"{}/app\"}", "\"auth\":{}}\n", [0, 2, 5, 5, 4]),
    row(&["netrc", URL], "", "", [2, 2, 5, 5, 4]),
    row(&["nuget", "-Uri", "https://{}/x"], "", "", [1, 1, 1, 1, 1]),
    Row { told: Stdout, carries_lines: true, ..row(&["nuget", "-Plugin"], "{\"RequestId\":\"1\",\"Type\":\"Request\",\
        \"Method\":\"GetAuthenticationCredentials\",\"Payload\":{\"Uri\":\"https://{}/x\"}}\n",
        "\"ResponseCode\":\"NotFound\"}}\n", [0, 0, 0, 0, 0]) },
    row(&["pnpm", URL], "", "", [2, 2, 5, 5, 4]),
    Row { lines: "bearer.example", ..row(&["terraform", "get", "{}"], "", "{}\n", [0, 1, 1, 1, 1]) },
    row(&["token", URL], "", "", [2, 2, 5, 5, 4]),
    Row { lines: "bearer.example", ..row(&["vault", "get"], "", "", [0, 1, 1, 1, 1]) },
];

impl Row {
    fn ask(&self, sandbox: &Sandbox, host: &str) -> Output {
        let at = |text: &str| text.replacen("{}", host, 1);
        let args: Vec<String> = self.args.iter().map(|arg| at(arg)).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let run = sandbox.keyfob(&args).stdin(at(self.stdin));
        run.env("VAULT_ADDR", format!("https://{host}")).run()
    }

    /// Asks, and has no secret, but this text where the protocol tells failures.
    #[track_caller]
    fn fails(&self, sandbox: &Sandbox, host: &str, case: usize, text: &str) {
        let output = self.ask(sandbox, host);
        let (out, errors) = (String::from_utf8_lossy(&output.stdout).into_owned(), &output.stderr);
        assert_eq!(output.code(), self.codes[case], "{:?}: {out}{errors}", self.args);
        assert!(!out.contains("canary"), "{:?}: {out}", self.args);
        match self.told {
            Stderr => assert!(
                out.is_empty() && errors.contains(text),
                "{:?}: {out}{errors}",
                self.args
            ),
            Stdout => assert!(
                format!("{out}{errors}").contains(text),
                "{:?}: {out}{errors}",
                self.args
            ),
        }
    }
}

/// A home with a session, two sessions, none, and secrets of two lines.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, flow) in [("acme", "key"), ("two", "key"), ("mine", "key"), ("bearer", "static")] {
        let target = format!("[[target]]\nurl = \"https://{name}.example\"\nscheme = \"bearer\"\n");
        sandbox.write_provider(name, &format!("format = 1\n[login]\nflow = \"{flow}\"\n{target}"));
    }
    for profile in ["acme", "two:ann", "two:bob"] {
        let set = sandbox.keyfob(&["set-token", profile]).stdin("canary");
        set.run().expect_success();
    }
    for host in ["lines.example", "bearer.example"] {
        let body = format!("{{\"ServerURL\":\"{host}\",\"Username\":\"ann\",\"Secret\":\"canary\\nx\"}}");
        sandbox.keyfob(&["docker", "store"]).stdin(body).run().expect_success();
    }
    sandbox
}

#[test]
fn hit_each_protocol_is_in_the_table() {
    let asked: BTreeSet<&str> = ROWS.iter().map(|row| row.args[0]).collect();
    let all = keyfob::protocol::TABLE.iter();
    let all: BTreeSet<&str> = all
        .map(|row| if row.name == "keyfob" { "get" } else { row.name })
        .collect();
    assert_eq!(asked, all);
}

#[test]
fn miss_a_place_that_nobody_claims_and_a_login_that_is_needed() {
    let sandbox = home();
    for row in &ROWS {
        let output = row.ask(&sandbox, "nobody.example");
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.code(), row.codes[0], "{:?}: {out}{}", row.args, output.stderr);
        assert!(
            out.contains(row.miss) && out.is_empty() == row.miss.is_empty(),
            "{:?}: {out}",
            row.args
        );
        assert_eq!(
            output.stderr.is_empty(),
            row.codes[0] != 2 && !row.args.contains(&"-Uri"),
            "{:?}",
            row.args
        );
        row.fails(&sandbox, "mine.example", 1, "keyfob login mine");
    }
}

#[test]
fn miss_says_a_place_without_the_secrets_of_its_url() {
    let sandbox = home();
    for row in &ROWS {
        for host in [
            "nobody.example/x?access_token=canary#canary",
            "ann:canary@nobody.example/x",
            "mine.example/x?access_token=canary",
        ] {
            let output = row.ask(&sandbox, host);
            let out = String::from_utf8_lossy(&output.stdout);
            let told = format!("{out}{}", output.stderr);
            assert!(!told.contains("canary"), "{:?}: {told}", row.args);
        }
    }
    for name in ["token", "aws", "pnpm", "google"] {
        let url = "https://nobody.example/x?access_token=canary#canary";
        let output = sandbox.keyfob(&[name, url]).run();
        let out = String::from_utf8_lossy(&output.stdout);
        let told = format!("{out}{}", output.stderr);
        assert!(told.contains("for `https://nobody.example/x`"), "{name}: {told}");
    }
}

#[test]
fn two_accounts_are_named_by_every_protocol() {
    let sandbox = home();
    for row in &ROWS {
        row.fails(&sandbox, "two.example", 2, "two:ann, two:bob");
    }
}

#[test]
fn malformed_a_secret_of_two_lines_is_whole_or_not_there() {
    let sandbox = home();
    for row in &ROWS {
        if row.carries_lines {
            let output = row.ask(&sandbox, row.lines).expect_code(row.codes[3]);
            assert!(
                output.text().contains("\"canary\\nx\""),
                "{:?}: {}",
                row.args,
                output.text()
            );
        } else {
            row.fails(&sandbox, row.lines, 3, "keyfob: ");
        }
    }
}

#[test]
fn locked_machines_say_so_by_every_protocol() {
    let sandbox = home();
    gate::set(&sandbox);
    sandbox.keyfob(&["lock"]).run().expect_success();
    for row in &ROWS {
        row.fails(&sandbox, "acme.example", 4, "run `keyfob unlock`");
    }
}

/// Arguments, variable, input, exit code, and what the answer has on the stream where the protocol tells it.
type Wrong = (
    &'static [&'static str],
    &'static str,
    &'static str,
    i32,
    Told,
    &'static str,
);

/// Requests that are malformed, of another version, or for an operation that there is none of.
#[rustfmt::skip]
const WRONG: &[Wrong] = &[
    (&["get"], "", "x\n", 64, Stderr, "a line has no `=`"),
    (&["ansible", "acme"], "", "", 1, Stderr, "expected `--vault-id`"),
    (&["askpass", "Password:"], "", "", 1, Stderr, "none that keyfob knows"),
    (&["aws"], "", "", 64, Stderr, "expected one profile or URL"),
    (&["bazel", "get"], "", "{", 1, Stderr, "reading the request"),
    (&["bazel", "put"], "", "{}", 1, Stderr, "the command is not `get`"),
    (&["cargo", "--cargo-plugin"], "", "{\n", 0, Stdout, "\"kind\":\"other\""),
    (&["cargo", "--cargo-plugin"], "", "{\"v\":2,\"kind\":\"get\"}\n", 0, Stdout, "expected version 1"),
    (&["cargo", "--cargo-plugin"], "", "{\"v\":1,\"kind\":\"put\"}\n", 0, Stdout, "operation-not-supported"),
    (&["cargo", "put"], "", "", 64, Stderr, "usage: "),
    (&["docker", "get"], "", "", 1, Stdout, "no credentials server URL\n"),
    (&["docker", "put"], "", "", 1, Stdout, "usage: "),
    (&["git", "get"], "", "x\n", 1, Stderr, "a line has no `=`"),
    (&["git", "put"], "", "url=https://acme.example\n\n", 0, Stderr, ""),
    (&["goauth", "a", "b"], "", "", 1, Stderr, "expected a profile and a URL at most"),
    (&["google"], "", "", 0, Stdout, "\"code\":\"USAGE\""),
    (&["keyring", "put", "a", "b"], "", "", 2, Stderr, "argument operation: invalid choice"),
    (&["kubectl", "acme"], "{", "", 64, Stderr, "expected a JSON object"),
    (&["kubectl", "acme"], "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1alpha1\"}",
        "", 64, Stderr, "expected the version `v1` or `v1beta1`"),
    (&["kubelet"], "", "{", 64, Stderr, "expected a JSON object"),
    (&["kubelet"], "", "{\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v2\",\
        \"kind\":\"CredentialProviderRequest\",\"image\":\"acme.example/app\"}", 64, Stderr, "expected version `v1`"),
    (&["netrc", "acme"], "", "", 64, Stderr, "no scheme"),
    (&["nuget", "-Plugin"], "", "{\n", 1, Stdout, "reading a message"),
    (&["nuget", "-Plugin"], "", "{\"RequestId\":\"1\",\"Type\":\"Request\",\"Method\":\"Handshake\",\"Payload\":\
        {\"ProtocolVersion\":\"9.0.0\",\"MinimumProtocolVersion\":\"9.0.0\"}}\n", 0, Stdout, "\"ResponseCode\":\"Error\""),
    (&["nuget", "-Plugin"], "", "{\"RequestId\":\"1\",\"Type\":\"Request\",\"Method\":\"Put\",\"Payload\":{}}\n",
        0, Stdout, "\"Type\":\"Fault\""),
    (&["nuget", "-Put"], "", "", 1, Stderr, "an option is not known"),
    (&["pnpm", "a", "b"], "", "", 64, Stderr, "expected one profile or URL"),
    (&["terraform", "store", "acme.example"], "", "{", 1, Stderr, "expected a JSON object"),
    (&["terraform", "put", "acme.example"], "", "", 1, Stderr, "the operation is not"),
    (&["token"], "", "", 64, Stderr, "expected a profile or URL"),
    (&["token", "acme", "--put"], "", "", 64, Stderr, "an option is not known"),
    (&["vault", "store"], "", "", 1, Stderr, "not a token of visible ASCII"),
    (&["vault", "put"], "", "", 1, Stderr, "the operation is not"),
];

#[test]
fn malformed_requests_other_versions_and_unknown_operations_get_their_protocols_word() {
    let sandbox = home();
    for (args, question, stdin, code, told, text) in WRONG {
        let run = sandbox.keyfob(args).env("KUBERNETES_EXEC_INFO", *question);
        let output = run.stdin(*stdin).run();
        let (out, errors) = (String::from_utf8_lossy(&output.stdout).into_owned(), &output.stderr);
        assert_eq!(output.code(), *code, "{args:?}: {out}{errors}");
        assert!(!out.contains("canary"), "{args:?}: {out}");
        match told {
            Stderr => assert!(out.is_empty() && errors.contains(text), "{args:?}: {out}{errors}"),
            Stdout => assert!(format!("{out}{errors}").contains(text), "{args:?}: {out}{errors}"),
        }
    }
    let asked: BTreeSet<&str> = WRONG.iter().map(|row| row.0[0]).collect();
    let all: BTreeSet<&str> = ROWS.iter().map(|row| row.args[0]).collect();
    assert_eq!(asked, all);
}
