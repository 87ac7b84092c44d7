//! A home looked at from beside the program: what lies in it, made older without waiting, and what must hold after any fault.

use std::fs::{self, File};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use keyfob::record::{Group, Key, Record};
use keyfob::store::{NoSource, Seat, Stores};
use keyfob::time::Timestamp;

use crate::issuer::{Issuer, Outcome, Script};
use crate::run::no_forks;
use crate::sandbox::{Output, Sandbox};

/// A home with a session at its own issuer.
pub(crate) struct Home {
    pub(crate) sandbox: Sandbox,
    pub(crate) issuer: Issuer,
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(since.as_secs().cast_signed())
}

/// The key of the only session.
pub(crate) fn key() -> Key {
    let group = Group::Session {
        provider: "acme".into(),
        mode: String::new(),
    };
    Key {
        group,
        account: "ann".into(),
        path: None,
    }
}

/// The stores of a sandbox, opened in this process, without keychain and keyring.
pub(crate) fn stores(sandbox: &Sandbox) -> Stores {
    Stores::with(Seat {
        data: sandbox.keyfob_home().join("data"),
        runtime: None,
        source: Rc::new(NoSource("a test has no keychain")),
        items: Rc::new(NoSource("a test has no keychain")),
        wait: Rc::new(|_| ()),
        now: Rc::new(now),
        person: false,
        test: true,
        handed: None,
        fail_at: None,
    })
}

/// Files that are on their way to be something else.
pub(crate) fn temporaries(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = sandbox.files().into_keys().collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".tmp") || (name.starts_with('.') && name != ".gitignore")
    });
    files
}

/// Refuses leftovers, locks that are held, and records that cannot be read.
pub(crate) fn assert_whole(sandbox: &Sandbox, case: &str) {
    assert_eq!(temporaries(sandbox), [""; 0].map(PathBuf::from), "{case}: leftovers");
    let _alone = no_forks();
    for entry in fs::read_dir(sandbox.keyfob_home().join("data/locks"))
        .into_iter()
        .flatten()
    {
        let file = File::open(entry.unwrap().path()).unwrap();
        assert!(file.try_lock().is_ok(), "{case}: a lock is held");
    }
    for record in stores(sandbox).list().unwrap() {
        assert!(record.is_ok(), "{case}: {record:?}");
    }
}

impl Home {
    /// A session that lives; the script is for renewals.
    pub(crate) fn new(script: Script) -> Home {
        Home::within(Sandbox::new(), script)
    }

    /// The same in this sandbox.
    pub(crate) fn within(sandbox: Sandbox, script: Script) -> Home {
        let issuer = Issuer::start(Script::default());
        sandbox.provider(&issuer);
        sandbox.login(&issuer);
        issuer.script(|now| *now = script);
        Home { sandbox, issuer }
    }

    /// Ends the access token's life by making its record an hour older, and forgets what earlier renewals noted.
    pub(crate) fn expire(&self) {
        self.change(|record| {
            record.intent = None;
            record.cooldown_until = None;
            record.obtained_at = Some(now().plus(-7200));
            record.expires_at = Some(now().plus(-3600));
        });
    }

    /// The same, to the last minutes in which the token is served and a renewal is tried.
    pub(crate) fn nearly_expire(&self) {
        self.change(|record| {
            record.obtained_at = Some(now().plus(-3480));
            record.expires_at = Some(now().plus(120));
        });
    }

    /// The same as [`Home::expire`], but a rest that the issuer asked for stays.
    pub(crate) fn expire_keeping_rest(&self) {
        self.change(|record| record.expires_at = Some(now().plus(-3600)));
    }

    /// Changes the record as a process of another age of the program would.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Record)) {
        let _alone = no_forks();
        let stores = stores(&self.sandbox);
        let lock = stores.lock(&key(), Duration::ZERO, &|_| ()).unwrap();
        let lock = lock.expect("no lock outlives its process");
        let stored = stores.get(&key()).unwrap().expect("there is a session");
        let mut record = stored.record;
        record.generation += 1;
        change(&mut record);
        stores.put(&lock, &record, stored.store, None).unwrap();
    }

    /// `keyfob token acme`, ended in any way.
    pub(crate) fn token(&self) -> Output {
        let run = self.sandbox.keyfob(&["token", "acme"]);
        run.deadline(Duration::from_secs(40)).run()
    }

    /// How many refresh tokens the issuer has exchanged for new ones.
    pub(crate) fn committed(&self) -> usize {
        let redemptions = self.issuer.redemptions();
        redemptions
            .iter()
            .filter(|redemption| redemption.outcome == Outcome::Redeemed)
            .count()
    }

    /// Whether the refresh token that the issuer honours now is in any file.
    pub(crate) fn holds_live(&self) -> bool {
        self.issuer.settles();
        let family = self.issuer.live_family();
        family.is_some_and(|family| !self.sandbox.files_with(&family.refresh).is_empty())
    }
}
