//! The command line of Python's `keyring`, which pip and uv run and which scripts and people type.
//!
//! It knows nothing of where credentials come from. A service is whatever its caller calls so: an index's URL is a
//! target, and any other text is a name and no place, because nothing says how the secret would be sent there.
//! Implements `protocol.md`, section "keyring".

mod options;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{Class, Error, Result};
use crate::model::{Action, Answer, Credential, Request, Source};
use crate::protocol::{self, Call, NOBODY, Protocol, fetched, fits_line};
use crate::report;
use crate::secret::{MAX_TOKEN, Secret};
use crate::target::{self, Target};

use options::{Operation, Options, Output};

/// The protocol of keyring's command line.
pub(super) const KEYRING: Protocol = Protocol {
    name: "keyring",
    programs: &["keyring"],
    serve,
};

const USAGE: &str = "\
usage: keyring [--mode password|creds] [--output plain|json] get SERVICE [USERNAME]
       keyring set|del SERVICE USERNAME
       keyring diagnose | --list-backends | --disable
";

/// The user name beside a token that comes without one.
const ANY_USERNAME: &str = "__token__";

/// The scheme of a service that is a name.
const NAMED: &str = "keyring";

fn serve(call: &mut Call) -> u8 {
    let options = match options::read(call.args) {
        Ok(options) => options,
        Err(why) => {
            // The form of Python's argument parser, by which pip and uv know what a keyring understands.
            protocol::tell(call.errors, &format!("{USAGE}keyring: error: {why}\n"));
            return 2;
        }
    };
    match answer(call, &options) {
        Ok(Some(reply)) => u8::from(!reply.is_empty() && !protocol::write(call.output, &reply)),
        // Not a word: the caller goes on to its next source.
        Ok(None) => 1,
        Err(error) => {
            protocol::tell(call.errors, &report::lines(&error));
            if error.class == Class::Usage { 2 } else { 1 }
        }
    }
}

/// What goes to stdout; none where there is no such entry.
fn answer(call: &mut Call, options: &Options) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let text = match options.operation {
        Operation::Help => USAGE.to_owned(),
        Operation::ListBackends => "keyfob\n".to_owned(),
        Operation::Diagnose => concat!("backend: keyfob ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
        Operation::Disable => {
            return Err(
                Error::refused("disabling the keyring: keyfob answers as long as it is called `keyring`")
                    .hint("take that link from PATH, or set PIP_KEYRING_PROVIDER=disabled"),
            );
        }
        Operation::Get => return get(call, options),
        Operation::Set => return set(call, options).map(|()| Some(Zeroizing::default())),
        Operation::Del => return del(call, options).map(|found| found.then(Zeroizing::default)),
    };
    Ok(Some(Zeroizing::new(text.into_bytes())))
}

fn get(call: &mut Call, options: &Options) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let mut request = request(call, Action::Get, options)?;
    // pip and uv ask for everything that they fetch.
    request.wide = true;
    let mut answer = (call.ask)(&request)?;
    let nobody = request.username.take().filter(|user| NOBODY.contains(&user.as_str()));
    if !matches!(answer, Answer::Found(_)) && nobody.is_some() {
        // A session speaks for an account, which the caller need not know; what is kept for a user is that user's alone,
        // however many there are.
        request.newest = true;
        answer = (call.ask)(&request)?;
        if matches!(&answer, Answer::Found(credential) if is_kept(credential)) {
            return Ok(None);
        }
    }
    match answer {
        Answer::Found(credential) => encode(&credential, options).map(Some),
        _ => Ok(None),
    }
}

/// Whether a tool brought it for its origin.
fn is_kept(credential: &Credential) -> bool {
    matches!(credential.source, Source::Store { profile: None, .. })
}

fn set(call: &mut Call, options: &Options) -> Result<()> {
    let secret = if (call.is_typed)() {
        typed(call, options)?
    } else {
        let input = protocol::read(call.input)?;
        let text = std::str::from_utf8(&input).map_err(|_| Error::usage("reading the password: it is not UTF-8"))?;
        Secret::new(text.strip_suffix('\n').unwrap_or(text).to_owned())
    };
    let mut request = request(call, Action::Store, options)?;
    if secret.is_empty() {
        return Err(Error::usage("reading the password: there is none on stdin"));
    }
    if secret.len() > MAX_TOKEN {
        return Err(Error::refused("keeping the password: it is longer than 64 KiB"));
    }
    request.secret = Some(secret);
    match (call.ask)(&request)? {
        // The caller would believe that it is kept.
        Answer::Declined => Err(protocol::not_kept(call, &request)),
        _ => Ok(()),
    }
}

/// The password of a hidden prompt; nobody is asked for one that would not be kept.
fn typed(call: &mut Call, options: &Options) -> Result<Secret> {
    let request = request(call, Action::Store, options)?;
    if (call.ask)(&request)? == Answer::Declined {
        return Err(protocol::not_kept(call, &request));
    }
    let user = report::sanitise(request.username.as_deref().unwrap_or_default());
    let prompt = format!(
        "password of {user} for {} (not shown): ",
        report::sanitise(&options.service)
    );
    (call.prompt)(&prompt).map_err(|error| {
        error
            .context("asking for the password")
            .hint("give it on standard input, which is a terminal")
    })
}

/// Whether there was one.
fn del(call: &mut Call, options: &Options) -> Result<bool> {
    let mut request = request(call, Action::Get, options)?;
    let Answer::Found(found) = (call.ask)(&request)? else {
        return Ok(false);
    };
    request.action = Action::Erase;
    // With the secret, a session's would be renewed at its next use, which is not what is asked for.
    request.secret = is_kept(&found).then_some(found.secret);
    (call.ask)(&request)?;
    request.action = Action::Get;
    request.secret = None;
    let Answer::Found(left) = (call.ask)(&request)? else {
        return Ok(true);
    };
    match left.source {
        Source::Store { profile: None, .. } => Ok(true),
        Source::Store {
            profile: Some(profile), ..
        } => {
            let message = format!("forgetting the password: it is the session `{profile}`");
            Err(Error::refused(message).hint(format!("run `keyfob logout {profile}`")))
        }
        Source::Environment(name) => {
            let message = format!("forgetting the password: it is in the variable `{name}`");
            Err(Error::refused(message).hint(format!("unset {name}")))
        }
    }
}

fn request(call: &Call, action: Action, options: &Options) -> Result<Request> {
    let (target, user) = service(&options.service)?;
    let mut request = call.request(action, &KEYRING);
    request.target = Some(target);
    request.username = options.username.clone().or(user);
    if request
        .username
        .as_deref()
        .is_some_and(|name| name.chars().any(char::is_control))
    {
        return Err(Error::usage(
            "reading the command line: the user name has control characters",
        ));
    }
    Ok(request)
}

/// What a service means, and the user name that its URL may have.
///
/// A bare host is a name too: pip and uv ask for it after the URL, and whether they send the answer in clear is not said.
fn service(text: &str) -> Result<(Target, Option<String>)> {
    let malformed = |what: &str| Error::usage(format!("reading the command line: {what}"));
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        let named = Target::from_parts(NAMED, "", Some(text));
        return Ok((
            named.map_err(|_| malformed("the service's name is empty or has control characters"))?,
            None,
        ));
    }
    let authority = text.find("://").map_or(0, |at| at + 3);
    let end = text[authority..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |at| authority + at);
    let (user, url) = match text[authority..end].rsplit_once('@') {
        // A password beside it is none of ours.
        Some((user, host)) => (
            target::decode_user(user.split(':').next().unwrap_or(user)),
            format!("{}{host}{}", &text[..authority], &text[end..]),
        ),
        None => (None, text.to_owned()),
    };
    let target = fetched(&url).ok_or_else(|| malformed("the service's URL has no host that can be one"))?;
    Ok((target, user.filter(|user| !user.is_empty())))
}

fn encode(credential: &Credential, options: &Options) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        username: Option<&'a str>,
        password: &'a str,
    }
    let username = credential.username.as_deref().unwrap_or(ANY_USERNAME);
    let object = Object {
        username: options.creds.then_some(username),
        password: credential.secret.expose(),
    };
    if options.output == Output::Json {
        return Ok(protocol::json_line(&object));
    }
    let lines: Vec<&str> = object.username.into_iter().chain([object.password]).collect();
    if !lines.iter().all(|line| fits_line(line)) {
        return Err(Error::refused("printing the credential: it has a line end or NUL").hint("add `--output json`"));
    }
    let mut text = Zeroizing::new(lines.join("\n").into_bytes());
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
