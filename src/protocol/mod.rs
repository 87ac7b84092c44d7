//! The languages in which tools ask: one row of [`TABLE`] each.
//!
//! A protocol turns arguments and bytes into a [`Request`], hands that to the closure it was given, and turns the
//! [`Answer`] into bytes and a status. It knows no store, no provider and no clock, and it opens nothing.
//! Implements `protocol.md`; that page's samples are tests.
//!
//! Two rules hold for all rows: an answer is encoded in memory and written once, after everything that can fail; and
//! whatever cannot be written without being read as something else is refused.

mod ansible;
mod askpass;
mod aws;
mod bazel;
mod cargo;
#[cfg(test)]
mod desk;
mod docker;
mod git;
mod goauth;
mod google;
mod kept;
mod keyring;
mod kubectl;
mod kubelet;
mod line;
mod netrc;
mod nuget;
mod pnpm;
mod terraform;
mod token;
mod vault;
mod web;

use std::io::{Read, Write};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{Class, Error, Result};
use crate::model::{Action, Answer, Request};
use crate::report;
use crate::secret::Secret;
use crate::target::Target;
use crate::time::Timestamp;

use kept::{declined, keep_token, not_kept};
use web::{NOBODY, authorization, bearer, fetched, headers, is_password, of_own_token};

/// The longest request that is read, in bytes; [`crate::world::MAX_INPUT`] says why.
pub const MAX_INPUT: usize = 1024 * 1024;

/// What most requests fit in, in bytes. A larger buffer costs a mapping of its own at each start.
const USUAL_INPUT: usize = 512;

/// One language, by the names that lead to it.
pub struct Protocol {
    /// The name in the table, as first argument and in a record.
    pub name: &'static str,
    /// The program names under which keyfob speaks it, without a platform's ending. Behind a hyphen a profile may follow,
    /// for tools that let a helper have no arguments; [`find`] says how it is written.
    pub programs: &'static [&'static str],
    /// Reads one question, asks, and answers. Returns the exit status.
    pub serve: fn(&mut Call) -> u8,
}

/// One question of a tool, not yet read.
pub struct Call<'a> {
    /// The arguments after the protocol's name.
    pub args: &'a [String],
    /// The profile that the program's name has, as a person types it.
    pub profile: Option<String>,
    /// A variable of the environment, for protocols that speak through it; none when it is not set or empty. One that is
    /// not UTF-8 is a failure: to pass it over could pass over what is asked for.
    pub var: &'a dyn Fn(&str) -> Result<Option<String>>,
    /// The time, for protocols that say how long an answer is good.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Whether a person types the input, and sees it.
    pub is_typed: &'a dyn Fn() -> bool,
    /// What the tool writes. Only read where the protocol defines it: it may be a person's terminal.
    pub input: &'a mut dyn Read,
    /// What the tool reads. A thread may have it while an answer is sought.
    pub output: &'a mut (dyn Write + Send),
    /// What a person reads.
    pub errors: &'a mut dyn Write,
    /// Asks the person for a secret on the terminal, never on a stream of the tool's. Fails where nobody may be asked.
    pub prompt: &'a mut dyn FnMut(&str) -> Result<Secret>,
    /// Answers a request.
    pub ask: &'a mut dyn FnMut(&Request) -> Result<Answer>,
}

impl Protocol {
    /// Whether a tool takes stderr for a part of the answer, or for a failure (git-lfs), so that no warning may be there.
    pub fn reads_stderr(&self) -> bool {
        [askpass::ASKPASS.name, google::GOOGLE.name].contains(&self.name)
    }

    /// Ends a call whose arguments are no text, where the tool has a word for that; returns the exit status.
    pub fn refuse(&self, error: &Error, output: &mut dyn Write) -> Option<u8> {
        (self.name == google::GOOGLE.name).then(|| google::refuse(error, output))
    }
}

impl Call<'_> {
    /// A request for what the program's name says, if it says something.
    fn request(&self, action: Action, protocol: &Protocol) -> Request {
        let mut request = Request::new(action, protocol.name);
        request.profile.clone_from(&self.profile);
        request
    }

    /// The same of a tool that names the place itself, and is wired for all places: what the profile does not serve is
    /// somebody else's.
    fn wired(&self, action: Action, protocol: &Protocol) -> Request {
        let mut request = self.request(action, protocol);
        request.wired = true;
        request
    }
}

/// All protocols. A new one is one file and one line here.
pub const TABLE: &[Protocol] = &[
    git::NATIVE,
    ansible::ANSIBLE,
    askpass::ASKPASS,
    aws::AWS,
    bazel::BAZEL,
    cargo::CARGO,
    docker::DOCKER,
    git::GIT,
    goauth::GOAUTH,
    google::GOOGLE,
    keyring::KEYRING,
    kubectl::KUBECTL,
    kubelet::KUBELET,
    netrc::NETRC,
    nuget::NUGET,
    pnpm::PNPM,
    terraform::TERRAFORM,
    token::TOKEN,
    vault::VAULT,
];

/// The words with which a call speaks the native protocol; they belong to it and are not consumed.
const NATIVE_WORDS: [&str; 4] = ["get", "store", "erase", "capability"];

/// The protocol of a call, and what led to it.
pub struct Found {
    /// The row of the table.
    pub row: &'static Protocol,
    /// How many arguments named it.
    pub consumed: usize,
    /// The profile in the program's name.
    pub profile: Option<String>,
}

/// Finds the protocol of a call.
///
/// `program` is the file name of the program as it was called, and decides; only if it is nobody's name does the first
/// argument. Behind the name of a protocol's program and a hyphen it may have a profile, `PROVIDER[~MODE][@ACCOUNT]`:
/// `/` and `:` of [`crate::config::Profile`] are in no file's name everywhere. None: the call is one of keyfob's own
/// commands.
pub fn find(program: &str, first: Option<&str>) -> Option<Found> {
    let stem = stem(program);
    let found = |row, consumed| Found {
        row,
        consumed,
        profile: None,
    };
    if let Some(row) = TABLE.iter().find(|row| row.programs.contains(&stem)) {
        return Some(found(row, 0));
    }
    if let Some((row, profile)) = with_profile(stem) {
        let profile = Some(profile);
        return Some(Found {
            profile,
            ..found(row, 0)
        });
    }
    let first = first?;
    if NATIVE_WORDS.contains(&first) {
        return TABLE
            .iter()
            .find(|row| row.name == git::NATIVE.name)
            .map(|row| found(row, 0));
    }
    let named = TABLE.iter().filter(|row| row.name != git::NATIVE.name);
    named.into_iter().find(|row| row.name == first).map(|row| found(row, 1))
}

/// A program's name without a platform's ending, and without the version that Terraform lets a plugin's name end in.
fn stem(program: &str) -> &str {
    let stem = program.strip_suffix(".exe").unwrap_or(program);
    let is_plugin = stem.starts_with("terraform-");
    let plain = stem.split_once("_v").filter(|_| is_plugin).map(|(plain, _)| plain);
    plain.unwrap_or(stem)
}

/// A program's name with a profile behind it.
fn with_profile(stem: &str) -> Option<(&'static Protocol, String)> {
    let mut rows = TABLE
        .iter()
        .flat_map(|row| row.programs.iter().map(move |name| (row, name)));
    let (row, named) = rows.find_map(|(row, name)| {
        let rest = stem.strip_prefix(name)?.strip_prefix('-')?;
        // Only behind a name of ours: `keyring-…` is somebody else's program.
        (name.contains("keyfob") && !rest.is_empty()).then_some((row, rest))
    })?;
    let (names, account) = match named.split_once('@') {
        Some((names, account)) => (names, format!(":{account}")),
        None => (named, String::new()),
    };
    Some((row, format!("{}{account}", names.replacen('~', "/", 1))))
}

/// Whether a program's name is another program's, for which keyfob stands in: then all arguments are that program's, and
/// `--mode` is not ours.
pub fn stands_in(program: &str) -> bool {
    let stem = stem(program);
    let named = |row: &Protocol| row.programs.contains(&stem) && !stem.contains("keyfob");
    TABLE.iter().any(named)
}

/// The name of a program that is neither keyfob nor any protocol's: a link to keyfob under another name, without a
/// platform's ending. A name that begins with `keyfob`, such as that of a second version, is keyfob's.
pub fn link(program: &str) -> Option<&str> {
    let stem = stem(program);
    let ours = stem.is_empty() || stem.starts_with("keyfob");
    (!ours && find(stem, None).is_none()).then_some(stem)
}

/// All of the input, at most [`MAX_INPUT`].
fn read(input: &mut dyn Read) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(USUAL_INPUT));
    let limit = MAX_INPUT as u64 + 1;
    let read = input.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Error::usage(format!("reading the request: {}", error.kind())))?;
    if bytes.len() > MAX_INPUT {
        return Err(Error::usage("reading the request: it is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// Says in a request what a person named: with `://` it is a target, else a profile. The query of a pasted URL is nothing
/// that a credential depends on, and may be a secret: what is returned to be shown is without it.
fn name<'a>(request: &mut Request, what: &'a str) -> Result<&'a str> {
    if !what.contains("://") {
        request.profile = Some(what.into());
        return Ok(what);
    }
    let place = what.split(['?', '#']).next().unwrap_or(what);
    let target = Target::from_url(place).map_err(|error| Error::usage(error).context("reading the URL"))?;
    request.target = Some(target);
    Ok(place)
}

/// Says in a request what the tool wants to reach, and the `PROFILE|URL` that its configuration names beside it.
///
/// The profile is checked against the target by whoever answers. A URL is no more than a promise about it: a
/// configuration that somebody else wrote must not send the credential of one place to another.
///
/// # Errors
/// [`Class::Usage`] when neither says anything; [`Class::Refused`] when the target is not at or below the URL.
fn aim(request: &mut Request, named: Option<&str>, wanted: Option<Target>) -> Result<()> {
    if let Some(named) = named {
        name(request, named)?;
    }
    let Some(wanted) = wanted else {
        return match (&request.profile, &request.target) {
            (None, None) => Err(Error::usage("the request has neither target nor profile")),
            _ => Ok(()),
        };
    };
    if request.target.as_ref().is_some_and(|root| !wanted.is_within(root)) {
        return Err(Error::refused(format!(
            "the configuration names another place than {wanted}, which the credential would go to"
        )));
    }
    request.target = Some(wanted);
    Ok(())
}

/// A value as one line of JSON.
fn json_line(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(serde_json::to_vec(value).expect("texts, numbers and maps of texts are JSON"));
    bytes.push(b'\n');
    bytes
}

/// Puts the one argument `PROFILE|URL` into a request, which may have a profile already; returns what was named, as
/// [`name`] does.
///
/// # Errors
/// [`crate::error::Class::Usage`] when there is no argument and no profile, or more than one.
fn named(call: &Call, request: &mut Request, usage: &str) -> Result<String> {
    match (call.args, &request.profile) {
        ([], Some(profile)) => Ok(profile.clone()),
        ([what], None) if !what.is_empty() => name(request, what).map(str::to_owned),
        _ => {
            Err(Error::usage("expected one profile or URL")
                .hint(usage.trim_end().replacen("usage: ", "run `", 1) + "`"))
        }
    }
}

/// The failure of a protocol that has no other word for "nothing found".
fn nothing(request: &Request, what: &str) -> Error {
    let profile = request.profile.as_deref().unwrap_or("PROFILE");
    Error::login(format!("finding a credential for `{what}`: there is none"))
        .hint(format!("run `keyfob login {profile}`"))
}

/// Says in a request which profile a tool's arguments name, before that of the program's name.
fn say_profile(request: &mut Request, named: Option<&str>) {
    if let Some(named) = named {
        request.profile = Some(named.into());
    }
}

/// Whether a person asks how a protocol is called.
fn wants_help(args: &[String]) -> bool {
    matches!(args, [word] if word == "--help" || word == "-h")
}

/// Writes a whole answer; whether it arrived.
fn write(output: &mut dyn Write, answer: &[u8]) -> bool {
    output.write_all(answer).and_then(|()| output.flush()).is_ok()
}

/// Writes a whole answer, and says why it could not; whether it arrived. Who stops reading knows it already.
fn deliver(call: &mut Call, answer: &[u8]) -> bool {
    match call.output.write_all(answer).and_then(|()| call.output.flush()) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                let failure = Error::failure(format!("writing to standard output: {}", error.kind()));
                tell(call.errors, &report::lines(&failure));
            }
            false
        }
    }
}

/// Ends a call of a protocol that has no words for a failure: the answer on stdout, or lines for a person and a status.
fn finish(call: &mut Call, answered: Result<Zeroizing<Vec<u8>>>, status: fn(Class) -> u8) -> u8 {
    match answered {
        Ok(reply) => u8::from(!reply.is_empty() && !deliver(call, &reply)),
        Err(error) => {
            tell(call.errors, &report::lines(&error));
            status(error.class)
        }
    }
}

/// Writes lines for a person. A closed stderr is nobody's business.
fn tell(errors: &mut dyn Write, text: &str) {
    let _ = errors.write_all(text.as_bytes());
}

/// Whether text can stand in one line: it has no line end and no NUL, at which some readers stop.
fn fits_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(program: &str, first: Option<&str>) -> Option<(&'static str, usize)> {
        find(program, first).map(|found| (found.row.name, found.consumed))
    }

    #[test]
    fn the_program_name_decides_before_the_first_argument() {
        assert_eq!(named("git-credential-keyfob", Some("docker")), Some(("git", 0)));
        assert_eq!(named("docker-credential-keyfob.exe", Some("get")), Some(("docker", 0)));
        assert_eq!(named("keyfob", Some("docker")), Some(("docker", 1)));
        assert_eq!(named("anything", Some("token")), Some(("token", 1)));
        // A name that begins with ours is a protocol's only where the table has it.
        assert_eq!(named("keyfob-client", Some("--vault-id")), Some(("ansible", 0)));
        assert_eq!(named("keyfob-clients", Some("--vault-id")), None);
        assert_eq!(link("keyfob-client"), None);
        // Terraform's plugins may say their version.
        for program in [
            "terraform-credentials-keyfob_v1.2.3",
            "terraform-credentials-keyfob_v1.2.3_x4.exe",
        ] {
            assert_eq!(named(program, Some("get")), Some(("terraform", 0)), "{program}");
            assert_eq!(link(program), None);
        }
        assert_eq!(named("git-credential-keyfob_v1", None), None);
    }

    #[test]
    fn a_profile_may_stand_in_the_programs_name() {
        for (program, expected) in [
            ("docker-credential-keyfob-work", Some("work")),
            ("docker-credential-keyfob-my-work.exe", Some("my-work")),
            ("git-credential-keyfob-acme~dev", Some("acme/dev")),
            (
                "git-credential-keyfob-acme~dev@ann~b@acme.example",
                Some("acme/dev:ann~b@acme.example"),
            ),
            ("docker-credential-keyfob", None),
            ("terraform-credentials-keyfob-acme~dev_v0.1.0", Some("acme/dev")),
        ] {
            assert_eq!(find(program, None).unwrap().profile.as_deref(), expected, "{program}");
        }
        assert!(find("docker-credential-keyfob-", None).is_none());
        assert!(find("docker-credential-keyfobx", None).is_none());
    }

    #[test]
    fn only_another_programs_arguments_are_all_its_own() {
        assert!(stands_in("keyring") && stands_in("keyring.exe"));
        for program in [
            "keyfob",
            "git-credential-keyfob",
            "docker-credential-keyfob-work",
            "anything",
        ] {
            assert!(!stands_in(program), "{program}");
        }
    }

    #[test]
    fn the_native_words_are_not_consumed() {
        for word in NATIVE_WORDS {
            assert_eq!(named("keyfob", Some(word)), Some(("keyfob", 0)));
        }
    }

    #[test]
    fn everything_else_is_an_own_command() {
        for first in [None, Some("login"), Some("keyfob"), Some("GET"), Some("")] {
            assert_eq!(named("keyfob", first), None, "{first:?}");
        }
    }

    #[test]
    fn a_link_has_a_name_that_is_nobodys() {
        for (program, expected) in [
            ("keyfob", None),
            ("keyfob.exe", None),
            ("keyfob-2", None),
            ("", None),
            ("git-credential-keyfob", None),
            ("docker-credential-keyfob.exe", None),
            ("acmectl", Some("acmectl")),
            ("acmectl.exe", Some("acmectl")),
            ("git", Some("git")),
        ] {
            assert_eq!(link(program), expected, "{program}");
        }
    }

    #[test]
    fn names_are_unique_and_lower_case() {
        // A program of its protocol's own name is called the same either way.
        let of = |row: &'static Protocol| {
            let programs = row.programs.iter().copied().filter(|program| *program != row.name);
            programs.chain([row.name])
        };
        let mut names: Vec<&str> = TABLE.iter().flat_map(of).collect();
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        );
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_input_limit_is_the_worlds() {
        assert_eq!(MAX_INPUT, crate::world::MAX_INPUT);
        assert!(read(&mut &vec![b'a'; MAX_INPUT][..]).is_ok());
        assert!(read(&mut &vec![b'a'; MAX_INPUT + 1][..]).is_err());
    }
}
