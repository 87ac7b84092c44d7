//! `sync` and `desync`, with a shell script for the command that reaches a machine, and a home of its own for the machine.

mod fault;
mod form;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::fault::home::{key, now, stores};
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::run::no_forks;
use crate::sandbox::{Output, Run, Sandbox, oauth_part};

/// A machine with a session, and another one that it reaches as `vm1`.
struct Pair {
    here: Sandbox,
    there: Sandbox,
    issuer: Issuer,
}

const TARGET: &str = "\n[[target]]\nurl = \"https://acme.example\"\nusername = \"oauth2\"\n";

impl Pair {
    /// With a keyfob on the other machine, and these tables in the provider file.
    fn new(tables: &str) -> Pair {
        let pair = Pair::bare(tables);
        let keyfob = pair.there.path().join("bin/keyfob");
        std::os::unix::fs::symlink(pair.there.keyfob_path(), keyfob).unwrap();
        pair
    }

    /// Without one: what is called so there knows nothing of ours.
    fn without_keyfob(tables: &str) -> Pair {
        let pair = Pair::bare(tables);
        program(&pair.there, "bin/keyfob", "echo 'what is that?' >&2\nexit 2\n");
        pair
    }

    fn bare(tables: &str) -> Pair {
        let issuer = Issuer::start(Script::default());
        let (here, there) = (Sandbox::new(), Sandbox::new());
        let command = "[sync.vm]\ncommand = [\"vm\", \"exec\", \"{id}\", \"--\"]\n";
        let text = format!("{}{tables}{command}{TARGET}", oauth_part(&issuer.url()));
        here.write_provider("acme", &text);
        let (home, log) = (there.path().display(), here.path().join("argv"));
        let path = std::env::var("PATH").unwrap();
        program(
            &here,
            "bin/vm",
            &format!(
                "echo \"$@\" >> '{}'\nenv > '{}'\n[ \"$2\" = vm1 ] || {{ echo \"there is no $2\" >&2; exit 9; }}\nshift 3\n\
                 exec env -i HOME='{home}' KEYFOB_HOME='{home}/keyfob' KEYFOB_KEYCHAIN=off PATH='{home}/bin:{path}' \"$@\"\n",
                log.display(),
                here.path().join("env").display(),
            ),
        );
        std::fs::create_dir_all(there.path().join("bin")).unwrap();
        let mut here = here;
        here.set("PATH", format!("{}/bin:{path}", here.path().display()));
        Pair { here, there, issuer }
    }

    /// Logged in on the one machine.
    fn logged_in(tables: &str) -> Pair {
        let pair = Pair::new(tables);
        pair.here.login(&pair.issuer);
        pair
    }

    fn sync(&self) -> Output {
        self.here.keyfob(&["sync", "--vm", "vm1", "acme"]).run()
    }

    fn desync(&self) -> Output {
        self.here.keyfob(&["desync", "--vm", "vm1", "acme"]).run()
    }

    fn there(&self, args: &[&str]) -> Output {
        self.there.keyfob(args).run()
    }

    /// The provider file of the one machine on the other too.
    fn same_file(&self) {
        let text = std::fs::read_to_string(self.here.keyfob_home().join("config/providers/acme.toml")).unwrap();
        self.there.write_provider("acme", &text);
    }

    fn session_file(&self) -> std::path::PathBuf {
        self.there.path().join(".config/acme/session")
    }
}

/// Changes the record as time would.
fn change(sandbox: &Sandbox, change: impl FnOnce(&mut keyfob::record::Record)) {
    change_named(sandbox, &key().account, change);
}

/// The same for the record of this account.
fn change_named(sandbox: &Sandbox, account: &str, change: impl FnOnce(&mut keyfob::record::Record)) {
    let _alone = no_forks();
    let stores = stores(sandbox);
    let account = account.to_owned();
    let key = keyfob::record::Key { account, ..key() };
    let lock = stores.lock(&key, Duration::from_secs(10), &std::thread::sleep).unwrap();
    let stored = stores.get(&key).unwrap().expect("there is a session");
    let mut record = stored.record;
    record.generation += 1;
    change(&mut record);
    let lock = lock.expect("every holder lets go of it");
    stores.put(&lock, &record, stored.store, None).unwrap();
}

fn program(sandbox: &Sandbox, below: &str, body: &str) {
    // A child that another test forks meanwhile would hold the file open, and nobody could run it.
    let _alone = no_forks();
    let path = sandbox.write(below, &format!("#!/bin/sh\n{body}"));
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn ask_git(sandbox: &Sandbox) -> Run {
    let run = sandbox.keyfob(&["git", "get"]);
    run.stdin("protocol=https\nhost=acme.example\n\n")
}

/// What one test waits for, longer than any machine needs.
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(15);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_other_machine_acts_as_the_person_with_no_further_setup() {
    let pair = Pair::logged_in("");
    let said = pair.sync().expect_success();
    for words in [
        "What runs on the VM vm1 now acts as `acme",
        "valid for",
        "not renewed there",
        "    `keyfob sync acme:ann --vm vm1`\n",
        "all your rights",
    ] {
        let one_line = said.stderr.replace("\nthere", " there");
        assert!(one_line.contains(words), "{words}: {}", said.stderr);
    }
    assert!(said.stdout.is_empty());
    let token = pair.here.token();
    assert_eq!(pair.there.token(), token);
    let git = ask_git(&pair.there).run().expect_success();
    assert!(git.text().contains(&format!("username=oauth2\npassword={token}\n")));
    let header = pair
        .there(&["token", "https://acme.example", "--header"])
        .expect_success();
    assert!(header.text().starts_with("Authorization: "));
    let whoami = pair.there(&["whoami", "acme"]).expect_success();
    assert!(
        whoami.stderr.contains("was synced here, and ends in "),
        "{}",
        whoami.stderr
    );
}

#[test]
fn the_refresh_token_and_the_client_stay_where_they_are() {
    let pair = Pair::logged_in("");
    pair.sync().expect_success();
    let refresh = pair.issuer.live_family().unwrap().refresh;
    assert!(!pair.here.files_with(&refresh).is_empty());
    for secret in [refresh.as_str(), "acme-cli", "/token\"", "token_endpoint", "refresh"] {
        assert_eq!(
            pair.there.files_with(secret),
            Vec::<std::path::PathBuf>::new(),
            "{secret}"
        );
    }
    assert_eq!(pair.issuer.refreshes(), 0);
}

#[test]
fn the_token_is_in_no_argument_and_no_variable_of_the_command() {
    let pair = Pair::logged_in("");
    let other = pair.here.keyfob(&["sync", "--vm", "vm1", "acme"]).env("OTHER", "kept");
    other.run().expect_success();
    let arguments = std::fs::read_to_string(pair.here.path().join("argv")).unwrap();
    assert_eq!(arguments, "exec vm1 -- sh\n");
    let variables = std::fs::read_to_string(pair.here.path().join("env")).unwrap();
    assert!(variables.contains("OTHER=kept\n") && !variables.contains("canary"));
}

#[test]
fn no_listing_shows_what_was_synced() {
    let pair = Pair::logged_in("");
    pair.sync().expect_success();
    assert_eq!(pair.there(&["list"]).expect_success().text(), "Nothing is kept.\n");
    assert!(!pair.there(&["list", "--json"]).expect_success().text().contains("acme"));
    assert!(
        pair.there(&["status"])
            .expect_success()
            .text()
            .starts_with("There are no sessions.")
    );
    let export = pair
        .there
        .keyfob(&["export", "--all", "--armor", "-o", "-", "--passphrase-file", "-"])
        .stdin("a good passphrase\n");
    let export = export.run();
    assert!(!export.stderr.contains("acme"), "{}", export.stderr);
    let named = pair
        .there
        .keyfob(&["export", "acme", "--armor", "-o", "-", "--passphrase-file", "-"])
        .stdin("a good passphrase\n");
    let named = named.run();
    assert!(
        named.stderr.contains("another machine's, which synced it to here"),
        "{}",
        named.stderr
    );
    let asked = pair.there(&["status", "acme"]).expect_success();
    assert!(asked.text().contains("state      synced\n"), "{}", asked.text());
    assert!(
        asked.text().contains("renewed only where it comes from"),
        "{}",
        asked.text()
    );
    let json = pair.there(&["status", "acme", "--json"]).expect_success();
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(
        (&json["sessions"][0]["state"], &json["sessions"][0]["renews"]),
        (&"synced".into(), &false.into())
    );
}

#[test]
fn desync_leaves_nothing_and_succeeds_when_it_is_gone() {
    let pair = Pair::logged_in("");
    pair.sync().expect_success();
    assert!(!pair.there.files_with("canary").is_empty());
    let said = pair.desync().expect_success();
    assert!(said.stderr.contains("is gone from the VM vm1"), "{}", said.stderr);
    assert_eq!(pair.there.files_with("canary"), Vec::<std::path::PathBuf>::new());
    assert!(!pair.there.keyfob_home().join("config/providers/acme.toml").exists());
    let said = pair.desync().expect_success();
    assert!(said.stderr.contains("There is no synced session"), "{}", said.stderr);
    pair.there(&["token", "acme"]).expect_code(64);
    // It needs no session of its own either.
    pair.here.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    pair.desync().expect_success();
}

#[test]
fn a_token_with_little_life_is_renewed_first_and_the_new_one_replaces_the_old() {
    let pair = Pair::new("");
    pair.here.login_expired(&pair.issuer);
    pair.sync().expect_success();
    assert_eq!(pair.issuer.refreshes(), 1);
    let first = pair.there.token();
    assert!(pair.issuer.valid_access(&first));
    let long = pair
        .here
        .keyfob(&["token", "acme", "--valid-for", "1s"])
        .run()
        .expect_success();
    assert_eq!(long.text().trim_end(), first);
    pair.sync().expect_success();
    assert_eq!(pair.issuer.refreshes(), 1, "one that is new is not renewed");
    assert_eq!(pair.there.token(), first);
}

#[test]
fn a_token_that_cannot_be_renewed_now_is_synced_while_it_lives() {
    let pair = Pair::logged_in("");
    let token = pair.here.token();
    change(&pair.here, |record| {
        record.obtained_at = Some(now().plus(-3000));
        record.expires_at = Some(now().plus(600));
    });
    let down = Reply::json(503, &serde_json::json!({}));
    pair.issuer.inject(Endpoint::Token, 9, &down);
    let said = pair.sync().expect_success();
    assert!(said.stderr.contains("could not be renewed first"), "{}", said.stderr);
    assert_eq!(pair.there.token(), token);
    pair.issuer.clear_injected();
    change(&pair.here, |record| record.cooldown_until = None);
    pair.sync().expect_success();
    assert_ne!(pair.there.token(), token, "it is renewed at less than half of its life");
}

#[test]
fn an_ended_one_says_where_to_go_and_is_renewed_by_nobody() {
    let pair = Pair::new("");
    pair.issuer.script(|script| script.life_secs = 3);
    pair.here.login(&pair.issuer);
    pair.sync().expect_success();
    // In its last second it only ends too soon.
    let said = || pair.there(&["token", "acme"]).stderr;
    await_that("the end of the token", || said().contains("has ended"));
    let ended = pair.there(&["token", "acme"]).expect_code(2);
    assert!(ended.stderr.contains("the synced session `acme"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("sync again from the machine it came from"),
        "{}",
        ended.stderr
    );
    assert_eq!(pair.issuer.refreshes(), 0);
    let git = ask_git(&pair.there).run().expect_success();
    assert!(git.text().is_empty() && git.stderr.contains("sync again"));
    pair.issuer.script(|script| script.life_secs = 3600);
    pair.sync().expect_success();
    assert_eq!(pair.there.token(), pair.here.token());
}

#[test]
fn logout_there_tells_no_issuer() {
    let pair = Pair::logged_in("");
    pair.same_file();
    pair.sync().expect_success();
    let said = pair.there(&["logout", "acme"]).expect_success();
    assert!(
        said.stderr.contains("goes on where it was synced from"),
        "{}",
        said.stderr
    );
    assert!(pair.issuer.revoked().is_empty());
    pair.sync().expect_success();
    pair.there(&["logout", "--all"]).expect_success();
    assert!(pair.issuer.revoked().is_empty());
    assert!(pair.issuer.valid_access(&pair.here.token()));
    pair.there(&["token", "acme"]).expect_code(2);
}

#[test]
fn a_session_of_the_other_machines_own_is_not_replaced() {
    let pair = Pair::logged_in("");
    pair.same_file();
    pair.there.login(&pair.issuer);
    let own = pair.there.token();
    let said = pair.sync().expect_code(5);
    assert!(said.stderr.contains("this machine's own"), "{}", said.stderr);
    assert_eq!(pair.there.token(), own);
    let said = pair.desync().expect_success();
    assert!(said.stderr.contains("no synced session"), "{}", said.stderr);
    assert_eq!(pair.there.token(), own);
}

#[test]
fn a_provider_file_with_other_targets_gets_no_token() {
    let pair = Pair::logged_in("");
    let text = oauth_part(&pair.issuer.url()) + "\n[[target]]\nurl = \"https://other.example\"\n";
    pair.there.write_provider("acme", &text);
    let said = pair.sync().expect_code(5);
    assert!(said.stderr.contains("serves https://other.example"), "{}", said.stderr);
    assert_eq!(pair.there.files_with("canary"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_variable_that_is_set_here_is_what_is_synced() {
    let pair = Pair::logged_in("");
    let run = pair.here.keyfob(&["sync", "--vm", "vm1", "acme"]);
    let said = run.env("ACME_TOKEN", "canary-from-variable").run().expect_success();
    assert!(
        said.stderr.contains("the variable `ACME_TOKEN` is set"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("    `keyfob desync acme --vm vm1`"),
        "{}",
        said.stderr
    );
    assert_eq!(pair.there.token(), "canary-from-variable");
    assert!(pair.issuer.seen(Endpoint::Token).len() <= 1 + pair.issuer.families().len());
}

#[test]
fn of_several_sessions_there_the_synced_one_is_meant_while_it_lives() {
    let pair = Pair::logged_in("");
    pair.same_file();
    let own = pair
        .there
        .keyfob(&["login", "acme:bob", "--with-token"])
        .stdin("canary-bob");
    own.run();
    pair.sync().expect_success();
    assert_eq!(pair.there.token(), pair.here.token());
}

#[test]
fn a_program_that_is_a_link_to_keyfob_takes_it_and_speaks_in_its_own_name() {
    let pair = Pair::without_keyfob("[program]\nname = \"acmectl\"\n[program.commands]\n\"me\" = \"whoami\"\n");
    pair.here.login(&pair.issuer);
    let link = pair.there.path().join("bin/acme");
    std::os::unix::fs::symlink(pair.there.keyfob_path(), &link).unwrap();
    pair.sync().expect_success();
    assert!(!pair.session_file().exists());
    assert_eq!(pair.there.token(), pair.here.token());
    let me = pair.there.program(&link, &["me"]).run().expect_success();
    assert!(me.stderr.contains("was synced here"), "{}", me.stderr);
    let own = pair
        .here
        .keyfob(&["--provider", "acme", "auth", "sync", "--vm", "vm1"])
        .run()
        .expect_success();
    assert!(own.stderr.contains("`acmectl auth sync --vm vm1`"), "{}", own.stderr);
    // Of two modes or machines that take the same session, one that refuses is told in our name.
    change_nothing_but_own(&pair);
    let refused = pair.sync().expect_code(5);
    assert!(refused.stderr.contains("this machine's own"), "{}", refused.stderr);
    pair.there.program(&link, &["logout"]).run().expect_success();
}

/// Makes the synced session one of the other machine's own.
fn change_nothing_but_own(pair: &Pair) {
    change(&pair.there, |record| record.synced_at = None);
}

#[test]
fn a_login_there_makes_it_a_session_of_that_machines_own() {
    let pair = Pair::logged_in("");
    pair.same_file();
    pair.sync().expect_success();
    pair.there.login(&pair.issuer);
    assert!(pair.there(&["list"]).expect_success().text().contains("acme:ann"));
    pair.sync().expect_code(5);
}

#[test]
fn what_is_taken_back_is_the_session_of_the_account_that_a_variable_names() {
    let pair = Pair::logged_in("");
    pair.same_file();
    pair.sync().expect_success();
    let account = key().account;
    let desync = |variable: &str, account: &str| {
        let run = pair
            .here
            .keyfob(&["desync", "--vm", "vm1", "acme"])
            .env(variable, account);
        run.run().expect_success().stderr
    };
    for variable in ["KEYFOB_ACCOUNT", "ACME_ACCOUNT"] {
        let said = desync(variable, "somebody-else");
        assert!(said.contains("There is no synced session"), "{said}");
        pair.there(&["token", "acme"]).expect_success();
    }
    desync("ACME_ACCOUNT", &account);
    pair.there(&["token", "acme"]).expect_code(2);
}
