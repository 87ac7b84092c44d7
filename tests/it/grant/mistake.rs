//! What a provider file of these flows can have wrong, each told with its key and what was expected.

use crate::sandbox::Sandbox;

/// The lines from the fourth on, the line of the mistake, and how the message about it begins.
const MISTAKES: &[(&str, &str, usize, &str)] = &[
    (
        "client-credentials",
        "client_id = \"a\"\n",
        1,
        "oauth.client_secret_env: expected by the flow `client-credentials`",
    ),
    (
        "client-credentials",
        "client_id = \"a\"\nclient_secret = \"canary\"\ntoken_auth = \"none\"\n",
        1,
        "oauth.client_secret_env: expected by the flow",
    ),
    (
        "client-credentials",
        "client_id = \"a\"\ntoken_auth = \"private_key_jwt\"\n",
        1,
        "signing.key_file: expected by `private_key_jwt`",
    ),
    (
        "client-credentials",
        "client_id = \"a\"\ntoken_auth = \"subject_token\"\n",
        1,
        "grant.subject_token: expected",
    ),
    (
        "client-credentials",
        "token_auth = \"canary\"\n",
        6,
        "oauth.token_auth: expected one of basic, body, none, private_key_jwt, subject_token, found another",
    ),
    (
        "client-credentials",
        "client_secret = \"canary\"\nclient_secret_env = \"A\"\n",
        7,
        "oauth.client_secret: expected in one place",
    ),
    (
        "client-credentials",
        "client_secret_env = \"canary canary\"\n",
        6,
        "oauth.client_secret_env: expected names of letters",
    ),
    (
        "client-credentials",
        "client_secret_file = \"canary/relative\"\n",
        6,
        "oauth.client_secret_file: expected a path that begins with",
    ),
    (
        "jwt-bearer",
        "",
        1,
        "signing.key_file: expected by the flow `jwt-bearer`",
    ),
    (
        "jwt-bearer",
        "[signing]\nkey_file = \"/a\"\nkey_env = \"B\"\n",
        8,
        "signing.key_env: expected instead of `key_file`",
    ),
    (
        "jwt-bearer",
        "[signing]\nkey_file = \"/a\"\n[grant.claims]\nscope = \"a\"\nexp = 1\n",
        10,
        "grant.claims: expected claims other than those that keyfob sets",
    ),
    (
        "jwt-bearer",
        "[signing]\nkey_file = \"/a\"\n[grant]\nclaims = { since = 2026-01-01 }\n",
        9,
        "grant.claims: expected a text, number, list or table, found a date",
    ),
    (
        "token-exchange",
        "",
        1,
        "grant.subject_token: expected by the flow `token-exchange`",
    ),
    (
        "client-credentials",
        "client_secret_env = \"A\"\nissuer = \"https://acme.example\"\n",
        1,
        "oauth.client_id: expected by the flow `client-credentials`",
    ),
    (
        "token-exchange",
        "[grant]\nsubject_token = \"exec:canary\"\n",
        7,
        "grant.subject_token: expected `github-actions`",
    ),
    (
        "token-exchange",
        "[grant]\nsubject_token = \"canary\"\n",
        7,
        "grant.subject_token: expected `github-actions`",
    ),
    (
        "token-exchange",
        "[grant]\nsubject_token = \"env:\"\n",
        7,
        "grant.subject_token: expected names of letters",
    ),
    (
        "token-exchange",
        "[grant]\nsubject_token = \"file:canary\"\n",
        7,
        "grant.subject_token: expected a path",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_and_key() {
    let sandbox = Sandbox::new();
    for (flow, text, line, says) in MISTAKES {
        let head = "format = 1\n[login]\nflow = ";
        let text = format!("{head}\"{flow}\"\n[oauth]\ntoken_endpoint = \"https://acme.example/token\"\n{text}");
        let path = sandbox.write_provider("acme", &text);
        let output = sandbox.keyfob(&["provider", "check", "acme"]).run().expect_code(64);
        let place = format!("{}:{line}: {says}", path.display());
        assert!(output.stderr.contains(&place), "{place}\n{}", output.stderr);
    }
}
