//! cargo's messages, one call for several of them.

use super::*;
use crate::protocol::desk::{self, Desk, NOW, Served};
use crate::time::Timestamp;

fn call(words: &[&str], input: &str, vars: &[(&str, &str)], ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
    Desk {
        words,
        input: input.as_bytes(),
        vars,
    }
    .serve(ask)
}

/// One message to a plugin, and the answer behind the greeting.
fn plugin(message: &str, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> (String, String) {
    let served = call(&["cargo-credential-keyfob", "--cargo-plugin"], message, &[], ask);
    assert_eq!(served.status, 0);
    let reply = served.output.strip_prefix("{\"v\":[1]}\n").expect("it greets first");
    (reply.to_owned(), served.errors)
}

fn message(kind: &str, more: &str) -> String {
    format!(
        "{{\"v\":1,\"registry\":{{\"index-url\":\"sparse+https://r.acme.example/index/\",\"name\":\"acme\",\
         \"headers\":[\"WWW-Authenticate: Cargo\"],\"later\":1}},\"kind\":\"{kind}\"{more},\"later\":{{}}}}\n"
    )
}

#[test]
fn a_token_goes_out_as_it_was_given_and_a_sessions_with_its_scheme() {
    for (username, authtype, secret, expected) in [
        (None, Some("Bearer"), "canary-t", "Bearer canary-t"),
        (Some(""), None, "canary-t", "canary-t"),
        (None, None, "canary-t x", "canary-t x"),
        (Some("ann"), None, "canary-t", "Basic YW5uOmNhbmFyeS10"),
    ] {
        for operation in ["read", "publish", "yank", "unyank", "owners", "a-future-one"] {
            let more = format!(",\"operation\":\"{operation}\",\"name\":\"x\",\"vers\":\"1.0.0\",\"cksum\":\"00\"");
            let (reply, errors) = plugin(&message("get", &more), &mut |request| {
                assert_eq!(
                    request.target.as_ref().map(Target::to_string).as_deref(),
                    Some("https://r.acme.example/index")
                );
                assert!(request.apart && request.understands.authtype);
                Ok(desk::found(username, secret, authtype))
            });
            let expected = format!(
                "{{\"Ok\":{{\"kind\":\"get\",\"token\":\"{expected}\",\"cache\":\"session\",\"operation_independent\":true}}}}\n"
            );
            assert_eq!((reply, errors), (expected, String::new()));
        }
    }
}

#[test]
fn cargo_learns_when_a_token_ends() {
    let mut credential = desk::credential(None, "canary-t", Some("Bearer"));
    credential.expires_at = Some(Timestamp::from_unix(NOW));
    let found = Answer::Found(Box::new(credential));
    let (reply, _) = plugin(&message("get", ""), &mut |_| Ok(found.clone()));
    assert!(
        reply.contains(&format!("\"cache\":\"expires\",\"expiration\":{NOW},")),
        "{reply}"
    );
}

#[test]
fn requests_are_answered_until_there_are_no_more() {
    let input = [
        message("get", ""),
        "\n".into(),
        message("what", ""),
        "{\n".into(),
        message("get", ""),
    ]
    .concat();
    let mut asked = 0;
    let (replies, _) = plugin(input.trim_end(), &mut |_| {
        asked += 1;
        Ok(Answer::Absent)
    });
    let replies: Vec<&str> = replies.lines().collect();
    let miss = r#"{"Err":{"kind":"not-found"}}"#;
    assert_eq!((asked, replies.len()), (2, 4));
    assert_eq!([replies[0], replies[3]], [miss, miss]);
    assert_eq!(replies[1], r#"{"Err":{"kind":"operation-not-supported"}}"#);
    assert!(
        replies[2].starts_with(r#"{"Err":{"kind":"other","message":"keyfob: "#),
        "{}",
        replies[2]
    );
}

#[test]
fn a_registry_that_the_configuration_does_not_mean_is_the_next_providers() {
    for kind in ["get", "login", "logout"] {
        let elsewhere = message(kind, ",\"token\":\"canary\",\"args\":[\"https://elsewhere.example\"]");
        let answered = plugin(&elsewhere, &mut |_| panic!("asked"));
        assert_eq!(answered.0, "{\"Err\":{\"kind\":\"url-not-supported\"}}\n", "{kind}");
        let unserved = message(kind, ",\"token\":\"canary\",\"args\":[\"acme\"]");
        let answered = plugin(&unserved, &mut |request| {
            assert!(request.wired);
            Ok(Answer::Declined)
        });
        assert_eq!(answered.0, "{\"Err\":{\"kind\":\"url-not-supported\"}}\n", "{kind}");
    }
}

#[test]
fn a_message_that_is_not_understood_asks_nothing_and_shows_no_value() {
    for input in [
        "canary\n".to_owned(),
        "[]\n".into(),
        "{\"v\":2,\"kind\":\"canary\"}\n".into(),
        "{\"v\":\"1\"}\n".into(),
        "{\"v\":1,\"kind\":\"get\"}\n".into(),
        message("get", "").replace("\"index-url\"", "\"url\""),
        message("get", ",\"args\":[\"canary-a\",\"b\"]"),
        message("login", ",\"token\":7"),
        "a".repeat(protocol::MAX_INPUT + 1),
    ] {
        let (reply, errors) = plugin(&input, &mut |_| panic!("asked"));
        assert!(
            reply.contains(r#""kind":"other""#) && !reply.contains("canary"),
            "{reply}"
        );
        assert_eq!(errors, "");
    }
    let file = message("get", "").replace("sparse+https://r.acme.example/index/", "file:///srv/index");
    assert_eq!(
        plugin(&file, &mut |_| panic!("asked")).0,
        "{\"Err\":{\"kind\":\"url-not-supported\"}}\n"
    );
}

#[test]
fn a_failure_is_shown_and_a_missing_login_lets_others_be_asked() {
    let login = || Error::login("there is no session of `acme`").hint("run `keyfob login acme`");
    let (reply, errors) = plugin(&message("get", ""), &mut |_| Err(login()));
    assert_eq!(reply, "{\"Err\":{\"kind\":\"not-found\"}}\n");
    assert!(errors.ends_with("hint: run `keyfob login acme`\n"), "{errors}");
    let expected = "{\"Err\":{\"kind\":\"other\",\"message\":\
                    \"keyfob: there is no session of `acme`; run `keyfob login acme`\",\"caused-by\":[]}}\n";
    let (reply, errors) = plugin(&message("get", ""), &mut |_| Err(login().last()));
    assert_eq!((reply.as_str(), errors.as_str()), (expected, ""));
    for error in [Error::refused("two"), Error::store("locked"), Error::temporary("later")] {
        let mut error = Some(error);
        let (reply, _) = plugin(&message("get", ""), &mut |_| {
            Err(error.take().expect("it is asked once"))
        });
        assert!(reply.contains(r#""kind":"other""#), "{reply}");
    }
}

#[test]
fn what_no_header_carries_is_not_given() {
    for secret in ["", "can\nary", "can\u{7f}ary", "canäry"] {
        let (reply, _) = plugin(&message("get", ""), &mut |_| Ok(desk::found(Some(""), secret, None)));
        assert!(reply.contains(r#""kind":"other""#) && !reply.contains("ary"), "{reply}");
    }
}

#[test]
fn a_login_keeps_the_token_as_it_came() {
    for (given, scheme, kept) in [
        ("canary-t", None, "canary-t"),
        (" canary-t\\n", None, "canary-t"),
        ("Bearer canary-t", Some("Bearer"), "canary-t"),
        ("token canary-t", None, "token canary-t"),
    ] {
        let more = format!(",\"token\":\"{given}\",\"login-url\":\"https://r.acme.example/me\"");
        let mut stored = 0;
        let (reply, _) = plugin(&message("login", &more), &mut |request| {
            assert_eq!((request.action, request.apart), (Action::Store, true));
            if let Some(secret) = &request.secret {
                assert_eq!((secret.expose(), request.authtype.as_deref()), (kept, scheme));
                stored += 1;
            }
            Ok(Answer::Done)
        });
        assert_eq!(
            (reply.as_str(), stored),
            ("{\"Ok\":{\"kind\":\"login\"}}\n", 1),
            "{given}"
        );
    }
    for given in ["", "can\\nary", " "] {
        let (reply, _) = plugin(&message("login", &format!(",\"token\":\"{given}\"")), &mut |request| {
            assert!(request.secret.is_none(), "stored");
            Ok(Answer::Done)
        });
        assert!(reply.contains(r#""kind":"other""#), "{reply}");
    }
    // Without a token the person is asked, and at this desk nobody may be.
    let (reply, _) = plugin(&message("login", ""), &mut |_| Ok(Answer::Done));
    assert!(
        reply.contains("nobody may be asked; run `cargo login` at a terminal"),
        "{reply}"
    );
}

#[test]
fn a_session_is_made_and_ended_by_keyfobs_own_commands() {
    for (kind, more) in [("login", ",\"token\":\"canary-t\""), ("login", ""), ("logout", "")] {
        let (reply, _) = plugin(&message(kind, more), &mut |request| match request.action {
            Action::Store => Ok(Answer::Declined),
            Action::Get => {
                let mut credential = desk::credential(None, "canary-s", Some("Bearer"));
                credential.source = Source::Store {
                    store: "file",
                    profile: Some("acme".into()),
                };
                Ok(Answer::Found(Box::new(credential)))
            }
            _ => panic!("{:?}", request.action),
        });
        assert!(reply.contains(&format!("; run `keyfob {kind} acme`\"")), "{reply}");
    }
}

#[test]
fn a_logout_says_whether_there_was_anything() {
    for (before, expected) in [
        (desk_kept(), "{\"Ok\":{\"kind\":\"logout\"}}\n"),
        (Answer::Absent, "{\"Err\":{\"kind\":\"not-found\"}}\n"),
    ] {
        let mut erased = false;
        let (reply, _) = plugin(&message("logout", ""), &mut |request| {
            erased |= request.action == Action::Erase;
            Ok(if request.action == Action::Get {
                before.clone()
            } else {
                Answer::Done
            })
        });
        assert_eq!((reply.as_str(), erased), (expected, true));
    }
    // What is in a variable stays.
    let (reply, _) = plugin(&message("logout", ""), &mut |request| match request.action {
        Action::Get => Ok(desk::found(None, "canary", Some("Bearer"))),
        Action::Store => Ok(Answer::Done),
        _ => panic!("erased"),
    });
    assert!(reply.contains("unset X"), "{reply}");
}

fn desk_kept() -> Answer {
    let mut credential = desk::credential(Some(""), "canary", None);
    credential.source = Source::Store {
        store: "file",
        profile: None,
    };
    Answer::Found(Box::new(credential))
}

#[test]
fn one_token_on_stdout_is_for_the_index_of_the_variable() {
    let vars = [(INDEX, "sparse+https://r.acme.example/index/")];
    let mut seen = Vec::new();
    for (args, vars, status) in [
        (&["get"][..], &vars[..], 0),
        (&["get", "acme"], &vars, 0),
        (&["get", "sparse+https://r.acme.example/index/"], &vars, 0),
        (&["get", "https://r.acme.example"], &vars, 0),
        (&["get", "sparse+https://r.acme.example/index/"], &[], 0),
        (&["get", "acme"], &[], 0),
        (&["get", "https://elsewhere.example"], &vars, 5),
        (&["get"], &[], 64),
        (&["get", "a", "b"], &vars, 64),
        (&["get", "--what"], &vars, 64),
        (&["put"], &vars, 64),
        (&[], &vars, 64),
    ] {
        let words = [&["keyfob", "cargo"], args].concat();
        let served = call(&words, "nobody reads this", vars, &mut |request| {
            seen.push((request.target.as_ref().map(Target::to_string), request.profile.clone()));
            Ok(desk::found(None, "canary-t", Some("Bearer")))
        });
        let expected = if status == 0 { "Bearer canary-t\n" } else { "" };
        assert_eq!((served.status, served.output.as_str()), (status, expected), "{args:?}");
        assert_eq!(served.errors.is_empty(), status == 0, "{args:?}");
    }
    let index = Some("https://r.acme.example/index".to_owned());
    let acme = Some("acme".to_owned());
    assert_eq!(
        seen,
        [
            (index.clone(), None),
            (index.clone(), acme.clone()),
            (index.clone(), None),
            (index.clone(), None),
            (index, None),
            (None, acme),
        ]
    );
    let miss = call(&["keyfob", "cargo", "get"], "", &vars, &mut |_| Ok(Answer::Absent));
    assert_eq!((miss.status, miss.output.as_str()), (2, ""));
}
