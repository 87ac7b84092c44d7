//! One question of a tool for the token of `acme`, and what must be true of the answer whatever becomes of the session.

use crate::gate;
use crate::issuer::{Issuer, Script};
use crate::sandbox::{Output, Sandbox};

/// How a tool asks for what is at `https://acme.example`.
pub(super) struct Call {
    /// The arguments.
    pub(super) args: &'static [&'static str],
    /// What it writes.
    pub(super) stdin: &'static str,
    /// Whether this output is the protocol's hit with this token.
    pub(super) is_hit: fn(output: &str, token: &str) -> bool,
    /// The exit codes where a person must log in, where two accounts fit, and behind a passphrase.
    pub(super) codes: [i32; 3],
}

impl Call {
    /// Asks.
    pub(super) fn run(&self, sandbox: &Sandbox) -> Output {
        let run = sandbox.keyfob(self.args).stdin(self.stdin);
        run.env("VAULT_ADDR", "https://acme.example").run()
    }

    /// Asks, and has the token as `keyfob token` does.
    #[track_caller]
    pub(super) fn hits(&self, sandbox: &Sandbox, issuer: &Issuer) {
        let output = self.run(sandbox).expect_success();
        let token = sandbox.token();
        assert!(issuer.valid_access(&token));
        assert!((self.is_hit)(output.text(), &token), "{}", output.text());
        assert_eq!(output.stderr, "");
    }

    /// Asks, and has nothing but a message with this text and this exit code.
    #[track_caller]
    fn fails(&self, sandbox: &Sandbox, code: i32, text: &str) {
        let output = self.run(sandbox).expect_code(code);
        assert_eq!(output.text(), "");
        assert!(output.stderr.contains(text), "{}", output.stderr);
    }

    /// A session is found; without one the command to run is named.
    pub(super) fn check_hit(&self) {
        let (sandbox, issuer) = home();
        self.fails(&sandbox, self.codes[0], "run `keyfob login acme");
        sandbox.login(&issuer);
        self.hits(&sandbox, &issuer);
        assert_eq!(issuer.refreshes(), 0);
    }

    /// A session whose token has ended is renewed once, also for several at once.
    pub(super) fn check_refreshed(&self) {
        let (sandbox, issuer) = home();
        sandbox.login_expired(&issuer);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| self.hits(&sandbox, &issuer));
            }
        });
        assert_eq!(issuer.refreshes(), 1);
        assert!(issuer.violations().is_empty(), "{:?}", issuer.violations());
    }

    /// Two accounts that fit are named, and one that is chosen is taken.
    pub(super) fn check_two_accounts(&self) {
        let (sandbox, issuer) = home();
        sandbox.login(&issuer);
        issuer.script(|script| script.subject = "bob".into());
        sandbox.login(&issuer);
        self.fails(&sandbox, self.codes[1], "acme:ann, acme:bob");
        sandbox.keyfob(&["account", "acme", "bob"]).run().expect_success();
        self.hits(&sandbox, &issuer);
    }

    /// Behind a passphrase that nobody typed there is nothing.
    pub(super) fn check_locked(&self) {
        let (sandbox, issuer) = home();
        sandbox.login(&issuer);
        gate::set(&sandbox);
        sandbox.keyfob(&["lock"]).run().expect_success();
        self.fails(&sandbox, self.codes[2], "run `keyfob unlock");
    }
}

/// The tests that are alike for each protocol that has a [`Call`], under the names that the table of protocols reads.
macro_rules! cases_of_a_session {
    ($call:expr) => {
        #[test]
        fn hit_a_session_is_what_the_tool_gets() {
            $call.check_hit();
        }

        #[test]
        fn refreshed_a_session_that_has_ended_is_renewed_once() {
            $call.check_refreshed();
        }

        #[test]
        fn two_accounts_are_named_and_none_is_taken() {
            $call.check_two_accounts();
        }

        #[test]
        fn locked_behind_a_passphrase_there_is_nothing() {
            $call.check_locked();
        }
    };
}
pub(super) use cases_of_a_session;

/// A home with the provider `acme`, which takes bearer tokens, and its issuer.
pub(super) fn home() -> (Sandbox, Issuer) {
    home_for("https://acme.example", "bearer")
}

/// A home with the provider `acme` for a URL with this scheme, and its issuer.
pub(super) fn home_for(url: &str, scheme: &str) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider_for(&issuer, &[(url, scheme)]);
    (sandbox, issuer)
}

/// The provider `two` for `https://two.example`, with the accounts `ann` and `bob`.
pub(super) fn two_accounts(sandbox: &Sandbox) {
    let text = "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://two.example\"\n";
    sandbox.write_provider("two", text);
    for name in ["two:ann", "two:bob"] {
        let set = sandbox.keyfob(&["set-token", name]).stdin("canary");
        set.run().expect_success();
    }
}
