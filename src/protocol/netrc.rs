//! One entry of a netrc(5) file, for programs that read nothing else: curl, wget, ftp and what is built on them.
//!
//! It knows nothing of where credentials come from, and writes no file: the entry goes through a pipe.
//! Implements `protocol.md`, section "netrc".

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::protocol::{self, Call, Protocol};
use crate::report;
use crate::target::Target;

/// The entry for a host.
pub(super) const NETRC: Protocol = Protocol {
    name: "netrc",
    programs: &[],
    serve,
};

const USAGE: &str = "usage: keyfob netrc URL\n";

/// The user name beside a token that comes without one; servers that take a token as password look at that alone.
const ANY_USERNAME: &str = "oauth2";

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, report::exit_code)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let [url] = call.args else {
        return Err(Error::usage("expected one URL").hint("run `keyfob netrc --help`"));
    };
    let target = Target::from_url(url).map_err(|error| Error::usage(error).context("reading the URL"))?;
    let mut request = call.request(Action::Get, &NETRC);
    request.target = Some(target.clone());
    // The program will ask for anything at or below it.
    request.wide = true;
    match (call.ask)(&request)? {
        Answer::Found(credential) => entry(&target, &credential),
        _ => Err(protocol::nothing(&request, url)),
    }
}

/// The entry: the format has no port, no path and no scheme, and readers disagree about quotes, so that none are needed.
fn entry(target: &Target, credential: &Credential) -> Result<Zeroizing<Vec<u8>>> {
    let login = credential.username.as_deref().unwrap_or(ANY_USERNAME);
    let password = credential.secret.expose();
    let plain = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let first = |text: &str| text.starts_with(['"', '#']) || text.contains('\\');
    if ![login, password].iter().all(|text| plain(text) && !first(text)) {
        return Err(Error::refused(
            "writing the entry: the user name or the secret has characters that not all readers of netrc take alike",
        ));
    }
    // Programs look for the address as it is, without the brackets that a URL needs.
    let host = target.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let entry = format!("machine {host} login {login} password {password}\n");
    Ok(Zeroizing::new(entry.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::desk::{Desk, Served, found};

    fn call(args: &[&str], ask: &mut dyn FnMut() -> Result<Answer>) -> Served {
        let words = [&["keyfob", "netrc"], args].concat();
        Desk {
            words: &words,
            input: b"",
            vars: &[],
        }
        .serve(&mut |request| {
            assert_eq!(request.target.as_ref().unwrap().host(), "api.example");
            ask()
        })
    }

    #[test]
    fn an_entry_is_one_line_for_the_host() {
        for (username, line) in [
            (Some("ann"), "machine api.example login ann password canary\n"),
            (None, "machine api.example login oauth2 password canary\n"),
        ] {
            let served = call(&["https://api.example:8443/a"], &mut || {
                Ok(found(username, "canary", None))
            });
            assert_eq!(
                (served.status, served.output.as_str(), served.errors.as_str()),
                (0, line, "")
            );
        }
    }

    #[test]
    fn an_address_has_no_brackets() {
        let words = ["keyfob", "netrc", "https://[2001:DB8::1]:8443/a"];
        let desk = Desk {
            words: &words,
            input: b"",
            vars: &[],
        };
        let served = desk.serve(&mut |_| Ok(found(Some("ann"), "canary", None)));
        assert_eq!(served.output, "machine 2001:db8::1 login ann password canary\n");
    }

    #[test]
    fn what_readers_take_differently_is_refused() {
        for (username, secret) in [
            ("ann", "can ary"),
            ("ann", "can\nary"),
            ("ann", "\"canary"),
            ("ann", "#canary"),
            ("ann", "can\\ary"),
            ("ann lee", "canary"),
            ("", "canary"),
        ] {
            let served = call(&["https://api.example"], &mut || {
                Ok(found(Some(username), secret, None))
            });
            assert_eq!((served.status, served.output.as_str()), (5, ""), "{secret:?}");
        }
    }

    #[test]
    fn a_miss_and_a_malformed_call_say_what_to_do() {
        let served = call(&["https://api.example"], &mut || Ok(Answer::Absent));
        assert_eq!((served.status, served.output.as_str()), (2, ""));
        for args in [&[][..], &["acme"], &["https://a.example", "https://b.example"]] {
            let served = call(args, &mut || panic!("asked"));
            assert_eq!((served.status, served.output.as_str()), (64, ""), "{args:?}");
        }
    }
}
