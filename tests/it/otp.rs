//! Logging in with a code from the mail: the real program, the scripted service, and a terminal where a person types.

use std::time::Duration;

use serde_json::json;

use crate::http_server::Reply;
use crate::run::{Output, Run};
use crate::sandbox::Sandbox;
use crate::service::{ACCESS, CODE, REFRESH, Service};

const EMAIL: &str = "ann@acme.example";

/// A home with the provider file `acme`, with these lines more, and the service.
pub fn set(more: &str) -> (Sandbox, Service) {
    let (sandbox, service) = (Sandbox::new(), Service::start());
    let url = service.url();
    sandbox.write_provider(
        "acme",
        &format!(
            "format = 1\ntitle = \"Acme\"\n[login]\nflow = \"email-otp\"\n[env]\nvariables = [\"ACME_TOKEN\"]\n\
             [oauth]\ntoken_endpoint = \"{url}/token\"\nclient_id = \"acme-cli\"\n\
             [otp.send]\nurl = \"{url}/send\"\n[otp.exchange]\nurl = \"{url}/exchange\"\n{more}\n\
             [[target]]\nurl = \"https://acme.example\"\nscheme = \"bearer\"\n"
        ),
    );
    (sandbox, service)
}

fn scripted(sandbox: &Sandbox, code: &str) -> Output {
    sandbox
        .keyfob(&["login", "acme", "--email", EMAIL, "--code", code])
        .run()
}

/// A run on a terminal, where these lines are typed. What it shows is on stdout.
#[cfg(target_os = "linux")]
fn typed(sandbox: &Sandbox, args: &str, lines: &str) -> Output {
    terminal(sandbox, args).stdin(lines).run()
}

#[cfg(target_os = "linux")]
fn terminal(sandbox: &Sandbox, args: &str) -> Run {
    let command = format!("{} {args}", sandbox.keyfob_path().display());
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    run.deadline(Duration::from_secs(60))
}

/// The text of a terminal without the ends of its lines.
fn shown(output: &Output) -> String {
    output.text().replace('\r', "")
}

#[test]
fn a_code_on_the_command_line_logs_in_without_sending_another() {
    let (sandbox, service) = set("");
    let output = scripted(&sandbox, CODE).expect_success();
    assert_eq!((service.seen("/send").len(), service.seen("/exchange").len()), (0, 1));
    assert_eq!(service.bodies("/exchange")[0], json!({"email": EMAIL, "code": CODE}));
    assert!(
        output.stderr.contains("Logged in to Acme as `ann@acme.example`"),
        "{}",
        output.stderr
    );
    assert!(output.stdout.is_empty());
    assert_eq!(sandbox.token(), ACCESS);
    assert_eq!(sandbox.files_with(REFRESH).len(), 1);
}

#[test]
fn a_code_may_come_from_standard_input_and_be_pasted_with_what_is_between() {
    for (args, stdin) in [
        ("cana ry-12 3", ""),
        ("-", "canary123\r\n"),
        ("-", " can\u{a0}ary\u{2013}123 \n"),
    ] {
        let (sandbox, service) = set("");
        let run = sandbox.keyfob(&["auth", "login", "--email", EMAIL, "--code", args]);
        run.stdin(stdin).run().expect_success();
        assert_eq!(service.bodies("/exchange")[0]["code"], CODE, "{args:?} {stdin:?}");
        assert!(service.seen("/send").is_empty());
    }
}

#[test]
fn what_is_missing_or_cannot_be_is_a_mistake_before_anything_is_asked() {
    let (sandbox, service) = set("");
    for (args, says) in [
        (&["login", "acme", "--code", CODE][..], "`--code` needs `--email`"),
        (&["login", "acme", "--email", "ann", "--code", CODE], "no mail address"),
        (&["login", "acme", "--email", EMAIL, "--code", " - "], "cannot be one"),
        (&["login", "acme", "--email", EMAIL, "--code", "-"], "cannot be one"),
        (&["login", "acme"], "nobody is at a terminal"),
        (&["login", "acme", "--email", EMAIL], "nobody is at a terminal"),
    ] {
        let output = sandbox.keyfob(args).stdin("").run().expect_code(64);
        assert!(output.stderr.contains(says), "{args:?}: {}", output.stderr);
    }
    let alone = sandbox.keyfob(&["login", "acme"]).run().expect_code(64);
    for way in ["--email ADDRESS --code CODE", "keyfob set-token acme", "ACME_TOKEN"] {
        assert!(alone.stderr.contains(way), "{way}: {}", alone.stderr);
    }
    assert!(service.seen("/send").is_empty() && service.seen("/exchange").is_empty());
}

#[test]
fn the_account_of_the_profile_is_the_address_where_it_is_one() {
    let (sandbox, service) = set("");
    let run = sandbox.keyfob(&["login", "acme:ann@acme.example", "--code", CODE]);
    run.run().expect_success();
    assert_eq!(service.bodies("/exchange")[0]["email"], EMAIL);
}

#[test]
fn another_account_than_the_asked_one_is_refused_and_not_kept() {
    let (sandbox, service) = set("[otp.exchange.reply]\nsubject = \"/user/email\"");
    let args = ["login", "acme:bob@acme.example", "--email", EMAIL, "--code", CODE];
    sandbox.keyfob(&args).run().expect_code(5);
    assert_eq!(service.seen("/exchange").len(), 1);
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn options_of_this_flow_are_refused_by_the_others() {
    let (sandbox, _service) = set("");
    sandbox.write_provider("other", "format = 1\n[login]\nflow = \"key\"\n");
    let output = sandbox.keyfob(&["login", "other", "--code", CODE]).stdin("x").run();
    assert!(output.expect_code(64).stderr.contains("`other` sends none"));
}

#[test]
fn a_key_is_kept_as_a_key_and_nothing_renews_it() {
    let more = "[otp.exchange.reply]\nkey = \"/api_key\"\n[key]\nprefix = \"ak_\"";
    let (sandbox, service) = set(more);
    service.grants(json!({"api_key": "ak_canary", "access_token": ACCESS, "refresh_token": REFRESH, "expires_in": 9}));
    let output = scripted(&sandbox, CODE).expect_success();
    assert!(!output.stderr.contains("Good until"), "{}", output.stderr);
    assert_eq!(sandbox.token(), "ak_canary");
    assert!(sandbox.files_with(REFRESH).is_empty() && sandbox.files_with(ACCESS).is_empty());
    let (sandbox, service) = set(more);
    service.grants(json!({"api_key": "bk_canary"}));
    let output = scripted(&sandbox, CODE).expect_code(1);
    assert!(output.stderr.contains("does not begin as"), "{}", output.stderr);
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_refresh_token_that_nothing_could_send_is_not_kept() {
    let (sandbox, _service) = set("");
    let path = sandbox.keyfob_home().join("config/providers/acme.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("token_endpoint", "revocation_endpoint")).unwrap();
    let output = scripted(&sandbox, CODE).expect_success();
    assert!(!output.stderr.contains("renewed by itself"), "{}", output.stderr);
    assert!(sandbox.files_with(REFRESH).is_empty() && !sandbox.files_with(ACCESS).is_empty());
}

#[test]
fn every_answer_to_a_code_has_its_exit_code_and_its_next_step() {
    let rows = [
        (
            Reply::error(401, "invalid_code"),
            2,
            "does not take the code: it says “invalid_code”",
        ),
        (Reply::text(410, "", ""), 2, "does not take the code"),
        (Reply::json(422, &json!({"detail": "too old"})), 2, "“too old”"),
        (
            Reply::json(429, &json!({})).with("Retry-After", "90"),
            3,
            "a pause of 90 s",
        ),
        (
            Reply::json(429, &json!({})).with("Retry-After", "999999999999"),
            3,
            "a pause of 86400 s",
        ),
        (Reply::error(503, "busy"), 3, "status 503"),
        (Reply::error(500, "oops"), 3, "status 500"),
        (
            Reply::text(200, "text/html", "<h1>hotel</h1>"),
            3,
            "something other than JSON",
        ),
        (
            Reply::text(404, "text/html", "<h1>hotel</h1>"),
            3,
            "something other than JSON",
        ),
        (Reply::redirect(302, "https://elsewhere.example/"), 3, "status 302"),
        (Reply::error(405, "no"), 1, "status 405"),
        (
            Reply::json(200, &json!({"x": "x".repeat(2 * 1024 * 1024)})),
            3,
            "longer than 1 MiB",
        ),
        (Reply::Bytes(b"SSH-2.0-x\r\n".to_vec()), 3, "not HTTP"),
        (Reply::Drop, 3, "the code may be used up"),
        (Reply::Silence(Vec::new()), 3, "did not answer in time"),
        (Reply::json(200, &json!({})), 1, "cannot be used"),
        (
            Reply::text(200, "application/json", "{\"access_token\":\"canary"),
            1,
            "cannot be used",
        ),
        (Reply::text(204, "", ""), 1, "cannot be used"),
        (
            Reply::json(200, &json!({"access_token": "a canary"})),
            1,
            "cannot be used",
        ),
    ];
    let (sandbox, service) = set("");
    for (reply, code, says) in rows {
        service.inject("/exchange", 1, &reply);
        let before = service.seen("/exchange").len();
        let output = scripted(&sandbox, CODE).expect_code(code);
        assert!(output.stderr.contains(says), "{reply:?}: {}", output.stderr);
        assert!(output.stderr.contains("hint: "), "{reply:?}: {}", output.stderr);
        assert_eq!(
            service.seen("/exchange").len(),
            before + 1,
            "a code is given once: {reply:?}"
        );
        assert!(sandbox.files_with("canary").is_empty(), "{reply:?}");
    }
    assert!(service.seen("/send").is_empty());
}

#[test]
fn a_service_that_is_not_there_leaves_the_code_good() {
    let (sandbox, service) = set("");
    drop(service);
    let output = scripted(&sandbox, CODE).expect_code(3);
    assert!(output.stderr.contains("the code is still good"), "{}", output.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_types_address_and_code_and_is_told_where_to_look() {
    let (sandbox, service) = set("");
    let output = typed(&sandbox, "login acme", "ann@acme.example\ncana ry 123\n");
    let text = shown(&output);
    assert_eq!(output.code(), 0, "{text}");
    for part in [
        "Acme sends a code to your mail address",
        "Email: ",
        "Sending a code to ann@acme.example",
        "Look for a code in the mail of ann@acme.example",
        "Code (r sends another): ",
        "Logged in to Acme as `ann@acme.example`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(service.bodies("/send"), [json!({ "email": EMAIL })]);
    assert_eq!(service.bodies("/exchange"), [json!({"email": EMAIL, "code": CODE})]);
    assert!(!text.contains(ACCESS) && !text.contains(REFRESH));
    assert_eq!(sandbox.token(), ACCESS);
}

#[test]
#[cfg(target_os = "linux")]
fn a_wrong_code_may_be_mended_and_three_end_it() {
    let (sandbox, service) = set("");
    let output = typed(&sandbox, "login acme --email ann@acme.example", "000000\ncanary123\n");
    let text = shown(&output);
    assert_eq!(output.code(), 0, "{text}");
    assert!(text.contains("does not take that code: it says"), "{text}");
    assert!(
        text.contains("Wrong code") && text.contains("; 2 tries are left."),
        "{text}"
    );
    assert!(!text.contains("Email: "), "{text}");
    let (sandbox, service) = (sandbox, service);
    sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    let output = typed(&sandbox, "login acme --email ann@acme.example", "1\n2\n3\ncanary123\n");
    let text = shown(&output);
    assert_eq!(output.code(), 2, "{text}");
    assert!(
        text.contains("1 try is left") && text.contains("did not take 3 codes"),
        "{text}"
    );
    assert_eq!(service.seen("/exchange").len(), 5);
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn another_code_is_sent_when_the_service_allows_it() {
    let (sandbox, service) = set("");
    service.inject("/send", 1, &Reply::json(200, &json!({})));
    service.inject("/send", 1, &Reply::json(429, &json!({})).with("Retry-After", "3600"));
    let output = typed(&sandbox, "login acme --email ann@acme.example", "r\nR\nr\ncanary123\n");
    let text = shown(&output);
    assert_eq!(output.code(), 0, "{text}");
    // The second wish was refused with a time, which is not over at the third.
    assert_eq!(service.seen("/send").len(), 2, "{text}");
    assert_eq!(text.matches("s at the earliest").count(), 3, "{text}");
    let (sandbox, service) = set("");
    let output = typed(&sandbox, "login acme --email ann@acme.example", "r\ncanary123\n");
    assert_eq!(
        (output.code(), service.seen("/send").len()),
        (0, 2),
        "{}",
        shown(&output)
    );
    assert!(
        shown(&output).contains("Another code is on its way"),
        "{}",
        shown(&output)
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_code_that_is_not_sent_is_told_by_its_reason() {
    let rows = [
        (
            Reply::json(429, &json!({})).with("Retry-After", "60"),
            3,
            "a pause of 60 s",
        ),
        (Reply::json(404, &json!({"message": "no such user"})), 2, "no such user"),
        (Reply::error(500, "oops"), 3, "status 500"),
        (
            Reply::text(200, "text/html", "<h1>hotel</h1>"),
            3,
            "something other than JSON",
        ),
        (Reply::redirect(307, "https://elsewhere.example/"), 3, "status 307"),
        (Reply::Drop, 3, "closed the connection"),
    ];
    let (sandbox, service) = set("");
    for (reply, code, says) in rows {
        service.inject("/send", 1, &reply);
        let output = typed(&sandbox, "login acme --email ann@acme.example", "canary123\n");
        let text = shown(&output);
        assert_eq!(output.code(), code, "{reply:?}: {text}");
        assert!(text.contains(says), "{reply:?}: {text}");
    }
    assert!(service.seen("/exchange").is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn questions_without_an_answer_end() {
    let (sandbox, service) = set("");
    for (args, lines, code, says) in [
        ("login acme", "x\n\n@\n", 64, "no mail address"),
        ("login acme", "", 1, "left without an answer"),
        ("login acme --email ann@acme.example", "\n\n\n", 64, "cannot be a code"),
        ("login acme --email ann@acme.example", "", 1, "left without an answer"),
    ] {
        let output = typed(&sandbox, args, lines);
        let text = shown(&output);
        assert_eq!(output.code(), code, "{lines:?}: {text}");
        assert!(text.contains(says), "{lines:?}: {text}");
    }
    assert!(service.seen("/exchange").is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_at_a_question_ends_the_program_and_leaves_nothing() {
    let (sandbox, service) = set("");
    let program = sandbox.keyfob_path().display();
    let steps = format!(
        "trap : INT\nstty -g > before\n{program} login acme --email {EMAIL}\necho $? > code\nstty -g > after\n"
    );
    sandbox.write("steps.sh", &steps);
    // The key is pressed when the question is there.
    let press = "{ until grep -q 'another): ' seen; do sleep 0.05; done; printf '\\003'; } 2>/dev/null";
    let pressed = format!("{press} | script -qefc 'sh steps.sh' seen");
    let output = sandbox
        .program("sh", &["-c", &pressed])
        .deadline(Duration::from_secs(60))
        .run();
    let read = |name: &str| std::fs::read_to_string(sandbox.path().join(name)).unwrap();
    assert_eq!(read("code").trim(), "130", "{}", shown(&output));
    assert_eq!(read("before"), read("after"));
    assert!(service.seen("/exchange").is_empty());
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn the_texts_of_the_service_are_shown_without_what_a_terminal_acts_on() {
    let evil = "A\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{200b}B";
    let (sandbox, service) = set("[otp.exchange.reply]\nsubject = \"/who\"");
    service.inject("/exchange", 1, &Reply::json(401, &json!({ "message": evil })));
    service.inject("/exchange", 1, &Reply::json(405, &json!({ "message": evil })));
    service.inject(
        "/exchange",
        1,
        &Reply::json(200, &json!({"access_token": ACCESS, "who": evil})),
    );
    for _ in 0..3 {
        let output = scripted(&sandbox, CODE);
        let bad = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{200b}' | '\u{202e}');
        assert_eq!(output.stderr.chars().find(bad), None, "{:?}", output.stderr);
    }
}
