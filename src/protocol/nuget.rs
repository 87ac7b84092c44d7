//! NuGet's plugin protocol, version 2.0.0, and the plain question that tools put to the same program.
//!
//! It knows nothing of where credentials come from. One process answers for as long as NuGet wants: a line of JSON is a
//! message, and each side greets the other.
//! Implements `protocol.md`, section "nuget".

mod wire;

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential, Request, Source};
use crate::protocol::{self, Call, MAX_INPUT, Protocol, fetched};
use crate::report;
use crate::secret::Secret;
use crate::target::Target;

use wire::{Code, Credentials, Message, Reply};

/// NuGet's protocol.
pub(super) const NUGET: Protocol = Protocol {
    name: "nuget",
    programs: &["nuget-plugin-keyfob"],
    serve,
};

const USAGE: &str = "\
usage: nuget-plugin-keyfob -Plugin
       nuget-plugin-keyfob -Uri URL [-OutputFormat Json|HumanReadable] [-IsRetry BOOL] [-NonInteractive BOOL]
";

/// The user name beside a token that comes without one; feeds look at the password alone.
const ANY_USERNAME: &str = "token";

/// The least time between two messages that say that the answer is being sought.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// How a line ends the conversation.
enum End {
    Closed,
    Failed(Error),
}

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    if matches!(call.args, [word] if word.eq_ignore_ascii_case("-plugin")) {
        return match converse(call) {
            End::Closed => 0,
            End::Failed(error) => protocol::finish(call, Err(error), |_| 1),
        };
    }
    let answered = alone(call);
    protocol::finish(call, answered, |_| 1)
}

/// Greets, and answers line by line until NuGet is done.
fn converse(call: &mut Call) -> End {
    let template = call.request(Action::Get, &NUGET);
    let mut given: Vec<(Target, Secret)> = Vec::new();
    let mut patience = wire::USUAL_PATIENCE;
    if !protocol::write(call.output, &wire::greeting()) {
        return End::Closed;
    }
    let mut reader = BufReader::new(&mut *call.input);
    loop {
        let mut line = Zeroizing::new(Vec::new());
        let limit = MAX_INPUT as u64 + 1;
        match (&mut reader).take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return End::Closed,
            Ok(_) if line.len() > MAX_INPUT => {
                return End::Failed(Error::usage("reading a message: it is longer than 1 MiB"));
            }
            Ok(_) => (),
            Err(error) => return End::Failed(Error::usage(format!("reading a message: {}", error.kind()))),
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let message = match wire::read(&line) {
            Ok(message) => message,
            Err(error) => return End::Failed(error),
        };
        let reply = match (message.kind.as_str(), message.method.as_str()) {
            ("Request", "Close") => return End::Closed,
            ("Request", "GetAuthenticationCredentials") => {
                let credentials = patiently(call.output, &message, patience, || {
                    authenticate(call.ask, &template, &message, &mut given)
                });
                Reply::Credentials(credentials)
            }
            ("Request", method) => {
                patience = message.payload.patience().unwrap_or(patience);
                plain(method, &message)
            }
            ("Response", "Handshake") if message.payload.response_code.as_deref() != Some("Success") => {
                return End::Failed(Error::usage("greeting NuGet: it speaks another version than 2.0.0"));
            }
            // The answer to the greeting; and what asks for none.
            _ => continue,
        };
        if !protocol::write(call.output, &wire::line(&message, &reply)) {
            return End::Closed;
        }
    }
}

/// Seeks an answer, and tells NuGet twice within its patience that it is being sought: it would ask again otherwise, and
/// give up. Nothing is told after the answer was found.
fn patiently<T>(output: &mut (dyn Write + Send), message: &Message, patience: Duration, seek: impl FnOnce() -> T) -> T {
    let progress = wire::line(message, &Reply::Progress);
    let pause = (patience / 2).max(LEAST_PAUSE);
    let (found, is_found) = mpsc::channel::<()>();
    std::thread::scope(move |scope| {
        let tell = move || {
            while is_found.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if !protocol::write(output, &progress) {
                    break;
                }
            }
        };
        // Without a thread the answer may come too late, and it may not.
        let _ = std::thread::Builder::new().spawn_scoped(scope, tell);
        let answer = seek();
        drop(found);
        answer
    })
}

/// What is answered without a credential.
fn plain(method: &str, message: &Message) -> Reply {
    let payload = &message.payload;
    match method {
        "Handshake" => Reply::Handshake(payload.speaks_ours()),
        "Initialize" | "SetLogLevel" | "MonitorNuGetProcessExit" | "SetCredentials" => Reply::Done,
        // Asked about a source, NuGet wants to know who has its packages.
        "GetOperationClaims" => {
            Reply::Claims(payload.package_source_repository.is_none() && payload.service_index.is_none())
        }
        _ => Reply::Fault,
    }
}

/// The credentials for a feed. Nothing ends the conversation: NuGet has a word for each failure.
fn authenticate(
    ask: &mut dyn FnMut(&Request) -> Result<Answer>,
    template: &Request,
    message: &Message,
    given: &mut Vec<(Target, Secret)>,
) -> Credentials {
    let Some(target) = message.payload.uri.as_deref().and_then(fetched) else {
        return Credentials::without(
            Code::Error,
            Some("keyfob: the message has no `Uri` that is a feed's".into()),
        );
    };
    let mut request = template.clone();
    request.target = Some(target.clone());
    request.wide = true;
    let last = given
        .iter()
        .position(|(place, _)| *place == target)
        .map(|at| given.swap_remove(at));
    let answered = match (message.payload.is_retry(), last) {
        (false, _) => ask(&request),
        (true, Some((_, secret))) => refuse(ask, &request, secret).and_then(|()| ask(&request)),
        (true, None) => renewed(ask, &request),
    };
    match answered {
        Ok(Answer::Found(credential)) => {
            // What a tool gave to keep is not forgotten because one feed refuses it.
            if !matches!(credential.source, Source::Store { profile: None, .. }) {
                given.push((target, credential.secret.clone()));
            }
            Credentials::of(*credential)
        }
        Ok(_) => Credentials::without(Code::NotFound, None),
        Err(error) => failed(&error),
    }
}

/// Says that the feed refused this secret: a session is renewed for it.
fn refuse(ask: &mut dyn FnMut(&Request) -> Result<Answer>, request: &Request, secret: Secret) -> Result<()> {
    let mut refused = request.clone();
    refused.action = Action::Erase;
    refused.secret = Some(secret);
    ask(&refused).map(drop)
}

/// The answer where the feed refused what another process gave for it. What ends is taken for that, and renewed; a key
/// that does not end could be a newer one, and would be forgotten.
fn renewed(ask: &mut dyn FnMut(&Request) -> Result<Answer>, request: &Request) -> Result<Answer> {
    let answer = ask(request)?;
    let Answer::Found(credential) = &answer else {
        return Ok(answer);
    };
    let is_kept = matches!(credential.source, Source::Store { profile: None, .. });
    if is_kept || credential.expires_at.is_none() {
        return Ok(answer);
    }
    refuse(ask, request, credential.secret.clone())?;
    ask(request)
}

fn failed(error: &Error) -> Credentials {
    let hint = error.hint.as_deref().map(report::sanitise);
    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
    Credentials::without(Code::Error, Some(format!("keyfob: {}{hint}", report::message(error))))
}

/// One question on the command line, as artifacts-keyring puts it.
fn alone(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let (mut uri, mut json, mut is_retry) = (None, false, false);
    let mut rest = call.args.iter().map(String::as_str).peekable();
    while let Some(arg) = rest.next() {
        let value = rest.next_if(|next| !next.starts_with('-'));
        match (arg.to_ascii_lowercase().as_str(), value) {
            ("-uri" | "-u", Some(value)) => uri = Some(value),
            ("-outputformat" | "-f", Some(value)) if value.eq_ignore_ascii_case("json") => json = true,
            ("-outputformat" | "-f", Some(value)) if value.eq_ignore_ascii_case("humanreadable") => json = false,
            ("-isretry" | "-i", value) => is_retry = value.is_none_or(|value| value.eq_ignore_ascii_case("true")),
            // How to ask a person, whom nobody asks here.
            ("-noninteractive" | "-n" | "-canshowdialog" | "-c" | "-verbosity" | "-v", _) => (),
            _ => return Err(usage("an option is not known")),
        }
    }
    let uri = uri.ok_or_else(|| usage("expected `-Plugin` or `-Uri`"))?;
    let mut request = call.request(Action::Get, &NUGET);
    request.target = Some(fetched(uri).ok_or_else(|| usage("`-Uri` is no URL of a feed"))?);
    request.wide = true;
    let answer = match is_retry {
        true => renewed(call.ask, &request)?,
        false => (call.ask)(&request)?,
    };
    let Answer::Found(credential) = answer else {
        return Err(protocol::nothing(&request, "the feed"));
    };
    let username = credential.username.as_deref().unwrap_or(ANY_USERNAME);
    let secret = credential.secret.expose();
    if json {
        return Ok(wire::pair(username, secret));
    }
    if !protocol::fits_line(username) || !protocol::fits_line(secret) {
        return Err(
            Error::refused("printing the credential: it has a line end or NUL").hint("add `-OutputFormat Json`")
        );
    }
    Ok(Zeroizing::new(
        format!("Username: {username}\nPassword: {secret}\n").into_bytes(),
    ))
}

fn usage(what: &str) -> Error {
    Error::usage(what)
        .context("reading the command line")
        .hint("run `keyfob nuget --help`")
}

impl Credentials {
    fn of(credential: Credential) -> Credentials {
        Credentials {
            username: Some(credential.username.unwrap_or_else(|| ANY_USERNAME.into())),
            password: Some(credential.secret),
            message: None,
            code: Code::Success,
        }
    }
}

#[cfg(test)]
mod tests;
