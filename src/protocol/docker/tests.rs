//! docker's protocol without a store.

use proptest::prelude::*;

use super::*;
use crate::model::Request;
use crate::protocol::desk::{Desk, found};

fn call(args: &[&str], input: &[u8], ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> (u8, String) {
    let words = [&["docker-credential-keyfob"], args].concat();
    let served = Desk {
        words: &words,
        input,
        vars: &[],
    }
    .serve(ask);
    assert_eq!(served.errors, "");
    (served.status, served.output)
}

#[test]
fn the_reply_names_the_server_as_it_was_asked_for() {
    for (input, key) in [
        ("Docker.io", "Docker.io"),
        ("docker.io\n", "docker.io"),
        ("docker.io\r\n", "docker.io"),
    ] {
        let (status, output) = call(&["get"], input.as_bytes(), &mut |_| {
            Ok(found(Some("u"), "canary\n\"", None))
        });
        assert_eq!(status, 0);
        assert_eq!(
            output,
            format!("{{\"ServerURL\":\"{key}\",\"Username\":\"u\",\"Secret\":\"canary\\n\\\"\"}}\n")
        );
    }
}

#[test]
fn only_one_line_end_is_not_part_of_the_key() {
    for input in ["docker.io\n\n", "docker.io\r", " docker.io", "a\nb", "docker.io\0"] {
        let (status, output) = call(&["get"], input.as_bytes(), &mut |_| panic!("asked"));
        assert_eq!(status, 1, "{input:?}");
        assert!(output.starts_with("keyfob: reading the request: "), "{output}");
    }
}

#[test]
fn a_miss_is_its_sentence_and_a_failure_never_is() {
    for answer in [Answer::Absent, Answer::Declined, found(None, "canary", Some("Bearer"))] {
        let answered = call(&["get"], b"a.example", &mut |_| Ok(answer.clone()));
        assert_eq!(answered, (1, format!("{NOT_FOUND}\n")));
    }
    let (status, output) = call(&["get"], b"a.example", &mut |_| {
        Err(Error::store(NOT_FOUND).hint("unlock it"))
    });
    assert_eq!((status, output), (1, format!("keyfob: {NOT_FOUND}; unlock it\n")));
}

#[test]
fn a_token_without_user_name_has_one_for_docker() {
    let (_, output) = call(&["get"], b"a.example", &mut |_| Ok(found(None, "canary", None)));
    assert!(output.contains(r#""Username":"oauth2""#), "{output}");
}

#[test]
fn a_store_is_read_as_go_reads_it() {
    for body in [
        r#"{"ServerURL":"a.example","Username":"<token>","Secret":"canary"}"#,
        "{\"serverurl\":\"a.example\",\"USERNAME\":\"<token>\",\"secret\":\"canary\",\"x\":[{}]}\n{\"ServerURL\":1}",
        r#"{"Secret":"x","Secret":"canary","Username":null,"ServerURL":"a.example","Username":"<token>"} junk"#,
    ] {
        let mut asked = None;
        let answered = call(&["store"], body.as_bytes(), &mut |request| {
            asked = Some(request.clone());
            Ok(Answer::Done)
        });
        assert_eq!(answered, (0, String::new()), "{body}");
        let request = asked.unwrap();
        assert_eq!(request.target.unwrap().to_string(), "https://a.example");
        assert_eq!(request.username.as_deref(), Some("<token>"));
        assert_eq!(request.secret.unwrap().expose(), "canary");
    }
}

#[test]
fn a_malformed_store_is_refused_without_its_values() {
    for body in [
        "",
        "canary",
        "[]",
        r#"{"Secret":"canary""#,
        r#"{"Secret":["canary"]}"#,
        r#"{"Username":{"a":"canary"}}"#,
    ] {
        let (status, output) = call(&["store"], body.as_bytes(), &mut |_| panic!("asked"));
        assert_eq!(status, 1);
        assert!(
            output.starts_with("keyfob: reading the request: ") && !output.contains("canary"),
            "{output}"
        );
    }
}

#[test]
fn a_store_without_server_or_user_name_has_its_sentence() {
    for (body, text) in [
        (r#"{"Username":"u","Secret":"canary"}"#, NO_SERVER),
        (r#"{"ServerURL":"","Username":"","Secret":"canary"}"#, NO_SERVER),
        (
            r#"{"ServerURL":"a.example","Username":"","Secret":"canary"}"#,
            NO_USERNAME,
        ),
        (r#"{"ServerURL":"a.example","Secret":"canary"}"#, NO_USERNAME),
    ] {
        assert_eq!(
            call(&["store"], body.as_bytes(), &mut |_| panic!("asked")),
            (1, format!("{text}\n"))
        );
    }
    for operation in ["get", "erase"] {
        assert_eq!(
            call(&[operation], b"\n", &mut |_| panic!("asked")),
            (1, format!("{NO_SERVER}\n"))
        );
    }
}

#[test]
fn a_secret_of_64_kib_is_stored_and_a_longer_one_is_not() {
    let body = |len: usize| {
        format!(
            r#"{{"ServerURL":"a.example","Username":"u","Secret":"{}"}}"#,
            "a".repeat(len)
        )
    };
    assert_eq!(
        call(&["store"], body(MAX_TOKEN).as_bytes(), &mut |_| Ok(Answer::Done)).0,
        0
    );
    let (status, output) = call(&["store"], body(MAX_TOKEN + 1).as_bytes(), &mut |_| panic!("asked"));
    assert_eq!(status, 1);
    assert!(output.contains("64 KiB"));
}

#[test]
fn what_is_not_kept_is_a_failure_but_what_is_not_there_is_erased() {
    let body = r#"{"ServerURL":"a.example","Username":"u","Secret":"canary"}"#;
    assert_eq!(call(&["store"], body.as_bytes(), &mut |_| Ok(Answer::Declined)).0, 1);
    // docker logs in with what it got, and brings that back.
    for (secret, expected) in [("canary", 0), ("canary-2", 1)] {
        let mut asked = Vec::new();
        let (status, text) = call(&["store"], body.as_bytes(), &mut |request| {
            assert!(request.wired);
            asked.push(request.action);
            Ok(match request.action {
                Action::Get => found(Some("token"), secret, None),
                _ => Answer::Declined,
            })
        });
        assert_eq!(status, expected, "{text}");
        assert_eq!(asked[..2], [Action::Store, Action::Get]);
    }
    for answer in [Answer::Absent, Answer::Declined, Answer::Done] {
        assert_eq!(
            call(&["erase"], b"a.example", &mut |_| Ok(answer.clone())),
            (0, String::new())
        );
    }
}

#[test]
fn a_list_is_a_map_of_keys_that_can_be_got() {
    let rows = ["https://index.docker.io/v1", "https://ghcr.io", "ssh://a.example"];
    let rows = rows
        .map(|url| (Target::from_url(url).unwrap(), "u".to_string()))
        .to_vec();
    let (status, output) = call(&["list"], b"unused", &mut |_| Ok(Answer::Listed(rows.clone())));
    assert_eq!(status, 0);
    assert_eq!(output, "{\"ghcr.io\":\"u\",\"https://index.docker.io/v1/\":\"u\"}\n");
    assert_eq!(
        call(&["list"], b"", &mut |_| Ok(Answer::Listed(vec![]))),
        (0, "{}\n".into())
    );
}

#[test]
fn an_unknown_operation_is_a_usage_error() {
    for args in [&[][..], &["GET"], &[""], &["get", "get"]] {
        assert_eq!(call(args, b"", &mut |_| panic!("asked")), (1, USAGE.into()));
    }
    assert_eq!(call(&["version"], b"", &mut |_| panic!("asked")), (0, VERSION.into()));
    assert_eq!(call(&["-h"], b"", &mut |_| panic!("asked")), (0, USAGE.into()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&input);
        let _ = read_key(&input);
    }

    #[test]
    fn what_is_answered_reads_back_the_same(username in ".{1,20}", secret in ".{0,40}") {
        let Answer::Found(credential) = found(Some(&username), &secret, None) else { unreachable!() };
        let body = decode(&encode("a.example", &credential)).unwrap();
        prop_assert_eq!((body.server.as_str(), &body.username), ("a.example", &username));
        prop_assert_eq!(body.secret, credential.secret);
    }

    #[test]
    fn a_key_of_any_text_never_has_another_host(key in "[a-z@/:.?#%\\\\ \n]{0,20}") {
        if let Ok(target) = key::to_target(&key) {
            prop_assert!(target.host() == "index.docker.io" || key.contains(target.host()));
        }
    }
}
