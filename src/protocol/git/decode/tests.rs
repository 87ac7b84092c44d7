//! What is taken from a request, and what is refused.

use proptest::prelude::*;

use super::super::encode::encode;
use super::*;
use crate::model::{Credential, Source};

fn ask(action: Action, dialect: Dialect, input: &[u8]) -> Result<Option<Request>> {
    decode(input, action, dialect).map(|question| match question {
        Question::Ask(request) => Some(*request),
        Question::Nothing => None,
    })
}

fn git(action: Action, lines: &str) -> Option<Request> {
    ask(
        action,
        Dialect::Git,
        format!("protocol=https\nhost=a.example\n{lines}").as_bytes(),
    )
    .unwrap()
}

fn refused(action: Action, input: &[u8]) -> String {
    match ask(action, Dialect::Native, input) {
        Ok(_) => panic!("accepted: {}", String::from_utf8_lossy(input)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_request_without_host_or_protocol_is_refused_by_name() {
    for (input, part) in [
        ("", "`protocol`"),
        ("\n", "`protocol`"),
        ("protocol=https\n", "`host`"),
        ("host=a.example\n", "`protocol`"),
        ("username=u\n", "`protocol`"),
        ("profile=p\nhost=a.example\n", "`protocol`"),
        ("profile=p\npath=x\n", "`protocol`"),
    ] {
        assert_eq!(
            refused(Action::Erase, input.as_bytes()),
            format!("reading the request: {part} is missing")
        );
    }
}

#[test]
fn an_empty_host_or_protocol_names_nothing() {
    for input in [
        "protocol=https\nhost=\n",
        "protocol=\nhost=a.example\n",
        "protocol=\nhost=\n",
    ] {
        for action in [Action::Get, Action::Store, Action::Erase] {
            assert!(ask(action, Dialect::Git, input.as_bytes()).unwrap().is_none());
        }
    }
    let certificate = "protocol=cert\nhost=\npath=/home/ann/key.pem\n";
    assert!(
        ask(Action::Get, Dialect::Git, certificate.as_bytes())
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_single_attribute_stands_once_even_if_equal() {
    for key in GIT_KEYS.iter().chain(&NATIVE_KEYS) {
        let input = format!("{key}=1\n{key}=1\n");
        assert!(
            refused(Action::Get, input.as_bytes()).contains("more than once"),
            "{key}"
        );
    }
}

#[test]
fn control_characters_are_refused_and_nothing_is_trimmed() {
    for c in [
        '\u{b}', '\u{c}', '\u{1b}', '\u{1c}', '\u{1f}', '\u{7f}', '\u{85}', '\u{9b}', '\t',
    ] {
        for input in [
            format!("protocol=https\nhost=a.example{c}\n"),
            format!("protocol=https{c}\nhost=a.example\n"),
            format!("protocol=https\nhost=a.example\nusername={c}u\n"),
            format!("protocol=https\nhost=a.example\npath=x{c}\n"),
        ] {
            refused(Action::Get, input.as_bytes());
        }
    }
    for space in ["\u{a0}", "\u{2028}", "\u{2029}", "\u{feff}", "\u{3000}", " "] {
        refused(
            Action::Get,
            format!("protocol=https\nhost=a.example{space}\n").as_bytes(),
        );
        let request = git(Action::Get, &format!("username={space}u\n")).unwrap();
        assert_eq!(request.username, Some(format!("{space}u")));
    }
}

#[test]
fn invalid_utf8_is_refused_where_it_matters_and_nowhere_else() {
    for key in ["protocol", "host", "path", "username", "password"] {
        let mut input = b"protocol=https\nhost=a.example\nusername=u\n".to_vec();
        input = String::from_utf8(input)
            .unwrap()
            .replace(&format!("{key}="), "x=")
            .into_bytes();
        input.extend_from_slice(key.as_bytes());
        input.extend_from_slice(b"=\xff\n");
        refused(Action::Store, &input);
    }
    let input = b"protocol=https\nhost=a.example\nwwwauth[]=\xff\n\xff=\xff\n";
    assert!(ask(Action::Get, Dialect::Git, input).unwrap().is_some());
}

#[test]
fn unknown_attributes_are_ignored() {
    let lines = "foo=bar\nfoo[]=1\ncapability[]=zzz\n=x\nquit=1\ncontinue=1\nstate[]=other:1\nhost =x\nHost=x\n";
    let request = git(Action::Get, lines).unwrap();
    assert_eq!(request.target.unwrap().host(), "a.example");
    assert_eq!((request.understands, request.mark), (Understands::default(), None));
}

#[test]
fn attributes_of_keyfob_are_unknown_to_git() {
    let lines = "protocol=https\nhost=a.example\nprofile=p\nscope=a  b\nvalid_for=90\ninteractive=yes\n";
    let request = ask(Action::Get, Dialect::Git, lines.as_bytes()).unwrap().unwrap();
    assert_eq!(
        (request.profile, request.scopes, request.interactive),
        (None, vec![], false)
    );
    let request = ask(Action::Get, Dialect::Native, lines.as_bytes()).unwrap().unwrap();
    assert_eq!((request.profile.as_deref(), request.interactive), (Some("p"), true));
    assert_eq!(
        (request.scopes, request.valid_for_secs),
        (vec!["a".to_string(), "b".into()], Some(90))
    );
}

#[test]
fn an_empty_list_value_resets_the_list() {
    let request = git(
        Action::Get,
        "capability[]=authtype\ncapability[]=\ncapability[]=state\n",
    )
    .unwrap();
    assert!(!request.understands.authtype && request.understands.state);
    let request = git(
        Action::Store,
        "username=u\npassword=canary\nstate[]=keyfob:1\nstate[]=\n",
    )
    .unwrap();
    assert_eq!(request.mark, None);
}

#[test]
fn a_url_stands_alone_and_gives_user_and_password() {
    let read = |input: &str| ask(Action::Store, Dialect::Git, input.as_bytes());
    let request = read("url=https://u%40x:can%61ry@a.example:8443/p\n").unwrap().unwrap();
    assert_eq!(request.target.unwrap().to_string(), "https://a.example:8443/p");
    assert_eq!(request.username.as_deref(), Some("u@x"));
    assert_eq!(request.secret.unwrap().expose(), "canary");
    for beside in [
        "host=a.example",
        "protocol=https",
        "path=x",
        "username=u",
        "password=canary",
    ] {
        assert!(
            read(&format!("url=https://u:canary@a.example\n{beside}\n")).is_err(),
            "{beside}"
        );
    }
    for url in [
        "https://evil.example%0ahost=victim.example/",
        "https:///x",
        "victim.example/x",
        "https://u%0a@a.example",
        "https://a.example/?q",
        "https://a.example/#f",
        r"https://evil.com\.github.com/",
    ] {
        assert!(read(&format!("url={url}\n")).is_err(), "{url}");
    }
}

#[test]
fn an_incomplete_credential_is_not_stored() {
    for lines in [
        "",
        "username=u\n",
        "password=canary\n",
        "authtype=Bearer\nusername=u\n",
        "credential=canary\nusername=u\n",
    ] {
        assert!(git(Action::Store, lines).is_none(), "{lines:?}");
    }
    let empty = git(Action::Store, "username=\npassword=\n").unwrap();
    assert_eq!(
        (empty.username.as_deref(), empty.secret.map(|s| s.len())),
        (Some(""), Some(0))
    );
    assert!(
        git(Action::Store, "authtype=Bearer\ncredential=canary\n")
            .unwrap()
            .authtype
            .is_some()
    );
    let input = b"protocol=https\nhost=a.example\npassword=canary\n";
    assert!(refused(Action::Store, input).contains("`username`"));
}

#[test]
fn a_rejected_secret_always_narrows_the_erase() {
    for lines in [
        "password=canary\n",
        "credential=canary\n",
        "authtype=Bearer\ncredential=canary\npassword=x\n",
    ] {
        assert_eq!(git(Action::Erase, lines).unwrap().secret.unwrap().expose(), "canary");
    }
    assert!(git(Action::Erase, "").unwrap().secret.is_none());
}

#[test]
fn an_expiry_is_a_decimal_integer_or_unknown() {
    let read = |text: &str| {
        let lines = format!("username=u\npassword=canary\npassword_expiry_utc={text}\n");
        git(Action::Store, &lines).unwrap().expires_at.map(Timestamp::unix)
    };
    assert_eq!(read("1893456000"), Some(1_893_456_000));
    for text in ["", "2030-01-01", "+1", "-1", "1.5", " 1", "99999999999999999999"] {
        assert_eq!(read(text), None, "{text:?}");
    }
}

#[test]
fn booleans_are_gits_words() {
    let read = |text: &str| {
        ask(
            Action::Get,
            Dialect::Git,
            format!("protocol=x\nhost=a\nephemeral={text}\n").as_bytes(),
        )
    };
    for (text, value) in [
        ("1", true),
        ("TRUE", true),
        ("yes", true),
        ("on", true),
        ("0", false),
        ("off", false),
        ("", false),
    ] {
        assert_eq!(read(text).unwrap().unwrap().ephemeral, value, "{text}");
    }
    assert!(read("maybe").is_err());
}

const TEXT: &str = "[^\r\n\\x00]{0,40}";

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ask(Action::Store, Dialect::Native, &input);
    }

    #[test]
    fn any_lines_are_read_or_refused(lines in proptest::collection::vec(
        ("protocol|host|path|url|username|password|profile|capability\\[\\]|x", "https|a\\.example|.{0,12}"), 0..8,
    )) {
        let input: String = lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        if let Ok(Some(request)) = ask(Action::Get, Dialect::Native, input.as_bytes()) {
            prop_assert!(request.target.is_some() || request.profile.is_some());
        }
    }

    #[test]
    fn what_is_answered_reads_back_the_same(
        username in "[^\\p{Cc}]{0,20}", secret in TEXT, refresh in "[!-~]{1,20}", end in 0i64..9_000_000_000,
        authtype in proptest::option::of("[A-Za-z]{1,8}"),
    ) {
        let credential = Credential {
            username: Some(username), secret: Secret::new(secret), authtype, refresh: Some(Secret::new(refresh)),
            expires_at: Some(Timestamp::from_unix(end)), account: None, subject: None, workspace: None,
            source: Source::Store { store: "file", profile: None }, mark: Some("9f".into()), proof: None, is_token: false,
        };
        let understands = Understands { authtype: true, state: true, ..Understands::default() };
        for dialect in [Dialect::Git, Dialect::Native] {
            let mut input = b"protocol=https\nhost=a.example\n".to_vec();
            input.extend_from_slice(&encode(&credential, understands, dialect, false).unwrap());
            let back = ask(Action::Store, dialect, &input).unwrap().unwrap();
            prop_assert_eq!(&back.username, &credential.username);
            prop_assert_eq!(back.secret.as_ref(), Some(&credential.secret));
            prop_assert_eq!(&back.authtype, &credential.authtype);
            prop_assert_eq!(&back.refresh, &credential.refresh);
            prop_assert_eq!(back.expires_at, credential.expires_at);
            prop_assert_eq!(&back.mark, &credential.mark);
        }
    }

    #[test]
    fn what_is_rejected_of_a_session_is_its_secret_again(username in "[^\\p{Cc}]{0,20}", secret in TEXT) {
        let source = Source::Store { store: "file", profile: Some("acme".into()) };
        let credential = Credential {
            username: Some(username), secret: Secret::new(secret), authtype: None, refresh: None,
            expires_at: None, account: None, subject: None, workspace: None, source, mark: Some("9f".into()), proof: None,
            is_token: false,
        };
        let understands = Understands { authtype: true, state: true, ..Understands::default() };
        let mut input = b"protocol=https\nhost=a.example\n".to_vec();
        input.extend_from_slice(&encode(&credential, understands, Dialect::Git, true).unwrap());
        let back = ask(Action::Erase, Dialect::Git, &input).unwrap().unwrap();
        prop_assert_eq!(back.secret.as_ref(), Some(&credential.secret));
    }

    #[test]
    fn an_answer_is_whole_lines_or_refused(username in ".{0,9}", secret in "(a|\n|\r|\\x00|=){0,9}") {
        let credential = Credential {
            username: Some(username.clone()), secret: Secret::new(secret.clone()), authtype: None, refresh: None,
            expires_at: None, account: None, subject: None, workspace: None, source: Source::Environment("X".into()), mark: None, proof: None, is_token: false,
        };
        let broken = [&username, &secret].iter().any(|text| text.contains(['\n', '\r', '\0']));
        match encode(&credential, Understands::default(), Dialect::Git, false) {
            Ok(reply) => {
                prop_assert!(!broken);
                prop_assert_eq!(reply.iter().filter(|b| **b == b'\n').count(), 2);
            }
            Err(error) => prop_assert!(broken && error.class == crate::error::Class::Refused),
        }
    }
}
