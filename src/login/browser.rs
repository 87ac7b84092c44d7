//! The authorization code grant in a browser that comes back to this machine: RFC 8252, with PKCE, `state`, and the
//! issuer's name where it gives one (RFC 9207).
//!
//! The URL is always shown, also when a browser was opened. Where there is none, a person is told how to lead one here,
//! and may take the device grant instead. What comes back is believed once; the token request is made once.

use super::waiting::Waiting;
use super::{Login, Obtained, device, pushed};
use crate::config::{Redirect, RedirectHost};
use crate::error::{Context, Error, Result};
use crate::http::CALL;
use crate::loopback::{Event, Loopback, Page};
use crate::oauth::code::{self, Answer, Ask, Expected, Stray};
use crate::oauth::pkce::Pkce;
use crate::oauth::token::{Reply, TokenSet, is_json};
use crate::renew::{self, client};
use crate::report::{message, sanitise};
use crate::secret::Secret;
use crate::world::World;

/// How long a person may take. At half, a first login with a second factor fails; at double, a port is open for nobody.
const PATIENCE_SECS: i64 = 300;

/// What a person types to take the device grant instead.
const DEVICE: &str = "d";

/// What binds the answer to this login. All of it is random, independent, and used once.
struct Secrets {
    state: Secret,
    pkce: Pkce,
    nonce: Option<Secret>,
}

/// How the wait ended.
enum End {
    Answer(Answer),
    Device,
}

pub(super) fn run(login: &Login) -> Result<Obtained> {
    let doing = format!("logging in to `{}`", login.provider.name);
    let oauth = &login.mode.oauth;
    let endpoint = oauth.authorization_endpoint.as_deref();
    let endpoint = endpoint.ok_or_else(|| Error::usage("the provider file has no `oauth.authorization_endpoint`"))?;
    let secrets = Secrets::new(login);
    let mut loopback = Loopback::open(login.world, &oauth.redirect).doing(&doing)?;
    let redirect_uri = loopback.redirect_uri();
    let asked = ask(login, &secrets, &redirect_uri)?.form();
    let url = code::url(endpoint, &pushed::push(login, asked).doing(&doing)?);
    let opened = show(login, &url, &oauth.redirect, loopback.port());
    let end = wait(login, &secrets, &redirect_uri, &mut loopback, opened).doing(&doing)?;
    let answer = match end {
        End::Answer(answer) => answer,
        End::Device => {
            drop(loopback);
            return device::run(login);
        }
    };
    let visitor = Visitor(loopback);
    match redeem(login, &secrets, &redirect_uri, answer) {
        Ok(tokens) => Ok(Obtained {
            nonce: secrets.nonce,
            visitor: Some(visitor),
            ..Obtained::from(tokens)
        }),
        Err(error) => {
            visitor.tell_failure(login, &error);
            Err(error.context(doing))
        }
    }
}

impl Secrets {
    fn new(login: &Login) -> Secrets {
        let random = || Secret::new(data_encoding::BASE64URL_NOPAD.encode(&login.world.random::<32>()));
        let wants_id = login.scopes.iter().any(|scope| scope == "openid");
        Secrets {
            state: random(),
            pkce: Pkce::of(login.world.random()),
            nonce: wants_id.then(random),
        }
    }
}

fn ask<'a>(login: &'a Login, secrets: &'a Secrets, redirect_uri: &'a str) -> Result<Ask<'a>> {
    let oauth = &login.mode.oauth;
    Ok(Ask {
        client_id: client(login.world, login.mode)?.id,
        redirect_uri,
        scopes: &login.scopes,
        state: &secrets.state,
        challenge: &secrets.pkce.challenge,
        nonce: secrets.nonce.as_ref(),
        audience: oauth.audience.as_deref(),
        resource: &oauth.resource,
        login_hint: login.options.account.as_deref(),
        // Only OpenID Connect has a word for it; elsewhere an unknown one may be refused.
        choose_account: login.options.other_account && secrets.nonce.is_some(),
        parameters: &oauth.parameters,
    })
}

/// Shows the page, and opens it where there is a browser; whether it was opened.
fn show(login: &Login, url: &str, redirect: &Redirect, port: u16) -> bool {
    let world = login.world;
    let title = sanitise(&login.provider.title);
    world.write_stderr(&format!(
        "To log in to {title}, open this page in a browser:\n\n    {url}\n\n"
    ));
    // Whoever brings the address knows that no browser comes back here.
    if login.options.manual {
        return false;
    }
    let why = match login
        .options
        .browser
        .then(|| world.open_browser(url, &login.provider.secret_variables()))
    {
        Some(Ok(())) => {
            world.write_stderr("It is being opened in your browser.\n");
            return true;
        }
        Some(Err(error)) => format!("No browser was opened: {}.\n", message(&error)),
        None => String::new(),
    };
    if login.options.manual {
        return false;
    }
    let forward = forward(world, redirect.host, port);
    world.write_stderr(&format!(
        "{why}The page leads back to port {port} of this machine. For a browser on another\n\
         machine, run this there first, and leave it running:\n\n    {forward}\n\n"
    ));
    false
}

/// The command that leads a browser of another machine to the port of this one.
fn forward(world: &World, host: RedirectHost, port: u16) -> String {
    let text = |name: &str| world.var_os(name).and_then(|value| value.into_string().ok());
    let name = |name: &String| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !name.starts_with('-') && name.bytes().all(good)
    };
    let user = text("USER").or_else(|| text("LOGNAME")).filter(name);
    let user = user.map_or_else(|| "USER".into(), |user| sanitise(&user));
    // Address and port of the client, then address and port of this machine.
    let connection = text("SSH_CONNECTION").unwrap_or_default();
    let words: Vec<&str> = connection.split(' ').collect();
    let here = match words[..] {
        [_, _, address, port] => address.parse::<std::net::IpAddr>().ok().zip(port.parse::<u16>().ok()),
        _ => None,
    };
    let (option, machine) = match here {
        Some((address, 22)) => (String::new(), address.to_string()),
        Some((address, port)) => (format!("-p {port} "), address.to_string()),
        None => (String::new(), "THIS-MACHINE".into()),
    };
    format!("ssh -N {option}-L {port}:{}:{port} {user}@{machine}", host.text())
}

/// Waits for the answer, up to the limit, with what a person may do besides.
fn wait(login: &Login, secrets: &Secrets, redirect_uri: &str, loopback: &mut Loopback, opened: bool) -> Result<End> {
    let world = login.world;
    let oauth = &login.mode.oauth;
    let expected = Expected {
        state: &secrets.state,
        issuer: oauth.issuer.as_deref(),
        issuer_promised: oauth.redirect_issuer,
    };
    let manual = login.options.manual;
    let device = oauth.device_authorization_endpoint.is_some() && !opened && !manual;
    let mut keyboard = (manual || device).then(|| world.keyboard()).flatten();
    invite(login, device, keyboard.is_some())?;
    let end = world.now().plus(PATIENCE_SECS);
    // A line that is written over would take a pasted address with it, but not a key.
    let mut waiting = (!manual).then(|| Waiting::new(world, "Waiting for the browser", end));
    loop {
        let tick = || waiting.iter_mut().for_each(Waiting::tick);
        let event = loopback.wait(world, end, &mut keyboard, tick, |query| {
            take(world, query.expose(), expected)
        })?;
        match event {
            Event::Taken(answer) => return Ok(End::Answer(answer)),
            Event::Typed(line) if manual => match code::pasted(line.expose(), redirect_uri) {
                Some(query) => {
                    if let Some(answer) = take(world, query, expected) {
                        return Ok(End::Answer(answer));
                    }
                    world.write_stderr("That address belongs to another login, or is not whole.\n");
                }
                None => world.write_stderr(&format!("The address must begin with {redirect_uri}?\n")),
            },
            Event::Typed(line) if line.expose().trim().eq_ignore_ascii_case(DEVICE) => return Ok(End::Device),
            Event::Typed(_) => (),
            Event::Late => {
                let again = format!("run `keyfob login {}` again", login.provider.name);
                return Err(Error::login("the browser did not come back in time").hint(again));
            }
        }
    }
}

/// Says what a person may type.
fn invite(login: &Login, device: bool, keyboard: bool) -> Result<()> {
    let world = login.world;
    let minutes = PATIENCE_SECS / 60;
    match (login.options.manual, keyboard) {
        (true, false) => {
            return Err(Error::usage(
                "`--manual` asks for an address, and nobody may be asked here",
            ));
        }
        (true, true) => world.write_stderr(&format!(
            "After the approval the browser may show an error, because it is not on this\n\
             machine. Copy the address of that page, and paste it here within {minutes} min. It is\n\
             as good as a password: give it to nobody else.\n\n"
        )),
        (false, true) => world.write_stderr(&format!(
            "Or type `{DEVICE}` and Enter to log in with a short code on any device.\n"
        )),
        (false, false) if device => world.write_stderr(&format!(
            "Or log in with a short code on any device: `keyfob login {} --device`.\n",
            login.provider.name
        )),
        (false, false) => (),
    }
    Ok(())
}

/// The answer to this login, if the query is one. What a person must know of a wrong one is said.
fn take(world: &World, query: &str, expected: Expected) -> Option<Answer> {
    let stray = match code::read(query, expected) {
        Ok(answer) => return Some(answer),
        Err(stray) => stray,
    };
    let why = match stray {
        // Anybody can send one, so nobody is told.
        Stray::State => return None,
        Stray::Issuer => "it does not name the issuer of this login",
        Stray::Malformed => "it has neither one code nor one error",
    };
    world.write_stderr(&format!("keyfob: warning: an answer was not taken: {why}\n"));
    None
}

/// Makes the one token request (RFC 6749, section 4.1.3).
fn redeem(login: &Login, secrets: &Secrets, redirect_uri: &str, answer: Answer) -> Result<TokenSet> {
    let again = |why: &str| format!("{why}run `keyfob login {}` again", login.provider.name);
    let code = match answer {
        Answer::Code(code) => code,
        Answer::Error { code, description } => return Err(refused(login, &code, description.as_deref())),
    };
    let oauth = &login.mode.oauth;
    let url = oauth.token_endpoint.as_deref();
    let url = url.ok_or_else(|| Error::usage("the provider file has no `oauth.token_endpoint`"))?;
    let client = client(login.world, login.mode)?;
    let form = code::redeem(client, &code, redirect_uri, &secrets.pkce.verifier, &oauth.resource);
    // A code is good once, and an answer that was lost may have been the one with the tokens.
    let spent = "the code of this login is spent; ";
    let reply = renew::post(login.http, login.mode, url, &form, CALL)
        .map_err(|failure| Error::temporary(format!("asking for the tokens: {failure}")).hint(again(spent)))?;
    if matches!(reply.status, 429 | 500..=599) {
        let message = format!("the token endpoint answered with status {}", reply.status);
        return Err(Error::temporary(message).hint(again(spent)));
    }
    match renew::read(login.mode, &reply) {
        Reply::Granted(tokens) => Ok(tokens),
        Reply::Error { code, description, .. } => Err(refused(login, &code, description.as_deref())),
        Reply::Unusable(why) => {
            let message = format!("the token endpoint answered with {why}");
            // What is surely not the issuer, such as the page of a hotel's network, may be gone the next time.
            let error = if is_json(&reply.content_type) {
                Error::failure(message)
            } else {
                Error::temporary(message)
            };
            Err(error.hint(again(spent)))
        }
    }
}

/// What an error of the issuer means, with what can be done (RFC 6749, sections 4.1.2.1 and 5.2).
fn refused(login: &Login, code: &str, description: Option<&str>) -> Error {
    let name = &login.provider.name;
    let says = description.map(|text| format!(": the issuer says “{}”", sanitise(text)));
    let message = |what: &str| format!("{what} (`{}`){}", sanitise(code), says.unwrap_or_default());
    let file = format!("`keyfob provider show {name}` shows what the provider file says");
    let again = format!("run `keyfob login {name}` again");
    let error = match code {
        "access_denied" => Error::login(message("the login was refused in the browser")).hint(again),
        "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => {
            Error::login(message("the issuer wants the person to act")).hint(again)
        }
        "invalid_grant" => Error::login(message("the issuer does not take the code")).hint(again),
        "server_error" | "temporarily_unavailable" => {
            Error::temporary(message("the issuer could not do it now")).hint(again)
        }
        "invalid_scope" => Error::usage(message("the issuer does not give what `oauth.scopes` asks for")).hint(file),
        "invalid_client" | "unauthorized_client" => {
            Error::usage(message("the issuer does not know the client, or not for this grant"))
                .hint(format!("check `oauth.client_id` and what was registered; {file}"))
        }
        "invalid_target" => Error::usage(message("the issuer does not know the resource")).hint(file),
        "invalid_request" => Error::failure(message("the issuer finds the request wrong")).hint(format!(
            "check that the redirect is registered: {}; {file}",
            registered(&login.mode.oauth.redirect)
        )),
        _ => Error::failure(message("the issuer refused the login")).hint(again),
    };
    error.code(code)
}

/// The redirect as one registers it.
fn registered(redirect: &Redirect) -> String {
    let path = redirect.path.as_deref().unwrap_or("/…");
    format!("http://{}{path}", redirect.host.text())
}

/// The browser that waits to hear how the login ended.
pub struct Visitor(Loopback);

impl Visitor {
    /// Shows who is logged in; nobody where `account` is empty.
    pub fn tell_success(self, login: &Login, account: &str) {
        let title = sanitise(&login.provider.title);
        let who = if account.is_empty() {
            "The session was kept without a name.".into()
        } else {
            format!("You are logged in as {}.", sanitise(account))
        };
        let page = Page {
            good: true,
            heading: format!("Logged in to {title}"),
            text: who,
            note: "You may close this page and go back to the terminal.".into(),
        };
        self.0.close(login.world, &page);
    }

    /// Shows why the login failed.
    pub fn tell_failure(self, login: &Login, error: &Error) {
        let page = Page {
            good: false,
            heading: format!("Not logged in to {}", sanitise(&login.provider.title)),
            text: sentence(&message(error)),
            note: "You may close this page. The terminal says what to do next.".into(),
        };
        self.0.close(login.world, &page);
    }
}

/// The text of a failure as a page has it: a sentence, without the marks of a terminal.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(char::to_uppercase).into_iter().flatten();
    let text: String = first.chain(rest.filter(|c| *c != '`')).collect();
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn ssh(vars: &[(&str, &str)], host: RedirectHost) -> String {
        let vars = vars.iter().map(|(name, value)| (name.to_string(), value.into()));
        forward(&World::fixed(vars, Timestamp::from_unix(0)), host, 4711)
    }

    #[test]
    fn the_forward_line_is_filled_from_the_connection_and_trusts_none_of_it() {
        let user = ("USER", "ann");
        let v4 = RedirectHost::Ipv4;
        for (connection, line) in [
            (
                "198.51.100.7 5000 203.0.113.5 22",
                "ssh -N -L 4711:127.0.0.1:4711 ann@203.0.113.5",
            ),
            (
                "::1 5000 2001:db8::1 2222",
                "ssh -N -p 2222 -L 4711:127.0.0.1:4711 ann@2001:db8::1",
            ),
            ("a b $(id) 22", "ssh -N -L 4711:127.0.0.1:4711 ann@THIS-MACHINE"),
            ("", "ssh -N -L 4711:127.0.0.1:4711 ann@THIS-MACHINE"),
        ] {
            assert_eq!(ssh(&[user, ("SSH_CONNECTION", connection)], v4), line);
        }
        assert!(ssh(&[("USER", "a;id")], v4).ends_with(" USER@THIS-MACHINE"));
        assert!(ssh(&[("USER", "-oProxyCommand=x")], v4).ends_with(" USER@THIS-MACHINE"));
        assert!(ssh(&[user], RedirectHost::Ipv6).contains("-L 4711:[::1]:4711 "));
    }
}
