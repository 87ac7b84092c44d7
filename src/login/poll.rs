//! A login on a page of the service, with a proof key (RFC 7636) and a question whether the person is done there.
//!
//! No listener is opened, so the page may be on any device. The state is known to the browser and to the service; the
//! verifier goes to the service alone, with the question, and is worth nothing after the answer.
//! The service gives the tokens once. When that answer is lost on the way, nobody can get them any more, and the login
//! begins again with a fresh state and a fresh proof key.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::service::obtained;
use super::waiting::Waiting;
use super::{Login, Obtained, wants_factor};
use crate::config::{Poll, Slot};
use crate::error::{Context, Error, Result};
use crate::http::Failure;
use crate::oauth::pkce::Pkce;
use crate::renew::service::{answer, ask};
use crate::report::{message, sanitise};
use crate::shape::poll::{Next, next};
use crate::shape::with_query;
use crate::time::Timestamp;

/// How many pages one login may need; whoever loses so many answers has no network to log in over.
const PAGES: u32 = 3;

/// The longest time between two questions, in seconds: a person waits for the answer.
const MAX_INTERVAL_SECS: u64 = 30;

pub(super) fn run(login: &Login) -> Result<Obtained> {
    let name = login.profile();
    let poll = login.mode.poll.as_ref();
    let poll = poll.ok_or_else(|| Error::usage("the provider file has no `poll.page`"))?;
    for page in 1..=PAGES {
        let attempt = Attempt::new(login, poll);
        attempt.show();
        let obtained = attempt.wait().doing(format!("logging in to `{name}`"))?;
        if let Some(obtained) = obtained {
            return Ok(obtained);
        }
        if page < PAGES {
            login.world.write_stderr(
                "An answer of the service was lost on the way, and it is given only once.\n\
                 So the login begins again.\n\n",
            );
        }
    }
    Err(Error::temporary(format!(
        "logging in to `{name}`: the service's answers were lost on the way {PAGES} times"
    ))
    .hint(format!("run `keyfob login {name}` where the network is better")))
}

/// One page, with the state and the proof key that nothing else has.
struct Attempt<'a> {
    login: &'a Login<'a>,
    poll: &'a Poll,
    state: String,
    pair: Pkce,
    end: Timestamp,
}

impl<'a> Attempt<'a> {
    fn new(login: &'a Login<'a>, poll: &'a Poll) -> Attempt<'a> {
        let world = login.world;
        Attempt {
            login,
            poll,
            state: BASE64URL_NOPAD.encode(&world.random::<32>()),
            pair: Pkce::of(world.random()),
            end: world.now().plus(poll.limit_secs.into()),
        }
    }

    /// The page is always shown, also when a browser was opened with it.
    fn show(&self) {
        let (world, provider) = (self.login.world, self.login.provider);
        let values = [
            (Slot::State, self.state.as_str()),
            (Slot::Challenge, &self.pair.challenge),
        ];
        let page = with_query(&self.poll.page, &self.poll.query, &values);
        let minutes = self.poll.limit_secs.div_ceil(60);
        let mut text = format!(
            "To log in to {}, open this page on any device:\n\n    {page}\n\n\
             Go on only if you started this login yourself.\nThe page is good for {minutes} min.\n",
            sanitise(&provider.title),
        );
        if let Some(register) = &provider.register {
            text += &format!("Without an account, begin at {}.\n", sanitise(register));
        }
        world.write_stderr(&(text + "\n"));
        if self.login.options.browser {
            // Whoever has no browser has the page already.
            let opened = world.open_browser(&page, &self.login.provider.secret_variables());
            self.login.say(&match opened {
                Ok(()) => "The page is being opened in your browser.".to_owned(),
                Err(error) => format!("No browser was opened: {}.", message(&error)),
            });
        }
    }

    /// Asks until there is an answer. None when the answer that had the tokens was lost.
    fn wait(&self) -> Result<Option<Obtained>> {
        let world = self.login.world;
        let usual = u64::from(self.poll.interval_secs);
        let mut interval = usual;
        // What was heard last, if it was not the service; and whether a question may have been answered unheard.
        let (mut trouble, mut lost) = (None, false);
        let mut waiting = Waiting::new(world, "Waiting for the page", self.end);
        loop {
            waiting.pause(Duration::from_secs(interval.min(self.left())));
            if self.left() == 0 {
                return Err(self.over(trouble, lost));
            }
            let next = match self.ask() {
                Ok(next) => next?,
                Err(failure) => {
                    lost |= matches!(failure, Failure::CutOff(_));
                    Next::Nothing(failure.to_string())
                }
            };
            match next {
                Next::Done(granted) => return Ok(Some(obtained(self.login, granted))),
                // After a lost answer, a service that does not surely know the login has given its tokens away.
                Next::Pending { surely: false } | Next::Expired | Next::Refused(_) if lost => return Ok(None),
                Next::Pending { .. } => {
                    (trouble, lost, interval) = (None, false, usual);
                    waiting.trouble(None);
                }
                Next::Slower { after_secs } => {
                    trouble = Some("the service wants to be asked less often".into());
                    let named = after_secs.and_then(|seconds| u64::try_from(seconds).ok());
                    interval = named
                        .unwrap_or(interval * 2)
                        .clamp(interval, MAX_INTERVAL_SECS.max(usual));
                }
                Next::Nothing(why) => {
                    waiting.trouble(Some(&why));
                    trouble = Some(why);
                    interval = (interval * 2).min(MAX_INTERVAL_SECS.max(usual));
                }
                ended => return Err(self.ended(ended)),
            }
        }
    }

    fn left(&self) -> u64 {
        u64::try_from(self.end.since(self.login.world.now())).unwrap_or(0)
    }

    /// # Errors
    /// The inner one ends the login.
    fn ask(&self) -> Result<Result<Next>, Failure> {
        let values = [
            (Slot::State, self.state.as_str()),
            (Slot::Verifier, self.pair.verifier.expose()),
        ];
        let time = Duration::from_secs(self.left().max(1));
        let reply = ask(self.login.http, &self.poll.retrieve, &values, time)?;
        if let Some(error) = wants_factor(self.login.mode, &reply) {
            return Ok(Err(error));
        }
        let prefix = self.login.mode.key_prefix.as_deref();
        Ok(Ok(
            match next(self.poll, &answer(&reply), &self.pair.challenge, prefix) {
                Next::Nothing(why) => Next::Nothing(format!("the service answered with {why}")),
                next => next,
            },
        ))
    }

    /// Why the time is over without an answer.
    fn over(&self, trouble: Option<String>, lost: bool) -> Error {
        let minutes = self.poll.limit_secs.div_ceil(60);
        let error = match trouble {
            Some(why) if lost => Error::temporary(format!(
                "the service's answer was lost on the way, and it gives none again: {}",
                sanitise(&why)
            )),
            Some(why) => Error::temporary(format!("nothing usable was heard in {minutes} min: {}", sanitise(&why))),
            None => Error::login(format!("the login on the page was not finished in {minutes} min")),
        };
        error.hint(self.again())
    }

    /// Why there will be no answer.
    fn ended(&self, next: Next) -> Error {
        let error = match next {
            Next::Denied(words) => {
                let says = words.map(|words| format!(": the service says “{}”", sanitise(&words)));
                Error::login(format!("the login was refused on the page{}", says.unwrap_or_default()))
            }
            Next::Refused(why) => Error::failure(format!("the service refuses the question: {}", sanitise(&why))),
            Next::Unusable(why) => Error::failure(format!("the service's answer cannot be used: {}", sanitise(&why))),
            _ => Error::login("the page's time is over"),
        };
        error.hint(self.again())
    }

    fn again(&self) -> String {
        format!("run `keyfob login {}` again for a fresh page", self.login.profile())
    }
}
