//! Every login flow against everything that the one who gives the credential may answer: one table, none left out.
//!
//! What is special to a flow is tested in a file of its own. Here each answers the same questions, and the table is printed
//! whether the test fails or not, so that a reader sees what was tried. A flow that is not in the table fails the test.

mod flows;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::http_server::{Reply, Server};
use crate::sandbox::{Output, Sandbox};
use flows::{FLOWS, Flow};

/// What the one who gives the credential answers, always the same.
struct Case {
    name: &'static str,
    reply: fn(&Flow, &str) -> Reply,
}

/// What a terminal would act on, in a text of a server.
const ESCAPES: &str = "no\u{1b}]0;evil\u{7}\u{9b}2J\u{202e}";

const CASES: &[Case] = &[
    Case {
        name: "granted",
        reply: |flow, _| Reply::json(200, &(flow.good)("canary-access")),
    },
    Case {
        name: "denied",
        reply: |flow, _| {
            let body = json!({
                "error": flow.denied, "error_description": ESCAPES, "message": ESCAPES,
                "Error": { "Code": flow.denied, "Message": ESCAPES },
            });
            Reply::json(flow.denied_status, &body)
        },
    },
    Case {
        name: "503",
        reply: |_, _| Reply::error(503, "temporarily_unavailable").with("Retry-After", "1"),
    },
    Case {
        name: "429",
        reply: |_, _| Reply::error(429, "slow").with("Retry-After", "1"),
    },
    Case {
        name: "HTML",
        reply: |_, _| Reply::text(200, "text/html", "<html><title>Sign in</title>canary-page</html>"),
    },
    Case {
        name: "no JSON",
        reply: |_, _| Reply::text(200, "application/json", "{\"access_token\": \"canary"),
    },
    Case {
        name: "redirect",
        reply: |_, url| Reply::redirect(307, &format!("{url}/trap")),
    },
    Case {
        name: "dropped",
        reply: |_, _| Reply::Drop,
    },
    Case {
        name: "2 MiB",
        reply: |flow, _| {
            let mut body = (flow.good)("canary-access");
            body["padding"] = "x".repeat(2 * 1024 * 1024).into();
            Reply::json(200, &body)
        },
    },
    Case {
        name: "no token",
        reply: |_, _| Reply::json(200, &json!({ "token_type": "bearer" })),
    },
    Case {
        name: "line end",
        reply: |flow, _| Reply::json(200, &(flow.good)("canary\nprotocol=https")),
    },
    Case {
        name: "no text",
        reply: |flow, _| {
            let mut body = (flow.good)("canary");
            for value in body.as_object_mut().unwrap().values_mut() {
                *value = json!([{ "deep": 1 }]);
            }
            Reply::json(200, &body)
        },
    },
];

/// What a run came to, as the table has it: its exit code.
fn play(flow: &Flow, case: &Case) -> (Output, Sandbox, BTreeMap<String, usize>) {
    let hits = Arc::<Mutex<BTreeMap<String, usize>>>::default();
    let reply = Arc::<Mutex<Option<Reply>>>::default();
    let (seen, given, word) = (Arc::clone(&hits), Arc::clone(&reply), flow.word);
    let server = Server::start(move |request| {
        *seen.lock().unwrap().entry(request.path.clone()).or_default() += 1;
        match request.path.as_str() {
            "/give" => given.lock().unwrap().clone().expect("the case is set"),
            "/device" => Reply::json(
                200,
                &json!({
                    "device_code": "canary-device", "user_code": "WDJB-MJHT", "expires_in": 6, "interval": 1,
                    "verification_uri": "https://acme.example/activate",
                }),
            ),
            "/me" if word == "key" => given.lock().unwrap().clone().expect("the case is set"),
            "/me" => Reply::json(200, &json!({ "sub": "ann" })),
            _ => Reply::error(404, "nothing_here"),
        }
    });
    *reply.lock().unwrap() = Some((case.reply)(flow, &server.url()));
    let sandbox = Sandbox::new();
    sandbox.write_provider("acme", &(flow.file)(&server.url()));
    let output = (flow.drive)(&sandbox);
    let hits = hits.lock().unwrap().clone();
    (output, sandbox, hits)
}

/// What must hold of any end.
fn check(flow: &Flow, case: &Case) -> i32 {
    let (output, sandbox, hits) = play(flow, case);
    let named = format!("{} × {}: {}", flow.word, case.name, output.stderr);
    assert_eq!(output.text(), "", "{named}");
    let acted_on =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    assert!(!output.stderr.contains(acted_on), "{named}");
    assert!(!hits.contains_key("/trap"), "a redirect was followed: {named}");
    let code = output.code();
    let token = sandbox.keyfob(&["token", "acme"]).run();
    if code == 0 {
        assert!(token.expect_success().text().contains("canary-"), "{named}");
    } else {
        assert!([1, 2, 3, 5].contains(&code), "{code}: {named}");
        assert!(
            output.stderr.starts_with("keyfob: error: ") || output.stderr.contains("\nkeyfob: error: "),
            "{named}"
        );
        assert_ne!(token.code(), 0, "{named}");
        assert!(sandbox.files_with("canary").is_empty(), "something is kept: {named}");
    }
    code
}

#[test]
fn every_flow_meets_every_answer() {
    let all: Vec<&str> = keyfob::config::provider::FLOWS.iter().map(|row| row.word).collect();
    for word in all.iter().filter(|word| **word != "static") {
        assert!(
            FLOWS.iter().any(|flow| flow.word == *word),
            "the flow {word} is not in the table"
        );
    }
    let mut table = format!("{:20}", "exit codes");
    for case in CASES {
        table += &format!("{:>9}", case.name);
    }
    let mut wrong = Vec::new();
    for flow in FLOWS {
        table += &format!("\n{:20}", flow.word);
        let codes: Vec<i32> = std::thread::scope(|scope| {
            let started: Vec<_> = CASES.iter().map(|case| scope.spawn(|| check(flow, case))).collect();
            started
                .into_iter()
                .map(|thread| thread.join().expect("the check holds"))
                .collect()
        });
        for ((case, code), expected) in CASES.iter().zip(&codes).zip(flow.codes) {
            table += &format!("{code:>9}");
            if code != expected {
                wrong.push(format!("{} × {}: {code}, not {expected}", flow.word, case.name));
            }
        }
        assert_eq!(CASES.len(), flow.codes.len());
    }
    // Past the harness, which shows nothing of a test that passes.
    let _ = writeln!(std::io::stderr(), "{table}");
    assert_eq!(wrong, [""; 0]);
}
