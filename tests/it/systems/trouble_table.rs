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
    /// waits for a person.
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
    row("shell-setup --shell zsh", ["00000", "00000", "00000", "00000", "00000", "00000"]),
    row("run -- true", ["000u0", "000u0", "330u3", "220u2", "44444", "000u0"]),
    row("run", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu"]),
    row("register --no-browser", ["0u0u0", "0u0u0", "0u0u0", "0u0u0", "44444", "0u0u0"]),
    row("register", ["0u0u0", "0u0u0", "0u0u0", "0u0u0", "44444", "0u0u0"]),
    row("provider check", ["00000", "00000", "00000", "00000", "00000", "00000"]),
    row("set-token", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    changing("set-token --no-check", "canary-typed", ["0uu54", "0uu54", "0uu54", "0uu54", "44444", "0uu54"]),
    changing("set-token", "canary-typed", ["2uu52", "0uu54", "0uu54", "2uu52", "44444", "2uu52"]),
    row("login --code canary-1", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("login --email ann@acme.example --code canary-1", ["2u2uu", "3u3uu", "3u3uu", "2u2uu", "44444", "2u2uu"]),
    row("login --with-token", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("mode", ["u00uu", "u00uu", "u00uu", "u00uu", "u00uu", "u00uu"]),
    changing("mode toggle", "", ["u02uu", "u02uu", "u02uu", "u02uu", "u02uu", "u00uu"]),
    row("mode nowhere", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu"]),
    row("account", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("account bob@acme.example", ["22222", "22222", "22222", "22222", "44444", "22222"]),
    row("workspace", ["u00uu", "u00uu", "u00uu", "u00uu", "u44uu", "u00uu"]),
    changing("workspace beta", "", ["u01uu", "u03uu", "u03uu", "u05uu", "u44uu", "u05uu"]),
    row("config", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("config list", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("config edit", ["000u0", "000u0", "000u0", "000u0", "44444", "000u0"]),
    row("config get cloud.url", ["uuu0u", "uuu0u", "uuu0u", "uuu0u", "44444", "uuu0u"]),
    changing("config set cloud.url https://cloud.clonit.ai", "", ["uuu0u", "uuu0u", "uuu0u", "uuu0u", "44444", "uuu0u"]),
    changing("config unset cloud.url", "", ["uuu0u", "uuu0u", "uuu0u", "uuu0u", "44444", "uuu0u"]),
    row("mfa status", ["00000", "03000", "03000", "02000", "44444", "02000"]),
    row("mfa code", ["22222", "22222", "22222", "22222", "44444", "22222"]),
    row("mfa enroll", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    changing("mfa enroll --no-phone --backup-codes codes", "", ["u0uuu", "u3uuu", "u3uuu", "u2uuu", "44444", "u5uuu"]),
    row("mfa add", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    changing("mfa add", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    row("mfa disable", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    changing("mfa disable --yes", "", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("password status", ["u0uuu", "u3uuu", "u3uuu", "u2uuu", "44444", "u2uuu"]),
    row("password set", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("password set --stdin", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("password clear", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("password clear --yes", ["u0uuu", "u3uuu", "u3uuu", "u2uuu", "44444", "u2uuu"]),
    row("sync", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("sync --vm vm-7", ["1uuuu", "1uuuu", "3uuuu", "2uuuu", "44444", "1uuuu"]),
    row("sync ssh://127.0.0.1:1 --timeout 2", ["33333", "33333", "33333", "22322", "44444", "33333"]),
    row("desync", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu"]),
    row("desync ssh://127.0.0.1:1 --timeout 2", ["33333", "33333", "33333", "33333", "33333", "33333"]),
    row("export", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu"]),
    row("export --all --output bundle.age", ["55u55", "55u55", "55u55", "55u55", "44444", "55u55"]),
    changing("export --all --output bundle.age --without-refresh --passphrase-file words --work-factor 10", "", ["00000", "00000", "55055", "55055", "44444", "00000"]),
    row("import there-is-none.age", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "44444", "uuuuu"]),
    row("lock status", ["00000", "00000", "00000", "00000", "00000", "00000"]),
    row("lock set", ["uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu"]),
    row("lock clear", ["00000", "00000", "00000", "00000", "uuuuu", "00000"]),
    row("lock", ["11111", "11111", "11111", "11111", "00000", "11111"]),
    row("unlock", ["11111", "11111", "11111", "11111", "uuuuu", "11111"]),
    row("unlock --passphrase-file words -- true", ["11111", "11111", "11111", "11111", "00000", "11111"]),
    row("login", ["u-u--", "u-u--", "u-u--", "u-u--", "44444", "u-u--"]),
    row("cmdop: connect workspace use", ["0", "0", "0", "0", "4", "0"]),
    changing("cmdop: connect workspace use beta", "", ["0", "0", "0", "0", "4", "0"]),
    row("cmdop: connect key set", ["0", "0", "0", "0", "4", "0"]),
    row("cmdop: connect password set", ["0", "0", "0", "0", "4", "0"]),
    row("cmdop: auth status", ["0", "0", "0", "0", "4", "0"]),
    row("cmdop: auth password mfa", ["0", "0", "0", "0", "4", "0"]),
    row("cmdop: auth password export", ["0", "0", "0", "0", "4", "0"]),
    row("bcdock: me show", ["0", "0", "0", "0", "4", "0"]),
    row("bcdock: companies switch", ["0", "0", "0", "0", "4", "0"]),
    changing("bcdock: companies switch Beta", "", ["0", "0", "0", "0", "4", "0"]),
    changing("logout --local", "", ["00000", "00000", "00000", "00000", "44444", "00000"]),
    changing("logout", "", ["00000", "00000", "00000", "00000", "44444", "00000"]),
];
