//! A second factor: enrolled on a terminal or without one, its codes, its backup codes, and what is left of an enrolment
//! that was cut off. The service checks each code by itself.

mod cut_off;
mod password;
mod required;
mod service;
#[cfg(target_os = "linux")]
mod terminal;

use serde_json::{Value, json};

use crate::run::Output;
use crate::sandbox::Sandbox;

pub use service::Service;
use service::{BACKUP, KEY, TOKENS, code};

const ANN: &str = "acme:ann@acme.example";

/// The provider file `acme`, with these lines more.
pub fn file(url: &str, more: &str) -> String {
    format!(
        "format = 1\ntitle = \"Acme\"\n[login]\nflow = \"email-otp\"\n[env]\nvariables = [\"ACME_TOKEN\"]\n\
         [otp.send]\nurl = \"{url}/send\"\n[otp.exchange]\nurl = \"{url}/exchange\"\n\
         [refresh.exchange]\nurl = \"{url}/refresh\"\n\
         [mfa.enroll]\nurl = \"{url}/mfa/enroll\"\n[mfa.confirm]\nurl = \"{url}/mfa/confirm\"\n\
         body = {{ factor = \"{{factor}}\", code = \"{{code}}\" }}\n\
         [mfa.status]\nurl = \"{url}/mfa/status\"\n[mfa.disable]\nurl = \"{url}/mfa/disable\"\n\
         [password.set]\nurl = \"{url}/password\"\nmethod = \"PUT\"\n\
         body = {{ password = \"{{password}}\", current = \"{{current}}\" }}\n\
         [password.clear]\nurl = \"{url}/password\"\nmethod = \"DELETE\"\n\
         [password.status]\nurl = \"{url}/password\"\n{more}\n"
    )
}

/// A home with that file and a session.
pub fn set(more: &str) -> (Sandbox, Service) {
    let (sandbox, service) = (Sandbox::new(), Service::start());
    sandbox.write_provider("acme", &file(&service.url(), more));
    login(&sandbox);
    (sandbox, service)
}

pub fn login(sandbox: &Sandbox) {
    let args = ["login", "acme", "--email", "ann@acme.example", "--code", "1"];
    sandbox.keyfob(&args).run().expect_success();
}

fn enroll(sandbox: &Sandbox) -> Output {
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    sandbox.keyfob(&args).run()
}

/// The code that keyfob makes; another step may begin between two looks.
fn is_code(sandbox: &Sandbox, service: &Service, args: &[&str]) -> bool {
    let output = sandbox.keyfob(args).run().expect_success();
    let kind = service.state().kind;
    assert_eq!(output.stderr.matches("Good for").count(), 0, "{}", output.stderr);
    (-1..=1).any(|steps| format!("{}\n", code(kind, steps)) == output.text())
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(output.text()).unwrap()
}

#[test]
fn an_enrolment_without_a_person_keeps_the_seed_and_writes_the_backup_codes_once() {
    let (sandbox, service) = set("");
    let output = enroll(&sandbox).expect_success();
    assert!(output.stdout.is_empty() && service.state().enabled);
    let path = sandbox.path().join("codes.txt");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), BACKUP.join("\n") + "\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for part in [
        "Wrote 3 backup codes",
        "is enrolled",
        "kept in the store `file`",
        "/records/",
    ] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert!(
        !output.stderr.contains(KEY) && !output.stderr.contains("CANA RY"),
        "{}",
        output.stderr
    );
    assert_eq!(service.bodies("POST /mfa/confirm")[0]["factor"], "factor-7");
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
    // Nothing is left of the enrolment but the seed.
    assert_eq!(sandbox.files_with(KEY).len(), 1);
    assert!(sandbox.files_with(BACKUP[0]).is_empty());
}

#[test]
fn every_kind_of_code_is_what_the_service_expects() {
    for kind in [("SHA1", 8, 60), ("SHA256", 7, 30), ("SHA512", 6, 3600)] {
        let (sandbox, service) = set("");
        service.state().kind = kind;
        enroll(&sandbox).expect_success();
        assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]), "{kind:?}");
        let shown = sandbox
            .keyfob(&["mfa", "code", "acme", "--json"])
            .run()
            .expect_success();
        let shown = json_of(&shown);
        assert_eq!(
            (&shown["period_secs"], &shown["profile"]),
            (&json!(kind.2), &json!(ANN))
        );
        assert!((1..=kind.2).contains(&shown["left_secs"].as_u64().unwrap()), "{shown}");
    }
}

#[test]
fn backup_codes_have_a_place_before_anything_begins() {
    let (sandbox, service) = set("");
    sandbox.write("there.txt", "mine");
    for (args, says) in [
        (
            &["mfa", "enroll", "acme", "--no-phone"][..],
            "standard output is no terminal",
        ),
        (
            &["password", "mfa", "acme", "--no-phone"],
            "standard output is no terminal",
        ),
        (
            &["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "there.txt"],
            "exists already",
        ),
        (
            &["mfa", "enroll", "acme", "--backup-codes", "new.txt"],
            "nobody is at a terminal",
        ),
        (
            &["mfa", "enroll", "acme", "--no-phone", "--no-keep"],
            "the arguments are wrong",
        ),
    ] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert!(
            output.stderr.contains(says) && output.stderr.contains("hint: "),
            "{args:?}: {}",
            output.stderr
        );
    }
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "none/new.txt"];
    sandbox.keyfob(&args).run().expect_code(1);
    assert!(service.seen("POST /mfa/enroll").is_empty());
    assert_eq!(
        std::fs::read_to_string(sandbox.path().join("there.txt")).unwrap(),
        "mine"
    );
    assert!(!sandbox.path().join("new.txt").exists());
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "-"];
    let output = sandbox.keyfob(&args).run().expect_success();
    assert_eq!(output.text(), BACKUP.join("\n") + "\n");
}

#[test]
fn a_seed_that_is_there_already_is_kept_from_standard_input() {
    for (given, account) in [
        (format!("otpauth://totp/Acme:ann?secret={KEY}"), ANN),
        (KEY.to_lowercase() + "\n", ANN),
        (format!("{}\r\n", KEY.replace("CANARY", "CANA RY-")), ANN),
    ] {
        let (sandbox, service) = set("");
        let output = sandbox
            .keyfob(&["mfa", "add", "acme"])
            .stdin(given)
            .run()
            .expect_success();
        assert!(
            output.stderr.contains(&format!("`keyfob mfa code {account}`")),
            "{}",
            output.stderr
        );
        assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
        let again = sandbox.keyfob(&["mfa", "add", "acme"]).stdin("JBSWY3DPEHPK3PXP").run();
        assert!(again.expect_code(5).stderr.contains("kept already"));
        assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
        let run = sandbox
            .keyfob(&["mfa", "add", "acme", "--replace"])
            .stdin("JBSWY3DPEHPK3PXP");
        run.run().expect_success();
        assert!(!is_code(&sandbox, &service, &["mfa", "code", "acme"]));
    }
}

#[test]
fn what_is_no_seed_is_refused_and_not_repeated() {
    let (sandbox, _service) = set("");
    for bad in [
        "",
        "\n",
        "canary!",
        "https://acme.example/canary",
        "otpauth://hotp/x?secret=canary",
        "0canary1",
    ] {
        let output = sandbox.keyfob(&["mfa", "add", "acme"]).stdin(bad).run().expect_code(64);
        assert!(
            !output.stderr.to_lowercase().contains("canary"),
            "{bad:?}: {}",
            output.stderr
        );
    }
    sandbox.keyfob(&["mfa", "code", "acme"]).run().expect_code(2);
}

#[test]
fn a_code_needs_no_session_and_is_of_the_account_that_is_meant() {
    let (sandbox, service) = set("");
    sandbox
        .keyfob(&["mfa", "add", "acme"])
        .stdin(KEY)
        .run()
        .expect_success();
    sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
    assert!(is_code(
        &sandbox,
        &service,
        &["--provider", "acme", "auth", "mfa", "code"]
    ));
    let other = sandbox.keyfob(&["mfa", "add", "acme:bob"]).stdin("JBSWY3DPEHPK3PXP");
    other.run().expect_success();
    let several = sandbox.keyfob(&["mfa", "code", "acme"]).run().expect_code(5);
    assert!(
        several.stderr.contains("acme:ann@acme.example, acme:bob"),
        "{}",
        several.stderr
    );
    assert!(is_code(&sandbox, &service, &["mfa", "code", ANN]));
    assert!(!is_code(&sandbox, &service, &["mfa", "code", "acme:bob"]));
    sandbox.keyfob(&["mfa", "code", "acme:eve"]).run().expect_code(2);
}

#[test]
fn no_tool_is_answered_with_a_seed() {
    let (sandbox, _service) = set("[[target]]\nurl = \"https://acme.example\"\nscheme = \"bearer\"");
    sandbox
        .keyfob(&["mfa", "add", "acme"])
        .stdin(KEY)
        .run()
        .expect_success();
    sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    for args in [
        &["token", "acme"][..],
        &["token", "https://acme.example"],
        &["print-access-token", "acme"],
    ] {
        sandbox.keyfob(args).run().expect_code(2);
    }
    let request = "protocol=https\nhost=acme.example\nusername=ann@acme.example\n\n";
    let got = sandbox.keyfob(&["get"]).stdin(request).run();
    assert!(!got.text().contains(KEY), "{}", got.text());
    let list = sandbox.keyfob(&["list"]).run().expect_success();
    assert_eq!(list.text(), format!("seed  {ANN}  file  enrolled\n"));
    assert_eq!(
        sandbox
            .keyfob(&["status"])
            .run()
            .expect_success()
            .text()
            .matches("seed")
            .count(),
        0
    );
    let forgot = sandbox.keyfob(&["logout", "--all", "--local"]).run();
    forgot.expect_success();
    assert_eq!(sandbox.files_with(KEY).len(), 1, "a logout ends sessions, and no seed");
}

#[test]
fn a_session_that_is_about_to_end_is_renewed_first() {
    let (sandbox, service) = (Sandbox::new(), Service::start());
    service.state().life_secs = 1;
    sandbox.write_provider("acme", &file(&service.url(), ""));
    login(&sandbox);
    service.state().life_secs = 3600;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    service.state().good = TOKENS[1].into();
    enroll(&sandbox).expect_success();
    assert_eq!(service.seen("POST /refresh").len(), 1);
}

#[test]
fn without_a_session_or_a_service_nothing_begins() {
    let (sandbox, service) = set("");
    sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    for args in [
        &["mfa", "status", "acme"][..],
        &["mfa", "disable", "acme", "--yes"],
        &["password", "status", "acme"],
    ] {
        let output = sandbox.keyfob(args).run().expect_code(2);
        assert!(
            output.stderr.contains("run `keyfob login acme`"),
            "{args:?}: {}",
            output.stderr
        );
    }
    enroll(&sandbox).expect_code(2);
    login(&sandbox);
    drop(service);
    enroll(&sandbox).expect_code(3);
    sandbox.keyfob(&["mfa", "status", "acme"]).run().expect_code(3);
    assert!(sandbox.files_with(KEY).is_empty());
}

#[test]
fn a_variable_is_nobodys_whose_seed_could_be_kept() {
    let (sandbox, service) = set("");
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    let output = sandbox.keyfob(&args).env("ACME_TOKEN", TOKENS[0]).run().expect_code(5);
    assert!(output.stderr.contains("ACME_TOKEN"), "{}", output.stderr);
    assert!(service.seen("POST /mfa/enroll").is_empty());
    let run = sandbox
        .keyfob(&["mfa", "status", "acme"])
        .env("ACME_TOKEN", "wrong_canary");
    let output = run.run().expect_code(2);
    assert!(output.stderr.contains("unset ACME_TOKEN"), "{}", output.stderr);
}

#[test]
fn a_second_factor_is_asked_about_and_given_up() {
    let (sandbox, service) = set("");
    let status = || {
        sandbox
            .keyfob(&["mfa", "status", "acme"])
            .run()
            .expect_success()
            .text()
            .to_owned()
    };
    assert!(status().starts_with("No second factor is enrolled"), "{}", status());
    enroll(&sandbox).expect_success();
    let text = status();
    for part in [
        "A second factor is enrolled",
        "Backup codes left: 3.",
        "kept in the store `file`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let shown = json_of(
        &sandbox
            .keyfob(&["mfa", "status", "acme", "--json"])
            .run()
            .expect_success(),
    );
    let expected = json!({"schema": 1, "profile": ANN, "checked": true, "enabled": true, "backup_codes_left": 3,
        "seed": true, "store": "file", "pending": false});
    assert_eq!(shown, expected);
    let output = sandbox.keyfob(&["mfa", "disable", "acme"]).run().expect_code(64);
    assert!(output.stderr.contains("`--yes`"), "{}", output.stderr);
    assert!(service.seen("POST /mfa/disable").is_empty());
    sandbox
        .keyfob(&["mfa", "disable", "acme", "--yes"])
        .run()
        .expect_success();
    assert!(!service.state().enabled && sandbox.files_with(KEY).is_empty());
}

#[test]
fn a_seed_is_forgotten_here_alone_where_that_is_wanted() {
    let (sandbox, service) = set("");
    enroll(&sandbox).expect_success();
    sandbox
        .keyfob(&["mfa", "disable", "acme", "--local"])
        .run()
        .expect_code(64);
    let args = ["mfa", "disable", "acme", "--local", "--yes"];
    sandbox.keyfob(&args).run().expect_success();
    assert!(service.state().enabled && sandbox.files_with(KEY).is_empty());
    sandbox.keyfob(&args).run().expect_success();
    sandbox
        .keyfob(&["mfa", "disable", "acme", "--yes"])
        .run()
        .expect_code(64);
}

#[test]
fn a_file_that_keeps_no_seed_keeps_none_but_where_nobody_else_has_it() {
    let (sandbox, service) = set("[mfa]\nkeep = false");
    enroll(&sandbox).expect_success();
    assert_eq!(sandbox.files_with(KEY).len(), 1, "keyfob alone has it");
    let damaged = sandbox.files_with(KEY).remove(0);
    std::fs::write(&damaged, "canary").unwrap();
    for args in [&["mfa", "code", "acme"][..], &["mfa", "status", "acme"]] {
        sandbox.keyfob(args).run().expect_code(4);
    }
    sandbox.keyfob(&["mfa", "add", ANN]).stdin(KEY).run().expect_code(5);
    sandbox
        .keyfob(&["mfa", "add", ANN, "--replace"])
        .stdin(KEY)
        .run()
        .expect_success();
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
    std::fs::write(&damaged, "canary").unwrap();
    sandbox
        .keyfob(&["mfa", "disable", ANN, "--local", "--yes"])
        .run()
        .expect_success();
    assert!(!damaged.exists());
}
