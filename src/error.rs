//! What can go wrong, in the six ways that a caller can tell apart.
//!
//! It knows nothing of exit codes on a particular wire: `report.rs` has the exit table, each protocol its own form.
//! A message names keys, files, hosts and profiles; it never carries a value that came from outside.

use std::fmt;

/// What the caller can do about a failure; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// None of the others.
    Failure,
    /// No valid session or credential: a person must log in.
    Login,
    /// Network, rate limit or lock time-out: the same call may succeed later.
    Temporary,
    /// A store is locked, denied, unavailable or damaged.
    Store,
    /// Two accounts fit, a policy forbids it, or the target may not have this credential.
    Refused,
    /// The command line, the configuration or a request is malformed.
    Usage,
}

/// A failure: its class, the chain of causes, and the one command to run next if there is one.
#[derive(Debug)]
pub struct Error {
    /// What the caller can do about it.
    pub class: Class,
    /// What keyfob was doing, then why that failed.
    pub chain: anyhow::Error,
    /// The next step, as a command where there is one.
    pub hint: Option<String>,
    /// Whether nobody else is to be asked instead: no other helper, and no person for a password.
    pub last: bool,
    /// The error code of an issuer that is behind it, such as `invalid_client`; or [`NO_PROVIDER`].
    pub code: Option<String>,
}

/// The code of a failure for the sole reason that no provider has the name that was given.
pub const NO_PROVIDER: &str = "no-provider";

/// The result of everything that a person or a tool can ask for.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes a failure of a class from one sentence: lower-case, no final period.
    pub fn new(class: Class, message: impl fmt::Display) -> Self {
        Error {
            class,
            chain: anyhow::Error::msg(message.to_string()),
            hint: None,
            last: false,
            code: None,
        }
    }

    /// Makes a failure of the class [`Class::Usage`].
    pub fn usage(message: impl fmt::Display) -> Self {
        Error::new(Class::Usage, message)
    }

    /// Makes a failure of the class [`Class::Refused`].
    pub fn refused(message: impl fmt::Display) -> Self {
        Error::new(Class::Refused, message)
    }

    /// Makes a failure of the class [`Class::Temporary`].
    pub fn temporary(message: impl fmt::Display) -> Self {
        Error::new(Class::Temporary, message)
    }

    /// Makes a failure of the class [`Class::Store`].
    pub fn store(message: impl fmt::Display) -> Self {
        Error::new(Class::Store, message)
    }

    /// Makes a failure of the class [`Class::Login`].
    pub fn login(message: impl fmt::Display) -> Self {
        Error::new(Class::Login, message)
    }

    /// Makes a failure of the class [`Class::Failure`].
    pub fn failure(message: impl fmt::Display) -> Self {
        Error::new(Class::Failure, message)
    }

    /// Adds the next step for a person.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says that nobody else is to be asked instead.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.last = true;
        self
    }

    /// Says which error code is behind it.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Puts what was being done in front of the chain.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.chain = self.chain.context(doing.to_string());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.chain)
    }
}

/// Adds to a failure what keyfob was doing when it happened.
pub trait Context<T> {
    /// Puts `doing` in front of the chain of causes.
    ///
    /// # Errors
    /// The same failure, of the same class.
    fn doing(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn doing(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.context(doing))
    }
}
