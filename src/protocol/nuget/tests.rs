//! NuGet's protocol without a store, by the messages that its documentation names.

use serde_json::{Value, json};

use super::*;
use crate::protocol::desk::{Desk, NOW, Served, credential, found};
use crate::time::Timestamp;

fn served(line: &str, input: &str, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
    let words: Vec<&str> = ["nuget-plugin-keyfob"]
        .into_iter()
        .chain(line.split_whitespace())
        .collect();
    let desk = Desk {
        words: &words,
        input: input.as_bytes(),
        vars: &[],
    };
    desk.serve(ask)
}

fn request(id: &str, method: &str, payload: &Value) -> String {
    json!({"RequestId": id, "Type": "Request", "Method": method, "Payload": payload}).to_string() + "\n"
}

fn feed(id: &str, url: &str, is_retry: bool) -> String {
    let payload = json!({"Uri": url, "IsRetry": is_retry, "IsNonInteractive": true, "CanShowDialog": false});
    request(id, "GetAuthenticationCredentials", &payload)
}

/// The messages after the greeting.
fn replies(input: &str, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Vec<Value> {
    let served = served("-Plugin", input, ask);
    assert_eq!((served.status, served.errors.as_str()), (0, ""));
    let lines: Vec<Value> = served
        .output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["Method"], "Handshake");
    assert_eq!(lines[0]["Payload"]["ProtocolVersion"], "2.0.0");
    lines[1..].to_vec()
}

fn session(secret: &str) -> Answer {
    let mut credential = credential(Some("ann"), secret, None);
    credential.source = Source::Store {
        store: "file",
        profile: Some("acme:ann".into()),
    };
    Answer::Found(Box::new(credential))
}

#[test]
fn the_greetings_are_answered_by_version() {
    for (highest, least, code) in [
        ("2.0.0", "1.0.0", "Success"),
        ("3.1.0", "2.0.0", "Success"),
        ("2.0.0-beta", "2.0.0", "Success"),
        ("1.0.0", "1.0.0", "Error"),
        ("3.0.0", "3.0.0", "Error"),
        ("x", "1.0.0", "Error"),
    ] {
        let input = request(
            "1",
            "Handshake",
            &json!({"ProtocolVersion": highest, "MinimumProtocolVersion": least}),
        );
        let replies = replies(&input, &mut |_| panic!("asked"));
        assert_eq!(replies[0]["Payload"]["ResponseCode"], code, "{highest} {least}");
        assert_eq!(
            (&replies[0]["RequestId"], &replies[0]["Type"]),
            (&json!("1"), &json!("Response"))
        );
    }
    let refused =
        json!({"RequestId": "keyfob", "Type": "Response", "Method": "Handshake", "Payload": {"ResponseCode": "Error"}});
    let ended = served("-Plugin", &format!("{refused}\n"), &mut |_| panic!("asked"));
    assert_eq!(ended.status, 1);
}

#[test]
fn what_needs_no_credential_is_answered_without_asking() {
    let input = [
        request(
            "a",
            "Initialize",
            &json!({"ClientVersion": "6.0.0", "Culture": "en-US", "RequestTimeout": "00:00:05"}),
        ),
        request("b", "SetLogLevel", &json!({"LogLevel": "Debug"})),
        request("c", "MonitorNuGetProcessExit", &json!({"ProcessId": 1})),
        request(
            "d",
            "SetCredentials",
            &json!({"PackageSourceRepository": "https://a.example", "Password": "canary"}),
        ),
        request(
            "e",
            "GetOperationClaims",
            &json!({"PackageSourceRepository": null, "ServiceIndex": null}),
        ),
        request(
            "f",
            "GetOperationClaims",
            &json!({"PackageSourceRepository": "https://a.example", "ServiceIndex": {}}),
        ),
        request("g", "PrefetchPackage", &json!({})),
        request("h", "Close", &Value::Null),
        request("i", "Initialize", &json!({})),
    ]
    .concat();
    let replies = replies(&input, &mut |_| panic!("asked"));
    let ids: Vec<&str> = replies
        .iter()
        .map(|reply| reply["RequestId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f", "g"], "nothing after Close");
    assert!(
        replies[..4]
            .iter()
            .all(|reply| reply["Payload"] == json!({"ResponseCode": "Success"}))
    );
    assert_eq!(replies[4]["Payload"], json!({"Claims": ["Authentication"]}));
    assert_eq!(replies[5]["Payload"], json!({"Claims": []}));
    assert_eq!(replies[6]["Type"], "Fault");
}

#[test]
fn each_answer_has_its_code() {
    let input = feed("1", "https://pkgs.example/v3/index.json", false);
    let hit = replies(&input, &mut |request| {
        assert_eq!(
            request.target.as_ref().unwrap().to_string(),
            "https://pkgs.example/v3/index.json"
        );
        assert!(request.wide);
        Ok(session("canary"))
    });
    let expected = json!({"Username": "ann", "Password": "canary", "Message": null,
        "AuthenticationTypes": ["Basic"], "ResponseCode": "Success"});
    assert_eq!(hit[0]["Payload"], expected);
    let miss = replies(&input, &mut |_| Ok(Answer::Absent));
    assert_eq!(miss[0]["Payload"]["ResponseCode"], "NotFound");
    let failed = replies(&input, &mut |_| {
        Err(Error::login("no session").hint("run `keyfob login acme`"))
    });
    assert_eq!(failed[0]["Payload"]["ResponseCode"], "Error");
    assert_eq!(
        failed[0]["Payload"]["Message"],
        "keyfob: no session; run `keyfob login acme`"
    );
    let no_feed = replies(&feed("1", "/home/ann/packages", false), &mut |_| panic!("asked"));
    assert_eq!(no_feed[0]["Payload"]["ResponseCode"], "Error");
}

#[test]
fn a_refused_token_is_renewed_and_a_refused_password_kept() {
    let input = feed("1", "https://a.example", false) + &feed("2", "https://a.example", true);
    let mut actions = Vec::new();
    let replies_of = replies(&input, &mut |request| {
        actions.push((
            request.action,
            request.secret.as_ref().map(|secret| secret.expose().to_owned()),
        ));
        Ok(session(if actions.len() > 1 { "canary-2" } else { "canary-1" }))
    });
    assert_eq!(replies_of[1]["Payload"]["Password"], "canary-2");
    assert_eq!(actions[1], (Action::Erase, Some("canary-1".to_owned())));
    let mut kept = credential(Some("ann"), "canary", None);
    kept.source = Source::Store {
        store: "file",
        profile: None,
    };
    let kept = Answer::Found(Box::new(kept));
    replies(&input, &mut |request| {
        assert_eq!(request.action, Action::Get);
        Ok(kept.clone())
    });
}

#[test]
fn what_another_process_gave_is_renewed_where_it_ends() {
    let question = feed("1", "https://a.example", true);
    for (line, input) in [
        ("-Plugin", question.as_str()),
        ("-Uri https://a.example -IsRetry true", ""),
    ] {
        for (end, expected) in [(Some(NOW + 600), "canary-3"), (None, "canary-1")] {
            let mut actions = Vec::new();
            let served = served(line, input, &mut |request| {
                actions.push((request.action, request.secret.clone()));
                let Answer::Found(mut found) = session(&format!("canary-{}", actions.len())) else {
                    panic!("a session is found");
                };
                found.expires_at = end.map(Timestamp::from_unix);
                Ok(Answer::Found(found))
            });
            assert!(served.output.contains(expected), "{line}: {}", served.output);
            let refused = actions.get(1).cloned();
            assert_eq!(
                refused,
                end.map(|_| (Action::Erase, Some(Secret::new("canary-1".into()))))
            );
        }
    }
}

#[test]
fn a_member_that_is_null_is_absent() {
    let payload = json!({"Uri": "https://a.example", "IsRetry": null, "IsNonInteractive": null});
    let input = request("1", "GetAuthenticationCredentials", &payload)
        + &request(
            "2",
            "Initialize",
            &json!({"RequestTimeout": null, "ServiceIndex": null}),
        )
        + &request(
            "3",
            "Handshake",
            &json!({"ProtocolVersion": null, "MinimumProtocolVersion": "1.0.0"}),
        );
    let replies = replies(&input, &mut |_| Ok(session("canary")));
    let codes: Vec<&Value> = replies.iter().map(|reply| &reply["Payload"]["ResponseCode"]).collect();
    assert_eq!(codes, ["Success", "Success", "Error"]);
}

#[test]
fn patience_is_a_time_span() {
    let of = |text: &str| {
        let message = request("1", "Initialize", &json!({"RequestTimeout": text}));
        wire::read(message.as_bytes()).unwrap().payload.patience()
    };
    for (text, millis) in [("00:00:05", 5_000), ("01:02:03.5000000", 3_723_500)] {
        assert_eq!(of(text), Some(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "5", "00:05", "1.00:00:05", "00:00:-5", "00:00:nan", "00:00:00:05"] {
        assert_eq!(of(text), None, "{text}");
    }
}

#[test]
fn what_is_no_message_ends_the_conversation() {
    for input in ["{\n", "[]\n", "{\"RequestId\":\"canary\"}\n", "\u{0}\n"] {
        let ended = served("-Plugin", input, &mut |_| panic!("asked"));
        assert_eq!((ended.status, ended.output.lines().count()), (1, 1), "{input}");
        assert!(ended.errors.contains("reading a message") && !ended.errors.contains("canary"));
    }
}

#[test]
fn a_question_on_the_command_line_is_answered_alone() {
    let answer = found(Some("ann"), "canary", None);
    let line =
        "-Uri https://a.example/simple -IsRetry false -NonInteractive True -CanShowDialog False -OutputFormat Json";
    let json = served(line, "", &mut |_| Ok(answer.clone()));
    assert_eq!(json.output, "{\"Username\":\"ann\",\"Password\":\"canary\"}\n");
    let human = served("-U https://a.example -I -N", "", &mut |_| Ok(answer.clone()));
    assert_eq!(human.output, "Username: ann\nPassword: canary\n");
    let miss = served(line, "", &mut |_| Ok(Answer::Absent));
    assert_eq!((miss.status, miss.output.as_str()), (1, ""));
    for line in [
        "",
        "-Uri",
        "-Uri /x",
        "-What",
        "-Uri https://a.example -OutputFormat xml",
    ] {
        let bad = served(line, "", &mut |_| panic!("asked"));
        assert_eq!((bad.status, bad.output.as_str()), (1, ""), "{line}");
    }
}
