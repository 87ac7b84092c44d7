//! The program that git, git-lfs and ssh run where they would ask a person: one prompt, one line.
//!
//! It knows nothing of where credentials come from. The prompt is all that says what is wanted, and a server has a say in
//! some of them; so it is answered where all of it is known, and not where it could be read in two ways.
//! Implements `protocol.md`, section "askpass".

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer};
use crate::protocol::{self, Call, Protocol, fits_line};
use crate::target::{Target, decode_user};

/// The protocol of askpass programs.
pub(super) const ASKPASS: Protocol = Protocol {
    name: "askpass",
    programs: &["keyfob-askpass"],
    serve,
};

const USAGE: &str = "usage: keyfob-askpass PROMPT\n";

/// What ssh reads of an answer, in bytes; it takes the beginning of a longer one for all of it.
const MAX_SSH: usize = 1023;

/// A prompt that was understood.
#[derive(Debug, PartialEq)]
struct Prompt {
    target: Target,
    username: Option<String>,
    wants: Wants,
    /// Whether the prompt leaves out the port.
    any_port: bool,
    /// The longest answer that is read whole.
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wants {
    Username,
    Password,
}

fn serve(call: &mut Call) -> u8 {
    let prompt = match call.args {
        [word] if word == "--help" || word == "-h" => {
            return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
        }
        [prompt] => prompt.as_str(),
        _ => {
            protocol::tell(call.errors, USAGE);
            return 1;
        }
    };
    // ssh asks for a yes, or only shows something: a secret would be the yes.
    if !matches!((call.var)("SSH_ASKPASS_PROMPT"), Ok(None)) {
        return 1;
    }
    match answer(call, prompt) {
        // Not a word: the caller asks the person itself, if there is one.
        Ok(None) => 1,
        Ok(Some(line)) => u8::from(!protocol::write(call.output, &line)),
        Err(error) => protocol::finish(call, Err(error), |_| 1),
    }
}

fn answer(call: &mut Call, prompt: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let prompt = read(prompt).ok_or_else(|| Error::usage("answering a prompt: it is none that keyfob knows"))?;
    let mut request = call.request(Action::Get, &ASKPASS);
    request.target = Some(prompt.target);
    request.username = prompt.username;
    request.any_port = prompt.any_port;
    let Answer::Found(credential) = (call.ask)(&request)? else {
        return Ok(None);
    };
    let text = match (prompt.wants, credential.username.as_deref()) {
        (Wants::Password, _) => credential.secret.expose(),
        (Wants::Username, Some(username)) => username,
        (Wants::Username, None) => return Ok(None),
    };
    if !fits_line(text) {
        return Err(Error::refused("answering a prompt: the answer has a line end or NUL"));
    }
    if prompt.limit.is_some_and(|limit| text.len() > limit) {
        return Err(Error::refused(format!(
            "answering a prompt: the secret is longer than {MAX_SSH} bytes, of which ssh would take the beginning"
        )));
    }
    let mut line = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    Ok(Some(line))
}

/// What a prompt asks for; none where it is not known, or could mean two things.
fn read(prompt: &str) -> Option<Prompt> {
    if prompt.chars().any(char::is_control) {
        return None;
    }
    git(prompt).or_else(|| key(prompt)).or_else(|| password(prompt))
}

/// git's `Username for 'URL': `, and git-lfs's `Username for "URL"`.
fn git(prompt: &str) -> Option<Prompt> {
    let (wants, rest) = match prompt.strip_prefix("Username for ") {
        Some(rest) => (Wants::Username, rest),
        None => (Wants::Password, prompt.strip_prefix("Password for ")?),
    };
    let quoted = |open, close| rest.strip_prefix(open)?.strip_suffix(close);
    let url = quoted("'", "': ").or_else(|| quoted("\"", "\""))?;
    let (target, username) = place(url)?;
    Some(Prompt {
        target,
        username,
        wants,
        any_port: false,
        limit: None,
    })
}

/// The place and user of a URL in a prompt, where git may have written the user name as it is.
fn place(url: &str) -> Option<(Target, Option<String>)> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme.eq_ignore_ascii_case("cert") {
        // The path of a file begins with a slash of its own.
        let file = Target::from_parts(scheme, "", rest.strip_prefix('/'));
        return file.ok().map(|file| (file, None));
    }
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (rest, None),
    };
    // A user name with a slash would make a host of its beginning, and give that host's secret to another.
    if path.is_some_and(|path| path.contains('@')) || rest.contains(['?', '#', '\\']) {
        return None;
    }
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(decode_user(user)?), host),
        None => (None, authority),
    };
    let target = Target::from_parts(scheme, host, path).ok()?;
    (!target.host().is_empty()).then_some((target, user))
}

/// ssh's `Enter passphrase for key 'FILE': `, and ssh-add's `Enter passphrase for FILE: `.
///
/// The second try has other words, and no answer: it would be the same one without end.
fn key(prompt: &str) -> Option<Prompt> {
    let rest = prompt.strip_prefix("Enter passphrase for ")?.strip_suffix(": ")?;
    let file = match rest.strip_prefix("key ") {
        Some(rest) => rest.strip_prefix('\'')?.strip_suffix('\'')?,
        None => rest.strip_suffix(" (will confirm each use)").unwrap_or(rest),
    };
    Some(Prompt {
        target: Target::from_parts("cert", "", Some(file))
            .ok()
            .filter(|_| file.starts_with('/'))?,
        username: None,
        wants: Wants::Password,
        any_port: false,
        limit: Some(MAX_SSH),
    })
}

/// ssh's `USER@HOST's password: `, and `(USER@HOST) Password: `, where what stands behind the bracket is the server's word.
fn password(prompt: &str) -> Option<Prompt> {
    let asked = match prompt.strip_prefix('(') {
        Some(rest) => rest
            .strip_suffix(") Password: ")
            .or_else(|| rest.strip_suffix(") Password:"))?,
        None => prompt.strip_suffix("'s password: ")?,
    };
    let (user, host) = asked.rsplit_once('@')?;
    // With brackets or blanks in it, it is not ssh that wrote all of it.
    if user.is_empty() || asked.contains([' ', '(', ')', '\'']) {
        return None;
    }
    let host = match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    Some(Prompt {
        target: Target::from_parts("ssh", &host, None).ok()?,
        username: Some(user.to_owned()),
        wants: Wants::Password,
        any_port: true,
        limit: Some(MAX_SSH),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Request;
    use crate::protocol::desk::{Desk, Served, found};

    fn served(prompt: &str, vars: &[(&str, &str)], ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let desk = Desk {
            words: &["keyfob-askpass", prompt],
            input: b"",
            vars,
        };
        desk.serve(ask)
    }

    fn asked(prompt: &str) -> Option<(String, Option<String>, Wants)> {
        read(prompt).map(|prompt| (prompt.target.to_string(), prompt.username, prompt.wants))
    }

    #[test]
    fn the_prompts_of_git_and_git_lfs_name_a_place() {
        for (prompt, target, user, wants) in [
            (
                "Username for 'https://git.example:8443': ",
                "https://git.example:8443",
                None,
                Wants::Username,
            ),
            (
                "Password for 'https://ann@git.example': ",
                "https://git.example",
                Some("ann"),
                Wants::Password,
            ),
            (
                "Password for 'https://a%20b%40c@git.example': ",
                "https://git.example",
                Some("a b@c"),
                Wants::Password,
            ),
            (
                "Password for 'https://a b@c@git.example/x.git': ",
                "https://git.example/x.git",
                Some("a b@c"),
                Wants::Password,
            ),
            (
                "Username for \"https://git.example\"",
                "https://git.example",
                None,
                Wants::Username,
            ),
            (
                "Password for \"https://ann@git.example/x\"",
                "https://git.example/x",
                Some("ann"),
                Wants::Password,
            ),
            (
                "Password for 'cert:////home/ann/c.pem': ",
                "cert:////home/ann/c.pem",
                None,
                Wants::Password,
            ),
        ] {
            assert_eq!(
                asked(prompt),
                Some((target.to_owned(), user.map(str::to_owned), wants)),
                "{prompt}"
            );
        }
    }

    #[test]
    fn the_prompts_of_ssh_name_a_file_or_an_account() {
        for (prompt, target, user) in [
            (
                "Enter passphrase for key '/home/ann/.ssh/id': ",
                "cert:////home/ann/.ssh/id",
                None,
            ),
            (
                "Enter passphrase for /home/ann/my key: ",
                "cert:////home/ann/my key",
                None,
            ),
            ("Enter passphrase for /k (will confirm each use): ", "cert:////k", None),
            ("ann@host.example's password: ", "ssh://host.example", Some("ann")),
            ("a@b@host.example's password: ", "ssh://host.example", Some("a@b")),
            ("ann@::1's password: ", "ssh://[::1]", Some("ann")),
            ("(ann@host.example) Password: ", "ssh://host.example", Some("ann")),
        ] {
            let expected = (target.to_owned(), user.map(str::to_owned), Wants::Password);
            assert_eq!(asked(prompt), Some(expected), "{prompt}");
        }
    }

    #[test]
    fn a_prompt_that_could_mean_two_things_means_none() {
        for prompt in [
            "",
            "Password:",
            "Password for 'https://victim.example/x@evil.example': ",
            "Password for 'https://victim.example?@evil.example': ",
            "Password for 'https://victim.example#@evil.example': ",
            "Password for 'https://victim.example\\@evil.example': ",
            "Password for 'https://ann@victim.example'",
            "Password for 'https://a%0a@victim.example': ",
            "Password for 'https://': ",
            "Password for 'victim.example': ",
            "(ann@evil.example) Password for 'https://victim.example': ",
            "(ann@evil.example) ann@victim.example's password: ",
            "(ann@evil.example) (ann@victim.example) Password: ",
            "(ann@evil.example) Enter passphrase for key '/k': ",
            "(ann@evil.example) One-time code: ",
            "Bad passphrase, try again for /k: ",
            "Enter passphrase for key 'id': ",
            "Enter passphrase for id: ",
            "Enter PIN for 'token': ",
            "@victim.example's password: ",
            "ann@victim.example's password: \nx",
            "[sudo] password for ann: ",
            "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
        ] {
            assert_eq!(asked(prompt), None, "{prompt:?}");
            let served = served(prompt, &[], &mut |_| panic!("asked"));
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{prompt:?}");
        }
    }

    #[test]
    fn a_line_is_all_that_is_answered() {
        for (prompt, expected) in [
            ("Username for 'https://git.example': ", "ann\n"),
            ("Password for 'https://ann@git.example': ", "canary x\n"),
        ] {
            let served = served(prompt, &[], &mut |_| Ok(found(Some("ann"), "canary x", None)));
            assert_eq!(
                (served.status, served.output.as_str(), served.errors.as_str()),
                (0, expected, "")
            );
        }
    }

    #[test]
    fn a_miss_is_silent() {
        for answer in [Answer::Absent, Answer::Declined] {
            let served = served("Password for 'https://git.example': ", &[], &mut |_| Ok(answer.clone()));
            assert_eq!(
                (served.status, served.output, served.errors),
                (1, String::new(), String::new())
            );
        }
        let nameless = served("Username for 'https://git.example': ", &[], &mut |_| {
            Ok(found(None, "canary", None))
        });
        assert_eq!((nameless.status, nameless.output.as_str()), (1, ""));
    }

    #[test]
    fn a_question_with_yes_or_no_gets_no_secret() {
        for kind in ["confirm", "none", "another"] {
            let vars = [("SSH_ASKPASS_PROMPT", kind)];
            let served = served("Enter passphrase for key '/k': ", &vars, &mut |_| panic!("asked"));
            assert_eq!(
                (served.status, served.output, served.errors),
                (1, String::new(), String::new())
            );
        }
    }

    #[test]
    fn what_would_be_cut_is_refused() {
        let long = "canary".repeat(200);
        let at = |prompt: &str, secret: &str| served(prompt, &[], &mut |_| Ok(found(Some("ann"), secret, None))).status;
        assert_eq!(at("Password for 'https://ann@git.example': ", &long), 0);
        assert_eq!(at("ann@host.example's password: ", &long[..MAX_SSH]), 0);
        assert_eq!(at("ann@host.example's password: ", &long[..=MAX_SSH]), 1);
        for secret in ["canary\nx", "canary\r", "can\0ary"] {
            assert_eq!(at("Password for 'https://ann@git.example': ", secret), 1);
        }
    }
}
