//! The flows of the table: a provider file, a way to go through with the login, and what is expected of each case.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http_server::form;
use crate::sandbox::{Output, Sandbox};

/// A flow.
pub(super) struct Flow {
    /// Its word in a provider file.
    pub word: &'static str,
    /// The provider file `acme`, of a server at this URL.
    pub file: fn(&str) -> String,
    /// Logs in, and plays the person.
    pub drive: fn(&Sandbox) -> Output,
    /// The answer that gives this token.
    pub good: fn(&str) -> Value,
    /// What the service says when it refuses, and its status.
    pub denied: &'static str,
    pub denied_status: u16,
    /// The exit code of each case, in the order of the table.
    pub codes: &'static [i32],
}

const DEADLINE: Duration = Duration::from_secs(120);

pub(super) const FLOWS: &[Flow] = &[
    Flow {
        word: "aws-web-identity",
        file: |url| {
            let role = "[aws]\nrole = \"arn:aws:iam::123456789012:role/build\"";
            oauth(
                url,
                "aws-web-identity",
                &format!("[grant]\nsubject_token = \"file:~/job\"\n{role}"),
            )
        },
        drive: with_job,
        good: |secret| {
            json!({ "AssumeRoleWithWebIdentityResponse": { "AssumeRoleWithWebIdentityResult": { "Credentials": {
                "AccessKeyId": "ASIACANARY", "SecretAccessKey": secret, "SessionToken": "canary-token",
                "Expiration": 4_000_000_000_u32,
            } } } })
        },
        denied: "ExpiredTokenException",
        denied_status: 400,
        codes: &[0, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
    },
    Flow {
        word: "browser",
        file: |url| oauth(url, "browser", &format!("authorization_endpoint = \"{url}/authorize\"")),
        drive: browser,
        good: tokens,
        denied: "invalid_grant",
        denied_status: 400,
        codes: &[0, 2, 3, 3, 3, 1, 3, 3, 3, 1, 1, 1],
    },
    Flow {
        word: "client-credentials",
        file: |url| oauth(url, "client-credentials", "client_secret = \"hush\""),
        drive: |sandbox| login(sandbox, &[], ""),
        good: tokens,
        denied: "invalid_client",
        denied_status: 401,
        codes: &[0, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
    },
    Flow {
        word: "jwt-bearer",
        file: |url| oauth(url, "jwt-bearer", "[grant]\nsubject_token = \"file:~/job\""),
        drive: with_job,
        good: tokens,
        denied: "invalid_grant",
        denied_status: 400,
        codes: &[0, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
    },
    Flow {
        word: "token-exchange",
        file: |url| oauth(url, "token-exchange", "[grant]\nsubject_token = \"file:~/job\""),
        drive: with_job,
        good: |access| {
            let mut body = tokens(access);
            body["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token".into();
            body
        },
        denied: "access_denied",
        denied_status: 400,
        codes: &[0, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
    },
    Flow {
        word: "device",
        file: |url| {
            oauth(
                url,
                "device",
                &format!("device_authorization_endpoint = \"{url}/device\""),
            )
        },
        drive: |sandbox| login(sandbox, &["--no-browser"], ""),
        good: tokens,
        denied: "access_denied",
        denied_status: 400,
        codes: &[0, 2, 2, 2, 2, 1, 2, 2, 2, 1, 1, 1],
    },
    Flow {
        word: "poll",
        file: |url| {
            let service = format!(
                "[poll]\npage = \"https://acme.example/cli\"\ninterval_secs = 1\nlimit_secs = 4\n\
                 [poll.retrieve]\nurl = \"{url}/give\"\n\
                 body = {{ state = \"{{state}}\", code_verifier = \"{{verifier}}\" }}\n\
                 [poll.retrieve.reply]\naccess_token = \"/access_token\"\n"
            );
            file(url, "poll", &service)
        },
        drive: |sandbox| login(sandbox, &["--no-browser"], ""),
        good: tokens,
        denied: "access_denied",
        denied_status: 403,
        // What is surely not the service leaves the code good, and is asked about again.
        codes: &[0, 2, 3, 3, 3, 1, 3, 3, 3, 1, 1, 1],
    },
    Flow {
        word: "email-otp",
        file: |url| {
            let service = format!(
                "[otp.send]\nurl = \"{url}/send\"\nbody = {{ email = \"{{email}}\" }}\n\
                 [otp.exchange]\nurl = \"{url}/give\"\nbody = {{ email = \"{{email}}\", code = \"{{code}}\" }}\n\
                 [otp.exchange.reply]\naccess_token = \"/access_token\"\n"
            );
            file(url, "email-otp", &service)
        },
        drive: |sandbox| login(sandbox, &["--email", "ann@acme.example", "--code", "123 456"], ""),
        good: tokens,
        denied: "invalid_code",
        denied_status: 401,
        // What is surely not the service leaves the code good, and is asked about again.
        codes: &[0, 2, 3, 3, 3, 1, 3, 3, 3, 1, 1, 1],
    },
    Flow {
        word: "key",
        file: |url| file(url, "key", ""),
        drive: |sandbox| login(sandbox, &["--with-token"], "canary-key"),
        good: |_| json!({ "sub": "ann" }),
        denied: "invalid_token",
        denied_status: 401,
        codes: &[0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1],
    },
];

fn tokens(access: &str) -> Value {
    json!({ "access_token": access, "token_type": "bearer", "expires_in": 3600 })
}

fn file(url: &str, flow: &str, more: &str) -> String {
    format!(
        "format = 1\n[login]\nflow = \"{flow}\"\n{more}\n[whoami]\nurl = \"{url}/me\"\n\
         [[target]]\nurl = \"https://acme.example\"\nscheme = \"bearer\"\n"
    )
}

fn oauth(url: &str, flow: &str, more: &str) -> String {
    let keys = format!("[oauth]\nclient_id = \"acme-cli\"\ntoken_endpoint = \"{url}/give\"\n{more}\n");
    file(url, flow, &keys)
}

fn login(sandbox: &Sandbox, more: &[&str], stdin: &str) -> Output {
    let args = [&["login", "acme"], more].concat();
    sandbox.keyfob(&args).stdin(stdin).deadline(DEADLINE).run()
}

/// Logs in where the machine has a token of its own.
fn with_job(sandbox: &Sandbox) -> Output {
    sandbox.write("job", "canary.job.token");
    login(sandbox, &[], "")
}

/// Waits for the page, and sends the code to the address that it leads back to.
fn browser(sandbox: &Sandbox) -> Output {
    let mut running = sandbox
        .keyfob(&["login", "acme", "--no-browser"])
        .deadline(DEADLINE)
        .spawn();
    let end = Instant::now() + DEADLINE;
    let query = loop {
        let text = running.stderr_so_far();
        let line = text
            .split_inclusive('\n')
            .find(|line| line.contains("/authorize?") && line.ends_with('\n'));
        if let Some((_, query)) = line.and_then(|line| line.trim().split_once('?')) {
            break query.to_owned();
        }
        assert!(running.is_running() && Instant::now() < end, "no page: {text}");
        std::thread::sleep(Duration::from_millis(5));
    };
    let field = |name: &str| {
        let found = form(query.as_bytes()).into_iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value).unwrap_or_default()
    };
    let (redirect, state) = (field("redirect_uri"), field("state"));
    let (host, path) = redirect
        .strip_prefix("http://")
        .and_then(|url| url.split_once('/'))
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!("GET /{path}?code=canary-code&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    // The page comes when the login has ended.
    let _ = stream.read_to_end(&mut Vec::new());
    running.wait()
}
