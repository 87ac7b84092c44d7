//! Services that want a second factor first: the next step is named, whatever was asked of them.

use serde_json::json;

use super::{file, login, set};
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::{Sandbox, oauth_part};

#[test]
fn a_whoami_that_wants_a_second_factor_names_the_command() {
    let (sandbox, service) = set("");
    let path = sandbox.keyfob_home().join("config/providers/acme.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let whoami = format!("{text}[whoami]\nurl = \"{}/me\"\n", service.url());
    std::fs::write(&path, whoami).unwrap();
    for reply in [
        Reply::error(403, "mfa_required"),
        Reply::json(401, &json!({"error": {"code": "mfa_setup_required", "message": "no"}})),
    ] {
        service.inject("/me", &reply);
        let output = sandbox.keyfob(&["whoami", "acme"]).run().expect_code(5);
        let hint = "hint: run `keyfob mfa enroll acme:ann@acme.example`";
        assert!(output.stderr.contains(hint), "{reply:?}: {}", output.stderr);
    }
    service.inject("/me", &Reply::error(403, "forbidden"));
    let output = sandbox.keyfob(&["whoami", "acme"]).run().expect_code(2);
    assert!(!output.stderr.contains("mfa"), "{}", output.stderr);
}

#[test]
fn a_login_that_wants_a_second_factor_names_the_page() {
    let more = "[mfa]\nrequired = [428, \"enrol_first\"]\npage = \"https://acme.example/security\"";
    let (sandbox, service) = set("");
    sandbox.write_provider("acme", &file(&service.url(), more));
    let args = ["login", "acme", "--email", "ann@acme.example", "--code", "1"];
    for reply in [Reply::error(403, "enrol_first"), Reply::json(428, &json!({}))] {
        service.inject("/exchange", &reply);
        let output = sandbox.keyfob(&args).run().expect_code(5);
        let hint = "hint: enrol one at https://acme.example/security";
        assert!(output.stderr.contains(hint), "{reply:?}: {}", output.stderr);
    }
    // A word of the defaults is none of this file's.
    service.inject("/exchange", &Reply::error(403, "mfa_required"));
    sandbox.keyfob(&args).run().expect_code(2);
    login(&sandbox);
}

#[test]
fn an_issuers_word_for_it_is_known_too() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let more = "[mfa]\npage = \"https://acme.example/security\"\n";
    sandbox.write_provider("acme", &(oauth_part(&issuer.url()) + more));
    issuer.inject(Endpoint::Token, 1, &Reply::error(400, "mfa_required"));
    let output = sandbox.keyfob(&["login", "acme", "--no-browser"]).run().expect_code(2);
    assert!(
        output.stderr.contains("`mfa_required`")
            && output
                .stderr
                .contains("hint: enrol one at https://acme.example/security"),
        "{}",
        output.stderr
    );
}

#[test]
fn what_the_file_does_not_describe_is_told_with_the_page() {
    let (sandbox, _service) = set("");
    let text = "format = 1\n[login]\nflow = \"key\"\n[mfa]\npage = \"https://acme.example/security\"\n";
    sandbox.write_provider("web", text);
    sandbox.write_provider("bare", "format = 1\n[login]\nflow = \"key\"\n");
    for name in ["web", "bare"] {
        let run = sandbox.keyfob(&["set-token", name, "--no-check", "--account", "ann"]);
        run.stdin("canary").run().expect_success();
    }
    for (args, says) in [
        (
            &["mfa", "enroll", "web", "--no-phone", "--backup-codes", "-"][..],
            "do it at https://acme.example/security",
        ),
        (
            &["mfa", "disable", "web", "--yes"],
            "do it at https://acme.example/security",
        ),
        (
            &["mfa", "enroll", "bare", "--no-phone", "--backup-codes", "-"],
            "no `mfa.enroll`",
        ),
        (&["mfa", "disable", "bare", "--yes"], "no `mfa.disable`"),
        (&["password", "set", "bare"], "no `password.set`"),
        (&["password", "clear", "bare", "--yes"], "no `password.clear`"),
        (&["password", "status", "bare"], "no `password.status`"),
    ] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert!(output.stderr.contains(says), "{args:?}: {}", output.stderr);
    }
    let output = sandbox.keyfob(&["mfa", "status", "bare"]).run().expect_success();
    assert!(output.stderr.contains("the service was not asked"), "{}", output.stderr);
}

#[test]
fn a_store_that_cannot_be_used_is_told_before_the_service_is_asked() {
    let (sandbox, service) = set("");
    // A key that the format reads before the first table.
    let path = sandbox.keyfob_home().join("config/providers/acme.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("format = 1\n", "format = 1\nstore = \"sealed\"\n")).unwrap();
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    sandbox.keyfob(&args).run().expect_code(4);
    assert!(service.seen("POST /mfa/enroll").is_empty());
    sandbox
        .keyfob(&["mfa", "add", "acme"])
        .stdin(super::service::KEY)
        .run()
        .expect_code(4);
    assert!(sandbox.files_with(super::service::KEY).is_empty());
}

#[test]
fn backup_codes_that_nobody_reads_are_no_success_and_the_seed_is_kept() {
    let (sandbox, service) = set("");
    let keyfob = sandbox.keyfob_path().display();
    let command = format!("{keyfob} mfa enroll acme --no-phone --backup-codes - >&-");
    let output = sandbox.program("sh", &["-c", &command]).run().expect_code(1);
    assert!(output.stderr.contains("backup codes are lost"), "{}", output.stderr);
    assert!(service.state().enabled);
    sandbox.keyfob(&["mfa", "code", "acme"]).run().expect_success();
}

/// An answer that begins an enrolment, with these backup codes.
fn begun(codes: serde_json::Value) -> Reply {
    let uri = format!(
        "otpauth://totp/Acme:ann@acme.example?secret={}&issuer=Acme",
        super::service::KEY
    );
    Reply::json(
        200,
        &json!({"otpauth_url": uri, "id": "factor-7", "backup_codes": codes}),
    )
}

#[test]
fn backup_codes_that_cannot_be_shown_are_told_before_anything_is_confirmed() {
    let (sandbox, service) = set("");
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    for (code, says) in [
        (
            json!("can\u{202e}ary-2"),
            "1 of its backup codes could not be shown: they have characters",
        ),
        (
            json!("canary".repeat(30)),
            "1 of its backup codes could not be shown: they are longer",
        ),
        (
            json!(null),
            "1 of its backup codes could not be shown: they are no texts",
        ),
    ] {
        service.inject("/mfa/enroll", &begun(json!(["canary-1", code])));
        let output = sandbox.keyfob(&args).run().expect_code(1);
        assert!(output.stderr.contains(says), "{}", output.stderr);
        assert!(output.stderr.contains("hint: nothing is enrolled"), "{}", output.stderr);
    }
    assert!(service.seen("POST /mfa/confirm").is_empty());
    assert!(sandbox.files_with(super::service::KEY).is_empty());
}

#[test]
fn backup_codes_that_cannot_be_shown_afterwards_are_counted() {
    let (sandbox, service) = set("");
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    let codes = json!({"backup_codes": ["canary-ä", "can\u{1b}[31mary", "canary-3"]});
    service.inject("/mfa/confirm", &Reply::json(200, &codes));
    let output = sandbox.keyfob(&args).run().expect_code(1);
    let says = "backup codes are lost: 1 of 3 cannot be shown: they have characters that a terminal acts on";
    assert!(output.stderr.contains(says), "{}", output.stderr);
    let written = std::fs::read_to_string(sandbox.path().join("codes.txt")).unwrap();
    assert_eq!(written, "canary-ä\ncanary-3\n");
    sandbox.keyfob(&["mfa", "code", "acme"]).run().expect_success();
}

#[test]
fn the_backup_codes_of_both_answers_are_shown_once_each() {
    let (sandbox, service) = set("");
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "-"];
    service.inject(
        "/mfa/enroll",
        &begun(json!(["canary-first", super::service::BACKUP[0]])),
    );
    let output = sandbox.keyfob(&args).run().expect_success();
    let [one, two, three] = super::service::BACKUP;
    assert_eq!(output.text(), format!("canary-first\n{one}\n{two}\n{three}\n"));
}

#[test]
#[cfg(unix)]
fn under_a_programs_name_every_step_is_that_programs() {
    let (sandbox, service) = set("[program]\n[program.commands]\n\"mfa on\" = \"mfa enroll\"");
    let link = sandbox.path().join("acme");
    std::os::unix::fs::symlink(sandbox.keyfob_path(), &link).unwrap();
    let run = |args: &[&str]| sandbox.program(&link, args).run();
    let output = run(&["auth", "password", "mfa", "--no-phone", "--backup-codes", "codes.txt"]).expect_success();
    assert!(output.stderr.contains("`acme auth mfa code"), "{}", output.stderr);
    // A path is what it is.
    let mut lines = output.stderr.lines().filter(|line| !line.contains("/records/"));
    assert!(lines.all(|line| !line.contains("keyfob")), "{}", output.stderr);
    run(&["auth", "mfa", "code"]).expect_success();
    run(&["auth", "mfa", "disable", "--yes"]).expect_success();
    service.inject("/password", &Reply::error(403, "mfa_required"));
    let output = run(&["auth", "password", "status"]).expect_code(5);
    assert!(output.stderr.contains("run `acme mfa on"), "{}", output.stderr);
}

#[test]
fn a_page_that_was_left_for_want_of_a_second_factor_ends_the_login() {
    let (sandbox, service) = set("");
    let url = service.url();
    let text = format!(
        "format = 1\n[login]\nflow = \"poll\"\n[poll]\npage = \"https://acme.example/cli\"\ninterval_secs = 1\n\
         [poll.retrieve]\nurl = \"{url}/poll\"\n[mfa]\npage = \"https://acme.example/security\"\n"
    );
    sandbox.write_provider("page", &text);
    service.inject("/poll", &Reply::error(403, "mfa_required"));
    let output = sandbox.keyfob(&["login", "page", "--no-browser"]).run().expect_code(5);
    let hint = "hint: enrol one at https://acme.example/security";
    assert!(output.stderr.contains(hint), "{}", output.stderr);
    assert_eq!(service.seen("POST /poll").len(), 1);
}

#[test]
fn a_renewal_that_wants_a_second_factor_says_so_and_ends_no_session() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let more = "[mfa]\npage = \"https://acme.example/security\"\n";
    sandbox.write_provider("acme", &(oauth_part(&issuer.url()) + more));
    sandbox.login_expired(&issuer);
    issuer.inject(Endpoint::Token, 1, &Reply::error(403, "mfa_required"));
    let output = sandbox.keyfob(&["token", "acme"]).run().expect_code(1);
    let hint = "hint: enrol one at https://acme.example/security";
    assert!(output.stderr.contains(hint), "{}", output.stderr);
    sandbox.keyfob(&["token", "acme"]).run().expect_success();
}
