//! The commands of the five, and how each ends in each trouble.

/// A command, and how it ends.
pub struct Row {
    /// Its words; those of one program alone come after its name and a colon.
    pub line: &'static str,
    /// What it reads.
    pub stdin: &'static str,
    /// Whether it may change what is kept, where it succeeds.
    pub changes: bool,
    /// For each [`Trouble`] the exit codes of ccp, cmdop, bcdock, clonit and myclaude. `u` is 64; `-` is not run, because it
    /// waits for a person, or nothing in it differs from another trouble.
    pub codes: [&'static str; 6],
}

/// What is wrong, besides that nobody is at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing else.
    Nobody,
    /// No service is reached.
    Unreached,
    /// No service is reached, and the access tokens have ended.
    Ended,
    /// The access tokens have ended, and the services renew no session.
    Rejected,
    /// The machine is locked.
    Locked,
    /// A variable has a token that no service knows. `clonit` has no such variable.
    Variable,
}

const fn row(line: &'static str, codes: [&'static str; 6]) -> Row {
    Row {
        line,
        stdin: "",
        changes: false,
        codes,
    }
}

const fn changing(line: &'static str, stdin: &'static str, codes: [&'static str; 6]) -> Row {
    Row {
        line,
        stdin,
        changes: true,
        codes,
    }
}

/// All commands. What ends a session comes last.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("status", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("status --check", ["00000", "33333", "33333", "22222", "44444", "22202"]),
    row("status --json", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("whoami", ["00000", "33333", "33333", "22222", "44444", "22202"]),
    row("whoami --json", ["00000", "33333", "33333", "22222", "44444", "22202"]),
    row("list", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("print-access-token", ["00000", "00000", "33033", "22022", "44444", "00000"]),
    row("export-access-token --shell bash", ["00000", "00000", "33033", "22022", "44444", "00000"]),
    row("shell-setup --shell zsh", ["00000", "-----", "-----", "-----", "00000", "-----"]),
    row("run -- true", ["000u0", "000-0", "330-3", "220-2", "44444", "000-0"]),
    row("run", ["uuuuu", "-----", "-----", "-----", "uuuuu", "-----"]),
    row("register --no-browser", ["0u0u0", "-----", "-----", "-----", "44444", "-----"]),
    row("register", ["0u0u0", "-----", "-----", "-----", "44444", "-----"]),
    row("provider check", ["00000", "-----", "-----", "-----", "00000", "-----"]),
    row("set-token", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    changing("set-token --no-check", "canary-typed", ["0uu55", "0uu55", "0uu55", "0uu55", "44444", "0uu55"]),
    changing("set-token", "canary-typed", ["2uu52", "0uu55", "0uu55", "2uu52", "44444", "2uu52"]),
    row("login --code canary-1", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("login --email ann@acme.example --code canary-1", ["2u2uu", "3-3--", "3-3--", "2-2--", "44444", "2-2--"]),
    row("login --with-token", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("mode", ["u00uu", "-00--", "-00--", "-00--", "u00uu", "-00--"]),
    changing("mode toggle", "", ["u02uu", "-02--", "-02--", "-02--", "u02uu", "-00--"]),
    row("mode nowhere", ["uuuuu", "-----", "-----", "-----", "uuuuu", "-----"]),
    row("account", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("account bob@acme.example", ["22222", "22222", "22222", "22222", "44444", "22222"]),
    row("workspace", ["u00uu", "-00--", "-00--", "-00--", "u44uu", "-00--"]),
    changing("workspace beta", "", ["u05uu", "-03--", "-03--", "-05--", "u44uu", "-05--"]),
    row("config", ["00000", "-----", "-----", "-----", "44444", "-----"]),
    row("config list", ["00000", "-----", "-----", "-----", "44444", "-----"]),
    row("config edit", ["000u0", "-----", "-----", "-----", "44444", "-----"]),
    row("config get cloud.url", ["uuu0u", "-----", "-----", "-----", "44444", "-----"]),
    changing("config set cloud.url https://cloud.clonit.ai", "", ["uuu0u", "-----", "-----", "-----", "44444", "-----"]),
    changing("config unset cloud.url", "", ["uuu0u", "-----", "-----", "-----", "44444", "-----"]),
    row("mfa status", ["00000", "03000", "03000", "02000", "44444", "02000"]),
    row("mfa code", ["22222", "22222", "22222", "22222", "44444", "22222"]),
    row("mfa enroll", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    changing("mfa enroll --no-phone --backup-codes codes", "", ["u0uuu", "-3---", "-3---", "-2---", "44444", "-5---"]),
    row("mfa add", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    changing("mfa add", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("mfa disable", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    changing("mfa disable --yes", "", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("password status", ["u0uuu", "-3---", "-3---", "-2---", "44444", "-2---"]),
    row("password set", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("password set --stdin", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("password clear", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("password clear --yes", ["u0uuu", "-3---", "-3---", "-2---", "44444", "-2---"]),
    row("sync", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("sync --vm vm-7", ["1uuuu", "1----", "3----", "2----", "44444", "1----"]),
    row("sync ssh://127.0.0.1:1 --timeout 2", ["33333", "33333", "33333", "22322", "44444", "33333"]),
    row("desync", ["uuuuu", "-----", "-----", "-----", "uuuuu", "-----"]),
    row("desync ssh://127.0.0.1:1 --timeout 2", ["33333", "-----", "-----", "-----", "33333", "-----"]),
    row("export", ["uuuuu", "-----", "-----", "-----", "uuuuu", "-----"]),
    row("export --all --output bundle.age", ["55u55", "55-55", "55-55", "55-55", "44444", "55-55"]),
    changing("export --all --output bundle.age --without-refresh --passphrase-file words --work-factor 10", "", ["00000", "00000", "55055", "55055", "44444", "00000"]),
    row("import there-is-none.age", ["uuuuu", "-----", "-----", "-----", "44444", "-----"]),
    row("lock status", ["00000", "-----", "-----", "-----", "00000", "-----"]),
    row("lock set", ["uuuuu", "-----", "-----", "-----", "uuuuu", "-----"]),
    row("lock clear", ["00000", "-----", "-----", "-----", "uuuuu", "-----"]),
    row("lock", ["11111", "-----", "-----", "-----", "00000", "-----"]),
    row("unlock", ["11111", "-----", "-----", "-----", "uuuuu", "-----"]),
    row("unlock --passphrase-file words -- true", ["11111", "-----", "-----", "-----", "00000", "-----"]),
    row("login", ["u-u--", "-----", "-----", "-----", "44444", "-----"]),
    row("cmdop: connect workspace use", ["0", "0", "0", "0", "4", "0"]),
    changing("cmdop: connect workspace use beta", "", ["0", "0", "0", "0", "4", "0"]),
    row("cmdop: connect key set", ["u", "u", "u", "u", "4", "u"]),
    row("cmdop: connect password set", ["u", "-", "-", "-", "u", "-"]),
    row("cmdop: auth status", ["0", "3", "3", "2", "4", "2"]),
    row("cmdop: auth password mfa", ["u", "-", "-", "-", "4", "-"]),
    row("cmdop: auth password export", ["u", "-", "-", "-", "u", "-"]),
    row("bcdock: me show", ["0", "3", "3", "2", "4", "2"]),
    row("bcdock: companies switch", ["0", "0", "0", "0", "4", "0"]),
    changing("bcdock: companies switch Beta", "", ["0", "3", "3", "5", "4", "5"]),
    changing("logout --local", "", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    changing("logout", "", ["00000", "00000", "00000", "00000", "44444", "00000"]),
];
