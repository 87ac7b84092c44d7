//! Enrolments that the service does not take, or of which nobody knows whether it took them.

use serde_json::json;

use super::service::KEY;
use super::{enroll, is_code, json_of, set};
use crate::http_server::Reply;

#[test]
fn an_enrolment_that_was_cut_off_is_found_out_the_next_time() {
    let (sandbox, service) = set("");
    service.state().lost = 1;
    let output = enroll(&sandbox).expect_code(3);
    assert!(
        output.stderr.contains("may have been taken, and the seed is kept"),
        "{}",
        output.stderr
    );
    assert!(!sandbox.path().join("codes.txt").exists());
    let list = sandbox.keyfob(&["list"]).run().expect_success();
    assert!(list.text().contains("pending"), "{}", list.text());
    let output = sandbox.keyfob(&["mfa", "code", "acme"]).run().expect_success();
    assert!(output.stderr.contains("nobody knows whether"), "{}", output.stderr);
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme", "--pending"]));
    let output = enroll(&sandbox).expect_success();
    assert!(output.stderr.contains("the service had taken it"), "{}", output.stderr);
    assert_eq!(service.seen("POST /mfa/enroll").len(), 1);
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
    sandbox
        .keyfob(&["mfa", "code", "acme", "--pending"])
        .run()
        .expect_code(2);
}

#[test]
fn an_enrolment_that_was_cut_off_before_the_service_took_it_begins_anew() {
    let (sandbox, service) = set("");
    service.inject("/mfa/confirm", &Reply::Drop);
    enroll(&sandbox).expect_code(3);
    enroll(&sandbox).expect_success();
    assert_eq!(service.seen("POST /mfa/enroll").len(), 2);
    sandbox
        .keyfob(&["mfa", "code", "acme", "--pending"])
        .run()
        .expect_code(2);
}

#[test]
fn what_was_enrolled_before_says_nothing_of_an_enrolment_that_was_cut_off() {
    let (sandbox, service) = set("");
    service.state().enabled = true;
    service.inject("/mfa/confirm", &Reply::Drop);
    enroll(&sandbox).expect_code(3);
    let output = enroll(&sandbox).expect_code(5);
    assert!(output.stderr.contains("nobody knows whether"), "{}", output.stderr);
    sandbox
        .keyfob(&["mfa", "code", "acme", "--pending"])
        .run()
        .expect_success();
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    sandbox
        .keyfob(&[&args[..], &["--again"]].concat())
        .run()
        .expect_success();
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
}

#[test]
fn an_enrolment_anew_that_does_not_begin_leaves_the_old_seed() {
    let (sandbox, service) = set("");
    service.state().lost = 1;
    enroll(&sandbox).expect_code(3);
    let args = [
        "mfa",
        "enroll",
        "acme",
        "--no-phone",
        "--backup-codes",
        "codes.txt",
        "--again",
    ];
    for reply in [
        Reply::Drop,
        Reply::error(409, "already_enabled"),
        Reply::json(200, &json!({})),
    ] {
        service.inject("/mfa/enroll", &reply);
        assert_ne!(sandbox.keyfob(&args).run().code(), 0);
        assert!(
            is_code(&sandbox, &service, &["mfa", "code", "acme", "--pending"]),
            "{reply:?}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_before_the_service_is_asked() {
    let Some(sandbox) = crate::sandbox::Sandbox::tiny(512) else {
        return;
    };
    let service = super::Service::start();
    sandbox.write_provider("acme", &super::file(&service.url(), ""));
    super::login(&sandbox);
    // A few kilobytes are left, in which a seed has room and backup codes have not.
    let mut ballast = std::fs::File::create(sandbox.path().join("ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[0; 4096]).is_ok() {}
    let length = ballast.metadata().unwrap().len();
    ballast.set_len(length - 8192).unwrap();
    let output = enroll(&sandbox).expect_code(1);
    assert!(output.stderr.contains("writing codes.txt"), "{}", output.stderr);
    assert!(service.seen("POST /mfa/enroll").is_empty());
    assert!(!sandbox.path().join("codes.txt").exists());
}

#[test]
fn a_service_that_cannot_be_asked_enrols_and_then_the_person_decides() {
    let (sandbox, service) = set("");
    service.inject("/mfa/status", &Reply::text(500, "text/html", ""));
    service.state().lost = 1;
    enroll(&sandbox).expect_code(3);
    let output = enroll(&sandbox).expect_code(5);
    assert!(output.stderr.contains("--again"), "{}", output.stderr);
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme", "--pending"]));
}

#[test]
fn a_pause_that_a_failing_service_wants_drops_no_seed() {
    let (sandbox, service) = set("");
    let busy = Reply::json(503, &json!({})).with("Retry-After", "90");
    service.inject("/mfa/confirm", &busy);
    let output = enroll(&sandbox).expect_code(3);
    for says in ["a pause of 90 s", "may have been taken, and the seed is kept"] {
        assert!(output.stderr.contains(says), "{says}: {}", output.stderr);
    }
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme", "--pending"]));
}

#[test]
fn where_nobody_can_say_whether_it_was_taken_the_person_decides() {
    let (sandbox, service) = set("");
    let path = sandbox.keyfob_home().join("config/providers/acme.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("[mfa.status]").unwrap();
    let (_, after) = after.split_once("[mfa.disable]").unwrap();
    std::fs::write(&path, format!("{before}[mfa.disable]{after}")).unwrap();
    service.state().lost = 1;
    enroll(&sandbox).expect_code(3);
    let output = enroll(&sandbox).expect_code(5);
    assert!(
        output.stderr.contains("--pending") && output.stderr.contains("--again"),
        "{}",
        output.stderr
    );
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme", "--pending"]));
    let args = [
        "mfa",
        "enroll",
        "acme",
        "--no-phone",
        "--backup-codes",
        "codes.txt",
        "--again",
    ];
    sandbox.keyfob(&args).run().expect_success();
    let status = sandbox
        .keyfob(&["mfa", "status", "acme", "--json"])
        .run()
        .expect_success();
    let status = json_of(&status);
    assert_eq!(
        (&status["checked"], &status["seed"], &status["pending"]),
        (&json!(false), &json!(true), &json!(false))
    );
}

#[test]
fn a_refusal_keeps_nothing() {
    let rows = [
        (Reply::json(400, &json!({"message": "Wrong code"})), 5, "“Wrong code”"),
        (
            Reply::error(401, "invalid_code"),
            5,
            "made here: it says “invalid_code”",
        ),
        (
            Reply::json(429, &json!({})).with("Retry-After", "90"),
            3,
            "a pause of 90 s",
        ),
        (
            Reply::text(404, "text/html", "<h1>hotel</h1>"),
            3,
            "something other than JSON",
        ),
        (Reply::redirect(302, "https://elsewhere.example/"), 3, "status 302"),
    ];
    let (sandbox, service) = set("");
    for (reply, code, says) in rows {
        service.inject("/mfa/confirm", &reply);
        let output = enroll(&sandbox).expect_code(code);
        assert!(output.stderr.contains(says), "{reply:?}: {}", output.stderr);
        assert!(sandbox.files_with(KEY).is_empty(), "{reply:?}");
        assert!(!sandbox.path().join("codes.txt").exists());
    }
    for (reply, code, says) in [
        (
            Reply::error(409, "already_enabled"),
            5,
            "it gives none: it says “already_enabled”",
        ),
        (
            Reply::json(200, &json!({"secret": "canary!"})),
            1,
            "a key that is not base32",
        ),
        (Reply::json(200, &json!({})), 1, "neither a URI nor a key"),
        (Reply::error(403, "mfa_required"), 5, "wants a second factor"),
        (
            Reply::error(401, "invalid_token"),
            2,
            "run `keyfob login acme:ann@acme.example`",
        ),
        (Reply::Drop, 3, "closed the connection"),
        (Reply::Silence(Vec::new()), 3, "did not answer in time"),
    ] {
        service.inject("/mfa/enroll", &reply);
        let output = enroll(&sandbox).expect_code(code);
        assert!(output.stderr.contains(says), "{reply:?}: {}", output.stderr);
        assert!(sandbox.files_with(KEY).is_empty(), "{reply:?}");
    }
}
