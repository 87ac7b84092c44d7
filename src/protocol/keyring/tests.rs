//! keyring's command line without a store.

use super::*;
use crate::protocol::desk::{Desk, Served, credential, found};

fn served(line: &str, input: &str, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
    let words: Vec<&str> = ["keyring"].into_iter().chain(line.split_whitespace()).collect();
    let desk = Desk {
        words: &words,
        input: input.as_bytes(),
        vars: &[],
    };
    desk.serve(ask)
}

fn kept(username: &str, secret: &str) -> Answer {
    let mut credential = credential(Some(username), secret, None);
    credential.source = Source::Store {
        store: "file",
        profile: None,
    };
    Answer::Found(Box::new(credential))
}

fn printed(line: &str, answer: &Answer) -> Served {
    served(line, "", &mut |_| Ok(answer.clone()))
}

#[test]
fn each_form_has_what_its_reader_expects() {
    let answer = found(Some("ann"), "canary", None);
    for (line, expected) in [
        ("get svc ann", "canary\n"),
        ("get svc --mode creds", "ann\ncanary\n"),
        (
            "--mode=creds --output=json get svc",
            "{\"username\":\"ann\",\"password\":\"canary\"}\n",
        ),
        ("--output json get svc ann", "{\"password\":\"canary\"}\n"),
    ] {
        let served = printed(line, &answer);
        assert_eq!(
            (served.status, served.output.as_str(), served.errors.as_str()),
            (0, expected, ""),
            "{line}"
        );
    }
    let nameless = printed("get svc --mode creds", &found(None, "canary", None));
    assert_eq!(nameless.output, "__token__\ncanary\n");
}

#[test]
fn a_miss_is_silent_and_has_status_one() {
    for answer in [Answer::Absent, Answer::Declined] {
        for line in ["get https://a.example u", "get svc --mode creds", "del svc u"] {
            let served = printed(line, &answer);
            assert_eq!(
                (served.status, served.output, served.errors),
                (1, String::new(), String::new()),
                "{line}"
            );
        }
    }
}

#[test]
fn a_secret_of_two_lines_is_printed_as_json_alone() {
    for secret in ["canary\nx", "canary\r", "can\0ary"] {
        let answer = found(Some("ann"), secret, None);
        let plain = printed("get svc ann", &answer);
        assert_eq!((plain.status, plain.output.as_str()), (1, ""));
        assert!(plain.errors.contains("--output json") && !plain.errors.contains("canary"));
        assert_eq!(printed("get svc ann --output json", &answer).status, 0);
    }
    assert_eq!(
        printed("get svc --mode creds", &found(Some("a\nb"), "canary", None)).status,
        1
    );
}

#[test]
fn a_service_is_a_target_or_a_name() {
    for (text, expected, user) in [
        ("https://a.example/simple/", "https://a.example/simple", None),
        ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080", None),
        (
            "https://ann%40b@a.example/simple?x=1#y",
            "https://a.example/simple",
            Some("ann@b"),
        ),
        ("https://ann:canary@a.example", "https://a.example", Some("ann")),
        ("https://a.example/x@y", "https://a.example/x@y", None),
        ("a.example", "keyring:///a.example", None),
        ("a.example:8080", "keyring:///a.example:8080", None),
        ("poetry-repository-acme", "keyring:///poetry-repository-acme", None),
        ("my app", "keyring:///my app", None),
        ("oci://a.example", "keyring:///oci://a.example", None),
        ("häuser", "keyring:///häuser", None),
    ] {
        let (target, name) = service(text).unwrap_or_else(|error| panic!("{text}: {}", report::lines(&error)));
        assert_eq!(
            (target.to_string().as_str(), name.as_deref()),
            (expected, user),
            "{text}"
        );
    }
    for text in [
        "",
        "a\nb",
        "https://",
        "https://a b/",
        "https://evil.example\\.a.example",
    ] {
        assert!(service(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_name_of_nobody_gets_a_session_and_nobodys_password() {
    let session = found(Some("ann"), "canary", None);
    for answer in [session.clone(), kept("ann", "canary")] {
        let mut asked = Vec::new();
        let served = served("get https://a.example __token__", "", &mut |request| {
            asked.push(request.username.clone());
            Ok(if request.username.is_none() {
                answer.clone()
            } else {
                Answer::Absent
            })
        });
        assert_eq!(asked, [Some("__token__".to_owned()), None]);
        assert_eq!(served.status, u8::from(answer != session));
    }
    let mut count = 0;
    served("get https://a.example bob", "", &mut |_| {
        count += 1;
        Ok(Answer::Absent)
    });
    assert_eq!(count, 1);
}

#[test]
fn one_line_end_is_no_part_of_a_password() {
    for (input, expected) in [("canary", "canary"), ("canary\n", "canary"), ("canary\n\n", "canary\n")] {
        let mut seen = None;
        let served = served("set https://a.example/simple ann", input, &mut |request| {
            seen = request.secret.clone();
            assert_eq!(
                (request.action, request.username.as_deref()),
                (Action::Store, Some("ann"))
            );
            Ok(Answer::Done)
        });
        assert_eq!(
            (served.status, served.output.as_str(), served.errors.as_str()),
            (0, "", "")
        );
        assert_eq!(seen.unwrap().expose(), expected);
    }
    for input in ["", "\n"] {
        assert_eq!(served("set svc ann", input, &mut |_| panic!("asked")).status, 2);
    }
}

#[test]
fn what_would_not_be_kept_is_a_failure() {
    let refused = served("set https://a.example ann", "canary\n", &mut |_| Ok(Answer::Declined));
    assert_eq!((refused.status, refused.output.as_str()), (1, ""));
    assert!(refused.errors.contains("keyfob login") && !refused.errors.contains("canary"));
}

#[test]
fn only_what_was_found_is_forgotten() {
    let mut actions = Vec::new();
    let mut there = true;
    let deleted = served("del https://a.example ann", "", &mut |request| {
        actions.push((
            request.action,
            request.secret.as_ref().map(|secret| secret.expose().to_owned()),
        ));
        if request.action == Action::Erase {
            there = false;
        }
        Ok(if there { kept("ann", "canary") } else { Answer::Absent })
    });
    assert_eq!((deleted.status, deleted.errors.as_str()), (0, ""));
    assert_eq!(actions[1], (Action::Erase, Some("canary".to_owned())));
}

#[test]
fn a_session_is_not_forgotten_by_a_tool() {
    let mut session = credential(Some("ann"), "canary", None);
    session.source = Source::Store {
        store: "file",
        profile: Some("acme:ann".into()),
    };
    let session = Answer::Found(Box::new(session));
    let kept = served("del https://a.example ann", "", &mut |request| {
        assert!(request.secret.is_none());
        Ok(session.clone())
    });
    assert_eq!((kept.status, kept.output.as_str()), (1, ""));
    assert!(kept.errors.contains("keyfob logout acme:ann"), "{}", kept.errors);
}

#[test]
fn bad_words_are_told_as_pythons_parser_does() {
    let bad = served("get svc ann canary", "", &mut |_| panic!("asked"));
    assert_eq!((bad.status, bad.output.as_str()), (2, ""));
    assert!(bad.errors.ends_with("keyring: error: unrecognized arguments\n") && !bad.errors.contains("canary"));
}

#[test]
fn every_failure_is_told_and_has_status_one() {
    for class in [
        Class::Failure,
        Class::Login,
        Class::Temporary,
        Class::Store,
        Class::Refused,
    ] {
        let failed = served("get https://a.example u", "", &mut |_| {
            Err(Error::new(class, "doing it").hint("do that"))
        });
        assert_eq!((failed.status, failed.output.as_str()), (1, ""));
        assert_eq!(failed.errors, "keyfob: error: doing it\nkeyfob: hint: do that\n");
    }
}

#[test]
fn what_needs_no_credential_asks_for_none() {
    for (line, status) in [("--list-backends", 0), ("diagnose", 0), ("--help", 0), ("--disable", 1)] {
        assert_eq!(served(line, "", &mut |_| panic!("asked")).status, status, "{line}");
    }
}
