//! Homes with something to export, and what is in a bundle that was written.

use keyfob::bundle::age::{self, Open, Seal};
use keyfob::bundle::{Document, Identity, Recipient};
use keyfob::record::{Group, Key, Record};
use keyfob::secret::Secret;
use serde_json::Value;

use crate::fault::home::stores;
use crate::run::no_forks;
use crate::sandbox::{Output, Run, Sandbox};

pub(super) const RECIPIENT: &str = "age1slmjrsqlg6mpwkp22y2k5rl7vyfr3qpz77u5jarg4jp65af4g3mqyjqkdr";
pub(super) const IDENTITY: &str = "AGE-SECRET-KEY-1Y8ATYHR3U8ERTAX6U2W7GVX8U0TVDZNQSNS5VNCHJ8AAMG3H7P9SD67CE4";
/// Of an identity that nobody has.
pub(super) const OTHER_RECIPIENT: &str = "age1ffnmwl4h69ps5skjcjg47v5ulldklye3jzewfn68ptr8p3wkxgqstkpx3z";

pub(super) const PROVIDER: &str = "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"ACME_TOKEN\"]\n\
                                   [[target]]\nurl = \"https://acme.example\"\n";

/// A home with the provider file `acme`, and with the identity in `key.txt`.
pub(super) fn set() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_provider("acme", PROVIDER);
    sandbox.write("key.txt", IDENTITY);
    sandbox
}

pub(super) fn key(account: &str) -> Key {
    Key {
        group: Group::Session {
            provider: "acme".into(),
            mode: String::new(),
        },
        account: account.into(),
        path: None,
    }
}

/// Puts a session of this account into the home, changed in this way; over one that is there.
pub(super) fn take(sandbox: &Sandbox, account: &str, change: impl FnOnce(&mut Record)) {
    let _alone = no_forks();
    let stores = stores(sandbox);
    let mut record = Record::new(key(account), "canary-family".into(), "keyfob");
    record.secret = Some(Secret::new(format!("canary-{account}")));
    record.obtained_at = Some(crate::fault::home::now().plus(-60));
    change(&mut record);
    let old = stores.get(&record.key).unwrap();
    record.generation = old.map_or(1, |old| old.record.generation + 1);
    let locks = stores.lock_all([&record.key], std::time::Duration::from_secs(60), &|pause| {
        std::thread::sleep(pause)
    });
    let locks = locks.unwrap().expect("nobody holds it for so long");
    stores.put(locks.of(&record.key), &record, "file", None).unwrap();
}

/// Sessions of these accounts with a key that ends never.
pub(super) fn keys(sandbox: &Sandbox, accounts: &[&str]) {
    for account in accounts {
        take(sandbox, account, |_| ());
    }
}

/// A session whose access token lives for an hour, and whose refresh token is good once.
pub(super) fn session(sandbox: &Sandbox, account: &str) {
    take(sandbox, account, |record| {
        record.refresh = Some(Secret::new(format!("canary-refresh-{account}")));
        record.expires_at = Some(crate::fault::home::now().plus(3600));
    });
}

/// What a tool gave to keep for a host.
pub(super) fn note(sandbox: &Sandbox, host: &str, user: &str) {
    let request = format!("protocol=https\nhost={host}\nusername={user}\npassword=canary-at-{host}\n\n");
    sandbox.keyfob(&["store"]).stdin(request).run().expect_success();
}

pub(super) fn exporting(sandbox: &Sandbox, args: &[&str]) -> Run {
    let output: &[&str] = if args.contains(&"--output") {
        &[]
    } else {
        &["--output", "bundle.age"]
    };
    let args = [&["export", "--recipient", RECIPIENT], output, args].concat();
    sandbox.keyfob(&args)
}

/// `export` with these arguments, for the identity of every home, to `bundle.age`.
pub(super) fn export(sandbox: &Sandbox, args: &[&str]) -> Output {
    exporting(sandbox, args).run()
}

pub(super) fn importing(to: &Sandbox, from: &Sandbox, args: &[&str]) -> Run {
    let file = from.path().join("bundle.age").display().to_string();
    let args = [&["import", &file, "--identity", "key.txt"], args].concat();
    to.keyfob(&args)
}

/// `import` of the other home's `bundle.age`.
pub(super) fn import(to: &Sandbox, from: &Sandbox, args: &[&str]) -> Output {
    importing(to, from, args).run()
}

/// All records of a home, without what each store has of its own.
pub(super) fn records(sandbox: &Sandbox) -> Vec<Record> {
    let all = stores(sandbox).list().unwrap();
    let mut records: Vec<Record> = all
        .into_iter()
        .map(|stored| {
            let mut record = stored.unwrap().record;
            record.family = String::new();
            record.generation = 1;
            record
        })
        .collect();
    records.sort_by(|a, b| a.key.cmp(&b.key));
    records
}

/// Whether there is a session of this account, and it has not ended.
pub(super) fn has(sandbox: &Sandbox, account: &str) -> bool {
    let record = stores(sandbox).get(&key(account)).unwrap();
    record.is_some_and(|stored| stored.record.dead.is_none())
}

pub(super) fn opened(file: &[u8]) -> Document {
    let identity = Identity::parse(IDENTITY).unwrap();
    Document::decode(&age::open(file, &Open::Identities(&[identity])).unwrap()).unwrap()
}

/// The JSON in the home's `bundle.age`.
pub(super) fn contents(sandbox: &Sandbox) -> Value {
    let file = std::fs::read(sandbox.path().join("bundle.age")).unwrap();
    let identity = Identity::parse(IDENTITY).unwrap();
    let plain = age::open(&file, &Open::Identities(&[identity])).unwrap();
    assert!(Document::decode(&plain).is_ok());
    serde_json::from_slice(&plain).unwrap()
}

/// A file of age for the identity of every home, with this in it.
pub(super) fn sealed(plain: &[u8]) -> Vec<u8> {
    let recipient = Recipient::parse(RECIPIENT).unwrap();
    age::seal(plain, &Seal::Recipients(&[recipient])).bytes
}

/// An identity that no bundle is for.
pub(super) fn other_identity() -> String {
    "AGE-SECRET-KEY-1W56SP8T6F3JH85DVV844MXS62L928DY4CJM9P3TYJ2G74Y443TKQZK5NWL".into()
}
