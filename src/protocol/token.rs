//! One secret on stdout and nothing else, for every program that runs a command to get one.
//!
//! It knows nothing of where credentials come from. It reads no input and has no other answer than the secret.
//! Implements `protocol.md`, section "token".

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential, Proves, Request, Understands};
use crate::protocol::{self, Call, Protocol, authorization, fits_line, headers};
use crate::report;

/// keyfob's command for a bare secret.
pub(super) const TOKEN: Protocol = Protocol {
    name: "token",
    programs: &[],
    serve,
};

const USAGE: &str = "\
usage: keyfob token PROFILE|URL [--header] [--format bare|value|json|env] [--variable NAME] [--no-newline]
                    [--valid-for 45m] [--id-token]
       keyfob token PROFILE|URL --header --dpop-url URL [--dpop-method GET] [--dpop-nonce NONCE]
";

/// What to print.
#[derive(Debug, PartialEq)]
enum Form {
    /// The secret.
    Bare,
    /// An assignment to this variable.
    Env(String),
    /// A whole header line.
    Header,
    /// An object of headers, name to value.
    Json,
    /// The value of the header, with its scheme.
    Value,
}

/// The command line, read.
#[derive(Debug, PartialEq)]
struct Options {
    what: String,
    form: Form,
    newline: bool,
    valid_for_secs: Option<u32>,
    id_token: bool,
    proves: Option<Proves>,
}

fn serve(call: &mut Call) -> u8 {
    if call.args.iter().any(|arg| arg == "--help" || arg == "-h") {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, report::exit_code)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let options = read(call.args)?;
    let mut request = Request::new(Action::Get, TOKEN.name);
    request.valid_for_secs = options.valid_for_secs;
    request.id_token = options.id_token;
    request.proves.clone_from(&options.proves);
    request.understands = Understands {
        authtype: true,
        ..Understands::default()
    };
    let what = protocol::name(&mut request, &options.what)?;
    match (call.ask)(&request)? {
        Answer::Found(credential) => print(&credential, &options),
        _ => Err(protocol::nothing(&request, what)),
    }
}

/// The text to print.
fn print(credential: &Credential, options: &Options) -> Result<Zeroizing<Vec<u8>>> {
    let secret = &credential.secret;
    let mut text = Zeroizing::new(match &options.form {
        Form::Bare if fits_line(secret.expose()) => secret.expose().to_owned(),
        Form::Bare => return Err(Error::refused("printing the secret: it has a line end or NUL")),
        Form::Env(name) if secret.is_token() => assignments(name, credential),
        Form::Env(_) => {
            return Err(Error::refused(
                "printing the variable: the secret has characters that no token has",
            ));
        }
        Form::Header => {
            let value = authorization(credential).map_err(|error| error.context("printing the header"))?;
            let proof = credential.proof.as_ref();
            let proof = proof.map_or_else(String::new, |proof| format!("\nDPoP: {}", proof.expose()));
            format!("Authorization: {}{proof}", value.expose())
        }
        Form::Value => {
            let value = authorization(credential).map_err(|error| error.context("printing the header's value"))?;
            value.expose().to_owned()
        }
        Form::Json => {
            let headers = headers(credential).map_err(|error| error.context("printing the headers"))?;
            let named = headers.iter().map(|(name, value)| (*name, value.expose()));
            serde_json::to_string(&named.collect::<BTreeMap<_, _>>()).expect("a map of texts is JSON")
        }
    });
    if options.newline {
        text.push('\n');
    }
    Ok(Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
}

/// The secret's assignment, and the workspace's where there is one.
fn assignments(name: &str, credential: &Credential) -> String {
    let secret = assignment(name, credential.secret.expose());
    match &credential.workspace {
        Some(workspace) => format!(
            "{secret}\n{}",
            assignment(&format!("{name}_WORKSPACE"), &workspace.name)
        ),
        None => secret,
    }
}

/// An assignment that a shell and a reader of plain `NAME=value` files take alike, as far as the secret allows.
fn assignment(name: &str, secret: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/+=:@%,".contains(&b);
    if secret.bytes().all(plain) {
        format!("{name}={secret}")
    } else {
        format!("{name}='{}'", secret.replace('\'', r"'\''"))
    }
}

/// Reads the command line.
fn read(args: &[String]) -> Result<Options> {
    let (mut what, mut format, mut variable, mut valid_for) = (None, None, None, None);
    let (mut url, mut method, mut nonce) = (None, None, None);
    let (mut header, mut newline, mut options_end, mut id_token) = (false, true, false, false);
    let mut rest = args.iter().map(String::as_str);
    while let Some(arg) = rest.next() {
        if options_end || !arg.starts_with('-') {
            if what.replace(arg).is_some() {
                return Err(usage("expected one profile or URL, found two"));
            }
            continue;
        }
        let (name, value) = arg
            .split_once('=')
            .map_or((arg, None), |(name, value)| (name, Some(value)));
        let slot = match (name, value) {
            ("--", None) => {
                options_end = true;
                continue;
            }
            ("--header", None) => {
                header = true;
                continue;
            }
            ("--id-token", None) => {
                id_token = true;
                continue;
            }
            ("--no-newline", None) => {
                newline = false;
                continue;
            }
            ("--format", _) => &mut format,
            ("--variable", _) => &mut variable,
            ("--valid-for", _) => &mut valid_for,
            ("--dpop-url", _) => &mut url,
            ("--dpop-method", _) => &mut method,
            ("--dpop-nonce", _) => &mut nonce,
            _ => return Err(usage("an option is not known")),
        };
        let value = value.or_else(|| rest.next());
        let value = value.ok_or_else(|| usage(format!("`{name}` has no value")))?;
        if slot.replace(value).is_some() {
            return Err(usage(format!("`{name}` stands more than once")));
        }
    }
    let what = what
        .filter(|what| !what.is_empty())
        .ok_or_else(|| usage("expected a profile or URL"))?;
    Ok(Options {
        what: what.into(),
        form: form(header, format, variable)?,
        newline,
        valid_for_secs: valid_for.map(seconds).transpose()?,
        id_token,
        proves: proves(header, url, method, nonce)?,
    })
}

/// The request for which a proof is wanted.
fn proves(header: bool, url: Option<&str>, method: Option<&str>, nonce: Option<&str>) -> Result<Option<Proves>> {
    match url {
        Some(url) if header => {
            let proves = Proves::new(method.unwrap_or("GET"), url, nonce);
            proves.map(Some).map_err(|why| usage(format!("`--dpop-url`: {why}")))
        }
        Some(_) => Err(usage("`--dpop-url` goes with `--header`")),
        None if method.or(nonce).is_some() => Err(usage("`--dpop-method` and `--dpop-nonce` go with `--dpop-url`")),
        None => Ok(None),
    }
}

fn form(header: bool, format: Option<&str>, variable: Option<&str>) -> Result<Form> {
    match (header, format, variable) {
        (false, None | Some("bare"), None) => Ok(Form::Bare),
        (false, Some("json"), None) => Ok(Form::Json),
        (false, Some("value"), None) => Ok(Form::Value),
        (true, None, None) => Ok(Form::Header),
        (false, Some("env"), variable) => {
            let name = variable.unwrap_or("TOKEN");
            let first = name
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
            if first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                Ok(Form::Env(name.into()))
            } else {
                Err(usage("`--variable` is not the name of a variable"))
            }
        }
        (true, _, _) => Err(usage("`--header` goes with no other form")),
        (false, _, Some(_)) => Err(usage("`--variable` goes with `--format env`")),
        (false, Some(_), None) => Err(usage("`--format` is not `bare`, `value`, `json` or `env`")),
    }
}

fn seconds(text: &str) -> Result<u32> {
    let duration = humantime::parse_duration(text).ok();
    let seconds = duration.and_then(|duration| u32::try_from(duration.as_secs()).ok());
    seconds.ok_or_else(|| usage("`--valid-for` is not a duration such as `45m`"))
}

fn usage(what: impl std::fmt::Display) -> Error {
    Error::usage(what)
        .context("reading the command line")
        .hint("run `keyfob token --help`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;
    use crate::secret::Secret;

    fn options(line: &str) -> Result<Options> {
        read(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    fn printed(line: &str, username: Option<&str>, authtype: Option<&str>, secret: &str) -> Option<String> {
        let credential = Credential {
            username: username.map(Into::into),
            secret: Secret::new(secret.into()),
            authtype: authtype.map(Into::into),
            is_token: false,
            refresh: None,
            expires_at: None,
            account: None,
            subject: None,
            workspace: None,
            source: Source::Environment("X".into()),
            mark: None,
            proof: None,
        };
        let text = print(&credential, &options(line).unwrap()).ok()?;
        Some(String::from_utf8(text.to_vec()).unwrap())
    }

    #[test]
    fn the_secret_stands_alone() {
        assert_eq!(printed("p", None, None, "canary x").as_deref(), Some("canary x\n"));
        assert_eq!(
            printed("p --no-newline", Some("u"), None, "canary").as_deref(),
            Some("canary")
        );
        for secret in ["canary\n", "canary\r", "can\0ary"] {
            assert_eq!(printed("p", None, None, secret), None);
        }
    }

    #[test]
    fn a_header_has_the_scheme_of_the_credential() {
        let header = |username, authtype| printed("--header p", username, authtype, "canary");
        assert_eq!(header(None, None).as_deref(), Some("Authorization: Bearer canary\n"));
        assert_eq!(
            header(Some("u"), Some("DPoP")).as_deref(),
            Some("Authorization: DPoP canary\n")
        );
        assert_eq!(
            header(Some("u"), None).as_deref(),
            Some("Authorization: Basic dTpjYW5hcnk=\n")
        );
        assert_eq!(header(Some("u:v"), None), None);
        assert_eq!(printed("--header p", None, None, "canary\nX: y"), None);
    }

    #[test]
    fn a_value_and_an_object_have_the_scheme_too() {
        for (username, authtype, value) in [
            (None, Some("Bearer"), "Bearer canary"),
            (Some("u"), None, "Basic dTpjYW5hcnk="),
        ] {
            let print = |line| printed(line, username, authtype, "canary");
            assert_eq!(print("--format value p"), Some(format!("{value}\n")));
            let object = format!("{{\"Authorization\":\"{value}\"}}");
            assert_eq!(print("--format=json p --no-newline"), Some(object));
        }
        for form in ["value", "json"] {
            let line = format!("--format {form} p");
            assert_eq!(printed(&line, None, None, "canary\nX: y"), None);
        }
    }

    #[test]
    fn an_assignment_is_quoted_only_where_it_must_be() {
        let env = |secret| printed("p --format env --variable=A_1", None, None, secret);
        assert_eq!(env("canary-1.2/3+4==").as_deref(), Some("A_1=canary-1.2/3+4==\n"));
        assert_eq!(env("canary$(x)'").as_deref(), Some("A_1='canary$(x)'\\'''\n"));
        assert_eq!(env("canary x"), None);
        assert_eq!(
            printed("p --format env", None, None, "canary").as_deref(),
            Some("TOKEN=canary\n")
        );
    }

    #[test]
    fn durations_are_read_in_words() {
        assert_eq!(options("p --valid-for 45m").unwrap().valid_for_secs, Some(2_700));
        assert_eq!(options("--valid-for=1h30m -- -p").unwrap().what, "-p");
    }

    #[test]
    fn a_malformed_command_line_is_refused() {
        for line in [
            "",
            "a b",
            "a --format",
            "a --format xml",
            "a --variable X",
            "a --format env --variable 1X",
            "a --header --format env",
            "a --header --format value",
            "a --format json --variable X",
            "a --header=1",
            "a --valid-for 45",
            "a --valid-for -1s",
            "a --valid-for 1s --valid-for 1s",
            "a --what",
            "a -x",
            "a --valid-for 999years",
            "a --dpop-url https://b.example",
            "a --header --dpop-url http://b.example",
            "a --header --dpop-method GET",
            "a --header --dpop-url https://b.example --dpop-method get",
        ] {
            let error = options(line).expect_err(line);
            assert_eq!(report::exit_code(error.class), 64, "{line}");
        }
    }
}
