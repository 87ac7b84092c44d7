//! A code that the service sends to the person's address; address and code are given for a session or a key.
//!
//! With a code on the command line none is sent: it was asked for before, elsewhere. Without one a person must be at a
//! terminal. A code is good once and for a few minutes; three wrong ones end the login, so that nobody tries them all.

use std::time::Duration;

use super::service::obtained;
use super::{Login, Obtained, wants_factor};
use crate::config::{Otp, Slot};
use crate::error::{Context, Error, Result};
use crate::http::Failure;
use crate::renew::service::{answer, ask};
use crate::report::sanitise;
use crate::secret::Secret;
use crate::shape::Granted;
use crate::shape::otp::{Outcome, code, exchanged, is_address, sent};
use crate::time::Timestamp;

/// The wrong codes after which a login ends; services take no more for one code.
const TRIES: u32 = 3;

/// The unusable answers to one question after which nobody is asked any more.
const QUESTIONS: u32 = 3;

/// The longest time for one call.
const CALL: Duration = Duration::from_secs(8);

/// The usual pause that a service which names none means by 429.
const PAUSE_SECS: i64 = 30;

/// The longest pause that is believed: a day.
const MAX_PAUSE_SECS: i64 = 86_400;

pub(super) fn run(login: &Login) -> Result<Obtained> {
    let otp = login.mode.otp.as_ref();
    let otp = otp.ok_or_else(|| Error::usage("the provider file has no `otp.send`"))?;
    let flow = Flow { login, otp };
    let doing = format!("logging in to `{}`", login.profile());
    let (email, granted) = match given(login)? {
        Some((email, code)) => {
            let granted = flow.scripted(&email, &code).doing(doing)?;
            (email, granted)
        }
        None => flow.ask().doing(doing)?,
    };
    // Whoever reads the mail of an address speaks for it, where nobody can be asked for another name.
    let subject = granted.subject.or_else(|| login.mode.whoami.is_none().then_some(email));
    Ok(obtained(login, Granted { subject, ..granted }))
}

/// Address and code of the command line. None where there is no code and a person can be asked.
fn given(login: &Login) -> Result<Option<(String, Secret)>> {
    let name = login.profile();
    let Some(typed) = &login.options.code else {
        if login.world.person() {
            return Ok(None);
        }
        let key = login.mode.variables.first();
        let variable = key.map_or_else(String::new, |name| format!(", or set {name}"));
        return Err(
            Error::usage("nobody is at a terminal to be asked for a code").hint(format!(
                "run `keyfob login {name} --email ADDRESS --code CODE` with a code that was sent already, \
             or `keyfob set-token {name} < FILE`{variable}"
            )),
        );
    };
    let email = address(login).ok_or_else(|| {
        Error::usage("`--code` needs `--email`: a code is good for one address")
            .hint(format!("run `keyfob login {name} --email ADDRESS --code CODE`"))
    })?;
    check_address(&email)?;
    let from_stdin;
    let typed = if typed.expose() == "-" {
        from_stdin = login.world.read_stdin()?;
        std::str::from_utf8(&from_stdin).unwrap_or_default()
    } else {
        typed.expose()
    };
    let code = code(typed).ok_or_else(|| {
        Error::usage("what was given as code cannot be one")
            .hint("a code is letters and digits; spaces and dashes in it do not matter")
    })?;
    Ok(Some((email, code)))
}

/// The address of the command line, or the account that is wanted, if that is one.
fn address(login: &Login) -> Option<String> {
    let account = login.options.account.clone().filter(|account| is_address(account));
    login.options.email.clone().or(account)
}

fn check_address(email: &str) -> Result<()> {
    if is_address(email) {
        Ok(())
    } else {
        Err(Error::usage("what was given with `--email` is no mail address"))
    }
}

struct Flow<'a> {
    login: &'a Login<'a>,
    otp: &'a Otp,
}

/// What became of one code.
enum Tried {
    /// The credential.
    Good(Box<Granted>),
    /// The code is wrong, used or old; with what the service says, fit for a terminal.
    Wrong(String),
}

impl Flow<'_> {
    /// The code was sent before; no other is.
    fn scripted(&self, email: &str, code: &Secret) -> Result<Granted> {
        match self.exchange(email, code)? {
            Tried::Good(granted) => Ok(*granted),
            Tried::Wrong(says) => {
                Err(Error::login(format!("the service does not take the code{says}")).hint(self.again()))
            }
        }
    }

    fn ask(&self) -> Result<(String, Granted)> {
        let email = match address(self.login) {
            Some(email) => check_address(&email).map(|()| email)?,
            None => self.ask_address()?,
        };
        let mut pause = self.send(&email)?;
        if let Some(until) = pause {
            return Err(self.limited(until.since(self.login.world.now())));
        }
        self.login.say(&format!(
            "Look for a code in the mail of {}; it may take a minute, or be among the spam.",
            sanitise(&email)
        ));
        let (mut wrong, mut unusable) = (0, 0);
        loop {
            let typed = self.login.world.ask_line("Code (r sends another): ")?;
            if typed.eq_ignore_ascii_case("r") {
                pause = self.resend(&email, pause)?;
                continue;
            }
            let Some(code) = code(&typed) else {
                unusable += 1;
                if unusable == QUESTIONS {
                    return Err(Error::usage("what was typed cannot be a code").hint(self.again()));
                }
                self.say("That cannot be a code: it has letters and digits.\n");
                continue;
            };
            match self.exchange(&email, &code)? {
                Tried::Good(granted) => return Ok((email, *granted)),
                Tried::Wrong(says) => {
                    wrong += 1;
                    let left = TRIES - wrong;
                    if left == 0 {
                        let message = format!("the service did not take {TRIES} codes{says}");
                        return Err(Error::login(message).hint(self.again()));
                    }
                    let tries = if left == 1 { "1 try is" } else { "2 tries are" };
                    self.say(&format!("The service does not take that code{says}; {tries} left.\n"));
                }
            }
        }
    }

    fn ask_address(&self) -> Result<String> {
        let (world, provider) = (self.login.world, self.login.provider);
        let mut text = format!("{} sends a code to your mail address.\n", sanitise(&provider.title));
        if let Some(register) = &provider.register {
            text += &format!("Without an account, begin at {}.\n", sanitise(register));
        }
        self.say(&text);
        for _ in 0..QUESTIONS {
            let email = world.ask_line("Email: ")?;
            if is_address(&email) {
                return Ok(email.to_string());
            }
            self.say("That is no mail address; it looks like you@acme.example.\n");
        }
        Err(Error::usage("what was typed is no mail address").hint(self.again()))
    }

    /// Has a code sent. Some where the service wants a pause first.
    fn send(&self, email: &str) -> Result<Option<Timestamp>> {
        let doing = "asking the service to send a code";
        self.say(&format!("Sending a code to {} ...\n", sanitise(email)));
        let scopes = self.login.scopes.join(" ");
        let values = [(Slot::Email, email), (Slot::Scope, scopes.as_str())];
        let reply = ask(self.login.http, &self.otp.send, &values, CALL)
            .map_err(Error::temporary)
            .doing(doing)?;
        let outcome = match sent(self.otp, &answer(&reply)) {
            Outcome::Done(()) => Ok(None),
            Outcome::Limited(after_secs) => {
                let seconds = after_secs.unwrap_or(PAUSE_SECS).clamp(1, MAX_PAUSE_SECS);
                Ok(Some(self.login.world.now().plus(seconds)))
            }
            Outcome::Nothing(why) => Err(Error::temporary(format!("it answered with {}", sanitise(&why)))),
            Outcome::Refused(words) => Err(Error::login(format!("it does not send one{}", says(words)))),
            Outcome::Unusable(why) => Err(Error::failure(format!("it answered with {}", sanitise(&why)))),
        };
        outcome.doing(doing)
    }

    /// Has another code sent, unless the service wants a pause that is not over. What was sent before stays good.
    fn resend(&self, email: &str, pause: Option<Timestamp>) -> Result<Option<Timestamp>> {
        let now = self.login.world.now();
        let pause = match pause.filter(|until| *until > now) {
            Some(until) => Some(until),
            None => self.send(email)?,
        };
        match pause {
            None => self.say("Another code is on its way.\n"),
            Some(until) => self.say(&format!(
                "The service sends another code in {} s at the earliest.\n",
                until.since(now)
            )),
        }
        Ok(pause)
    }

    fn exchange(&self, email: &str, code: &Secret) -> Result<Tried> {
        let doing = "giving the code to the service";
        let scopes = self.login.scopes.join(" ");
        let values = [
            (Slot::Email, email),
            (Slot::Code, code.expose()),
            (Slot::Scope, scopes.as_str()),
        ];
        let reply =
            ask(self.login.http, &self.otp.exchange, &values, CALL).map_err(|failure| self.unanswered(&failure));
        let reply = reply.doing(doing)?;
        if let Some(error) = wants_factor(self.login.mode, &reply) {
            return Err(error).doing(doing);
        }
        let prefix = self.login.mode.key_prefix.as_deref();
        let outcome = match exchanged(self.otp, &answer(&reply), prefix) {
            Outcome::Done(granted) => Ok(Tried::Good(Box::new(granted))),
            Outcome::Refused(words) => Ok(Tried::Wrong(says(words))),
            Outcome::Limited(after_secs) => Err(self.limited(after_secs.unwrap_or(PAUSE_SECS))),
            Outcome::Nothing(why) => {
                Err(Error::temporary(format!("it answered with {}", sanitise(&why))).hint(self.with_code()))
            }
            Outcome::Unusable(why) => {
                Err(Error::failure(format!("its answer cannot be used: {}", sanitise(&why))).hint(self.again()))
            }
        };
        outcome.doing(doing)
    }

    fn unanswered(&self, failure: &Failure) -> Error {
        let error = Error::temporary(failure);
        match failure {
            Failure::NotSent(_) => error.hint(self.with_code()),
            // The code is good once, and may have been taken.
            Failure::CutOff(_) => error.hint(format!("{}; the code may be used up", self.again())),
        }
    }

    fn limited(&self, seconds: i64) -> Error {
        let seconds = seconds.clamp(1, MAX_PAUSE_SECS);
        Error::temporary(format!("the service wants a pause of {seconds} s"))
            .hint(format!("{}, after {seconds} s", self.again()))
    }

    fn again(&self) -> String {
        format!("run `keyfob login {}` again for another code", self.login.profile())
    }

    /// The code was not used.
    fn with_code(&self) -> String {
        format!(
            "the code is still good: run `keyfob login {} --email ADDRESS --code CODE`",
            self.login.profile()
        )
    }

    fn say(&self, text: &str) {
        self.login.world.write_stderr(text);
    }
}

/// The service's words, fit for a terminal, after a colon.
fn says(words: Option<String>) -> String {
    let words = words.map(|words| sanitise(&words)).filter(|words| !words.is_empty());
    words.map_or_else(String::new, |words| format!(": it says “{words}”"))
}
