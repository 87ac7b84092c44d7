//! The commands of Go's variable `GOAUTH`.
//!
//! It knows nothing of where credentials come from. go runs it once without a URL, and again with the URL after any
//! status from 400 to 499, also when that says nothing about the credential; so the answer is the same each time.
//! Implements `protocol.md`, section "goauth".

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential, Request};
use crate::protocol::{self, Call, Protocol, fetched, headers};
use crate::target::Target;

/// go's protocol.
pub(super) const GOAUTH: Protocol = Protocol {
    name: "goauth",
    programs: &["goauth-credential-keyfob"],
    serve,
};

const USAGE: &str = "usage: keyfob goauth [PROFILE] [URL]\n";

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    // The response on the input is not read: no word of a server decides what it gets.
    let answered = answer(call);
    protocol::finish(call, answered, |_| 1)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let (profile, url) = match words[..] {
        [] => (None, None),
        [url] if url.contains("://") => (None, Some(url)),
        [profile] => (Some(profile), None),
        [profile, url] if url.contains("://") => (Some(profile), Some(url)),
        _ => {
            return Err(Error::usage("expected a profile and a URL at most")
                .context("reading the command line")
                .hint("run `keyfob goauth --help`"));
        }
    };
    let mut request = call.request(Action::Get, &GOAUTH);
    protocol::say_profile(&mut request, profile);
    request.wide = true;
    request.understands.authtype = true;
    match url {
        Some(url) => by_url(call, request, url),
        None => beforehand(call, request),
    }
}

/// The answer for a URL: one set, whose prefix is the highest place below which nothing has another credential.
fn by_url(call: &mut Call, mut request: Request, url: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::default();
    // go itself sends headers over https alone.
    let Some(mut place) = fetched(url).filter(|place| place.scheme() == "https") else {
        return Ok(text);
    };
    request.target = Some(place.clone());
    let Answer::Found(credential) = (call.ask)(&request)? else {
        return Ok(text);
    };
    request.action = Action::Places;
    if let Answer::Listed(rows) = (call.ask)(&request)? {
        let places: Vec<Target> = rows.into_iter().map(|(place, _)| place).collect();
        place = prefix(place, &places)?;
    }
    put(&mut text, &place, &credential)?;
    Ok(text)
}

/// The highest place above a URL that its credential is for: at or below the nearest of the places that have one of their
/// own, and above no other of them. go sends it to everything below, and asks only when that is refused.
///
/// A prefix for the URL alone would be of no use for the next file of the module.
///
/// # Errors
/// [`crate::error::Class::Refused`] when another of them lies below the URL itself.
fn prefix(url: Target, places: &[Target]) -> Result<Target> {
    let above_url = places.iter().filter(|place| url.is_within(place));
    let Some(nearest) = above_url.max_by_key(|place| place.path().map_or(0, str::len)) else {
        return Ok(url);
    };
    let other = |above: &Target| {
        let mut others = places.iter().filter(|place| !url.is_within(place));
        others.find(|place| place.is_within(above))
    };
    if let Some(place) = other(&url) {
        return Err(Error::refused(format!(
            "answering go for {url}: it would send the credential to {place}, too, which has another"
        ))
        .hint("name the profile for both: `GOAUTH='keyfob goauth PROFILE'`"));
    }
    let mut prefix = url.clone();
    while let Some(above) = parent(&prefix).filter(|above| above.is_within(nearest) && other(above).is_none()) {
        prefix = above;
    }
    Ok(prefix)
}

/// The answer before anything is fetched: the sets of a profile for the places whose provider file names this protocol.
///
/// Without a profile there are none: every credential that there is would be read, and go asks again where it needs one.
fn beforehand(call: &mut Call, mut request: Request) -> Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::default();
    if request.profile.is_none() {
        return Ok(text);
    }
    request.action = Action::List;
    let Answer::Listed(rows) = (call.ask)(&request)? else {
        return Ok(text);
    };
    request.action = Action::Get;
    for (place, _) in rows.into_iter().filter(|(place, _)| place.scheme() == "https") {
        request.target = Some(place.clone());
        if let Answer::Found(credential) = (call.ask)(&request)? {
            put(&mut text, &place, &credential)?;
        }
    }
    Ok(text)
}

/// Adds a set: the prefix, an empty line, the headers, an empty line.
fn put(text: &mut Zeroizing<Vec<u8>>, place: &Target, credential: &Credential) -> Result<()> {
    let headers = headers(credential).map_err(|error| error.context(format!("answering go for {place}")))?;
    let mut set = Zeroizing::new(String::with_capacity(64 + credential.secret.len() * 2));
    let _ = write!(set, "{place}\n\n");
    for (name, value) in headers {
        let _ = writeln!(set, "{name}: {}", value.expose());
    }
    set.push('\n');
    text.extend_from_slice(set.as_bytes());
    Ok(())
}

/// The place one segment higher; none above the host.
fn parent(place: &Target) -> Option<Target> {
    let path = place.path()?;
    let above = path.rsplit_once('/').map(|(above, _)| above);
    Target::from_parts(place.scheme(), &place.host_and_port(), above).ok()
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, Served, found};
    use super::*;

    fn served(args: &[&str], ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let words: Vec<&str> = ["keyfob", "goauth"].into_iter().chain(args.iter().copied()).collect();
        let desk = Desk {
            words: &words,
            input: b"HTTP/1.1 404 Not Found\n\n",
            vars: &[],
        };
        desk.serve(ask)
    }

    /// Answers what lies at or below one of these places.
    fn within<'a>(places: &'a [(&'a str, &'a str)]) -> impl FnMut(&Request) -> Result<Answer> + 'a {
        move |request| {
            let target = request.target.as_ref().unwrap();
            if request.action == Action::Places {
                let at = |place: &str| (Target::from_url(place).unwrap(), String::new());
                let rows = places.iter().map(|(place, _)| at(place));
                let rows = rows.filter(|(place, _)| place.origin() == target.origin());
                return Ok(Answer::Listed(rows.collect()));
            }
            let mut fits: Vec<_> = places
                .iter()
                .filter(|(place, _)| target.is_within(&Target::from_url(place).unwrap()))
                .collect();
            fits.sort_by_key(|(place, _)| place.len());
            Ok(fits
                .last()
                .map_or(Answer::Absent, |(_, secret)| found(None, secret, Some("Bearer"))))
        }
    }

    #[test]
    fn the_prefix_is_the_place_that_the_credential_is_for() {
        let places = [
            ("https://proxy.example", "canary-1"),
            ("https://proxy.example/team/go", "canary-2"),
        ];
        for (url, prefix, secret) in [
            ("https://proxy.example/a/@v/list", "https://proxy.example/a", "canary-1"),
            (
                "https://proxy.example/team/a/b",
                "https://proxy.example/team/a",
                "canary-1",
            ),
            (
                "https://proxy.example/team/gone/@v/list",
                "https://proxy.example/team/gone",
                "canary-1",
            ),
            (
                "https://proxy.example/team/go/x/!y/@v/v1.0.0.mod?go-get=1",
                "https://proxy.example/team/go",
                "canary-2",
            ),
        ] {
            let served = served(&[url], &mut within(&places));
            let expected = format!("{prefix}\n\nAuthorization: Bearer {secret}\n\n");
            assert_eq!(
                (served.status, served.output, served.errors.as_str()),
                (0, expected, ""),
                "{url}"
            );
        }
    }

    #[test]
    fn a_place_above_anothers_gets_nothing_that_would_go_there_too() {
        let places = [
            ("https://proxy.example", "canary-1"),
            ("https://proxy.example/team/go", "canary-2"),
        ];
        for url in [
            "https://proxy.example",
            "https://proxy.example/team?go-get=1",
            "https://proxy.example/team/go/../x",
        ] {
            let served = served(&[url], &mut within(&places));
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{url}");
            assert!(
                served.errors.contains("https://proxy.example/team/go"),
                "{}",
                served.errors
            );
        }
        let served = served(&["https://proxy.example/x/../y"], &mut within(&places[..1]));
        assert!(
            served.output.starts_with("https://proxy.example\n\n"),
            "{}",
            served.output
        );
    }

    #[test]
    fn a_credential_that_is_new_each_time_is_asked_for_once() {
        let mut asked = 0;
        let served = served(&["https://proxy.example/a/b/c"], &mut |request| {
            let place = Target::from_url("https://proxy.example").unwrap();
            if request.action == Action::Places {
                return Ok(Answer::Listed(vec![(place, String::new())]));
            }
            asked += 1;
            Ok(found(None, &format!("canary-{asked}"), Some("Bearer")))
        });
        let expected = "https://proxy.example\n\nAuthorization: Bearer canary-1\n\n";
        assert_eq!((served.output.as_str(), asked), (expected, 1));
    }

    #[test]
    fn a_place_that_is_nobodys_gets_nothing() {
        let places = [("https://proxy.example:8443/go", "canary")];
        for url in [
            "https://proxy.example:8443/gone/@v/list",
            "https://proxy.example/go/@v/list",
            "http://proxy.example:8443/go/@v/list",
            "https://other_host.example/x",
            "ftp://proxy.example/go",
        ] {
            let served = served(&[url], &mut within(&places));
            assert_eq!(
                (served.status, served.output, served.errors),
                (0, "".into(), "".into()),
                "{url}"
            );
        }
    }

    #[test]
    fn without_a_profile_nothing_is_said_beforehand() {
        let served = served(&[], &mut |_| panic!("nothing is asked"));
        assert_eq!((served.status, served.output, served.errors), (0, "".into(), "".into()));
    }

    #[test]
    fn a_profile_says_its_places_beforehand() {
        let served = served(&["acme/dev"], &mut |request| {
            assert_eq!(request.profile.as_deref(), Some("acme/dev"));
            let place = |url| (Target::from_url(url).unwrap(), "ann".to_string());
            Ok(match request.action {
                Action::List => Answer::Listed(vec![
                    place("https://a.example/go"),
                    place("http://127.0.0.1:1"),
                    place("https://b.example"),
                ]),
                _ => found(Some("u"), "canary", None),
            })
        });
        let set = |place| format!("{place}\n\nAuthorization: Basic dTpjYW5hcnk=\n\n");
        assert_eq!(served.output, set("https://a.example/go") + &set("https://b.example"));
        assert_eq!((served.status, served.errors.as_str()), (0, ""));
    }

    #[test]
    fn a_secret_with_a_line_end_never_becomes_a_header() {
        let served = served(&["https://a.example/x"], &mut |_| Ok(found(None, "canary\nX: y", None)));
        assert_eq!((served.status, served.output.as_str()), (1, ""));
        assert!(!served.errors.contains("canary"), "{}", served.errors);
    }

    #[test]
    fn another_command_line_fails() {
        for args in [
            &["a", "b"][..],
            &["https://a.example", "acme"],
            &["a", "b", "https://a.example"],
        ] {
            let served = served(args, &mut |_| panic!("nothing is asked"));
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{args:?}");
        }
    }
}
