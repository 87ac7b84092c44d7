//! From the words of a provider file to valid values, or to a mistake with file, line, key and what was expected.

use std::collections::BTreeMap;

use super::instance;
use super::mistake;
use super::preset;
use super::profile::check_name;
use super::provider::{self, FLOWS, Flow, FlowRow, Mode, Persist, Provider, Scheme, Serves};
use super::section::context::Switch;
use super::section::sync::SyncedAs;
use super::section::{self, File, Parts, TargetPart, Text};
use super::setting::Settings;
use crate::error::{Error, Result};
use crate::target::Target;

/// The newest format of provider files that is understood.
const FORMAT: u32 = 1;

/// The stores that a provider file may name.
const STORES: [&str; 3] = ["sealed", "keychain", "file"];

/// One text being read, for the places of mistakes.
pub(super) struct Reader<'a> {
    pub text: &'a str,
    /// Names the text in a message.
    pub place: &'a str,
    /// What a person has set.
    pub settings: &'a Settings,
}

impl Reader<'_> {
    /// Of a text that is no provider file.
    pub(super) fn plain<'a>(text: &'a str, place: &'a str) -> Reader<'a> {
        const NONE: &Settings = &Settings::NONE;
        Reader {
            text,
            place,
            settings: NONE,
        }
    }

    pub(super) fn wrong(&self, at: Option<usize>, message: impl std::fmt::Display) -> Error {
        let before = &self.text.as_bytes()[..at.unwrap_or(0).min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        Error::usage(format!("{}:{line}: {message}", self.place)).hint("correct it, then run `keyfob provider check`")
    }

    /// A mistake at a text of the file.
    pub(super) fn wrong_at(&self, text: &Text, message: impl std::fmt::Display) -> Error {
        self.wrong(Some(text.span().start), message)
    }

    pub(super) fn provider(&self, name: &str) -> Result<Provider> {
        let file: File = toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(Some(at), mistake::describe(self.text, at, error.message()))
        })?;
        if let Some(format) = file.format.as_ref().filter(|format| *format.get_ref() != FORMAT) {
            let message = format!(
                "format: expected {FORMAT}, found {}; a newer keyfob may read it",
                format.get_ref()
            );
            return Err(self.wrong(Some(format.span().start), message));
        }
        if file.format.is_none() {
            return Err(self.wrong(None, format!("format: expected `format = {FORMAT}`, found nothing")));
        }
        if let Some(other) = file.name.as_ref().filter(|own| own.get_ref() != name) {
            return Err(self.wrong_at(
                other,
                format!("name: expected `{name}` as the file is called, found another"),
            ));
        }
        let file = match &file.preset {
            Some(wanted) => {
                let base = self.preset(wanted, &file.instance)?;
                file.over(base)
            }
            None => match file.instance.keys().next() {
                Some(key) => {
                    return Err(self.wrong_at(key, "instance: expected with a `preset` alone, found without"));
                }
                None => file,
            },
        };
        let mut file = file;
        if let Some(settings) = file.program.as_ref().and_then(|program| program.settings.clone()) {
            let settings = section::program::settings_of(self, settings.iter())?;
            self.settings.fill(&settings, &mut file)?;
        }
        self.build(name, file)
    }

    fn preset(&self, wanted: &Text, instance: &BTreeMap<Text, Text>) -> Result<File> {
        let text = preset::find(wanted.get_ref()).ok_or_else(|| {
            let names: Vec<&str> = preset::names().collect();
            self.wrong_at(
                wanted,
                format!("preset: expected one of {}, found another", names.join(", ")),
            )
        })?;
        let parse = |text: &str| toml::from_str::<File>(text).expect("presets are read by a test");
        let usual = parse(text).instance;
        let filled = instance::fill(self, (wanted, text), instance, &usual)?;
        Ok(parse(&filled))
    }

    fn build(&self, name: &str, file: File) -> Result<Provider> {
        check_name("provider", name)?;
        let flow = self.flow(file.login.flow.as_ref())?;
        let store = self.one_of("store", file.store.as_ref(), &STORES)?;
        let persist = self.persist(file.persist.as_ref(), flow)?;
        let mut modes = Vec::new();
        let whole = file.parts();
        if file.mode.is_empty() {
            modes.push(self.mode("", (flow, store.as_deref()), &whole, file.target.as_deref())?);
        }
        for (mode, part) in &file.mode {
            check_name("mode", mode.get_ref()).map_err(|error| self.wrong_at(mode, format!("mode: {error}")))?;
            let targets = part.target.as_deref().or(file.target.as_deref());
            let parts = part.parts().over(&whole);
            modes.push(self.mode(mode.get_ref(), (flow, store.as_deref()), &parts, targets)?);
        }
        if let Some(first) = &file.login.default_mode {
            let at = modes.iter().position(|mode| mode.name == *first.get_ref());
            let at = at.ok_or_else(|| {
                self.wrong_at(first, "login.default_mode: expected a mode of this file, found another")
            })?;
            modes[..=at].rotate_right(1);
        }
        self.places_differ(name, &modes, &file)?;
        let register = self.url_if("login.register", file.login.register.as_ref())?;
        let revoke = self.url_if("login.revoke", file.login.revoke.as_ref())?;
        let program = section::program::read(self, file.program.as_ref(), name)?;
        Ok(Provider {
            name: name.into(),
            title: file.title.unwrap_or_else(|| name.into()),
            preset: file.preset.map(toml::Spanned::into_inner),
            flow: flow.flow,
            store,
            persist,
            register,
            revoke,
            program,
            modes,
        })
    }

    fn persist(&self, word: Option<&Text>, flow: &FlowRow) -> Result<Persist> {
        self.one_of("persist", word, &Persist::WORDS)?;
        let Some(word) = word else {
            return Ok(Persist::default());
        };
        let fits = |persist| {
            match flow.flow {
                flow if flow.is_unattended() => &["both", "none"][..],
                Flow::Key | Flow::Static => &["both", "key"],
                _ => &["both", "key", "refresh"],
            }
            .contains(&persist)
        };
        if !fits(word.get_ref()) {
            let words = Persist::WORDS.into_iter().filter(|word| fits(word));
            let words = words.collect::<Vec<_>>().join(", ");
            let message = format!(
                "persist: expected one of {words} with the flow `{}`, found another",
                flow.word
            );
            return Err(self.wrong_at(word, message));
        }
        Ok(Persist::of(word.get_ref()))
    }

    /// Two modes that lie in one place would each take the other's session for its own.
    fn places_differ(&self, name: &str, modes: &[Mode], file: &File) -> Result<()> {
        for (at, mode) in modes.iter().enumerate() {
            let names = mode.place.filled(name, &mode.name, "").names();
            let same = modes[..at].iter().find(|other| {
                let others = other.place.filled(name, &other.name, "").names();
                others.iter().any(|other| names.contains(other))
            });
            let Some(other) = same else { continue };
            let part = file.mode.iter().find(|(key, _)| *key.get_ref() == mode.name);
            let text = part
                .and_then(|(_, part)| part.place.first())
                .or_else(|| file.place.first());
            let message = format!(
                "place: expected another one for each mode, found that of `{}` for `{}` too; `{{mode}}` may be in it",
                other.name, mode.name
            );
            return Err(self.wrong(text.map(|text| text.span().start), message));
        }
        Ok(())
    }

    fn flow(&self, word: Option<&Text>) -> Result<&'static FlowRow> {
        let all = || FLOWS.iter().map(|row| row.word).collect::<Vec<_>>().join(", ");
        let Some(word) = word else {
            return Err(self.wrong(None, format!("login.flow: expected one of {}, found nothing", all())));
        };
        let found = FLOWS.iter().find(|row| row.word == word.get_ref());
        found.ok_or_else(|| {
            self.wrong_at(
                word,
                format!("login.flow: expected one of {}, found another word", all()),
            )
        })
    }

    fn mode(
        &self,
        name: &str,
        (flow, store): (&FlowRow, Option<&str>),
        parts: &Parts,
        targets: Option<&[TargetPart]>,
    ) -> Result<Mode> {
        let mut oauth = section::oauth::read(self, &parts.oauth)?;
        let aws = section::aws::read(self, &parts.aws, flow.flow, &mut oauth)?;
        let service = section::service::read(self, &parts.service)?;
        let missing = flow.needs.iter().find(|key| !oauth.has(key));
        // What is missing is discovered at the login, if there is one before the first call of a tool.
        let is_found = (oauth.issuer.is_some() || service.is_some()) && !flow.flow.is_unattended();
        if let Some(key) = missing.filter(|_| !is_found) {
            let message = format!("oauth.{key}: expected by the flow `{}`, found nothing", flow.word);
            return Err(self.wrong(None, message));
        }
        let (otp, poll) = (
            section::otp::read(self, &parts.otp)?,
            section::poll::read(self, &parts.poll)?,
        );
        let missing = match flow.flow {
            Flow::EmailOtp if otp.is_none() => Some("otp.send.url"),
            Flow::Poll if poll.is_none() => Some("poll.page"),
            _ => None,
        };
        if let Some(key) = missing {
            let message = format!("{key}: expected by the flow `{}`, found nothing", flow.word);
            return Err(self.wrong(None, message));
        }
        let refresh = section::refresh::read(self, &parts.refresh)?;
        let workspace = section::context::read(self, &parts.context)?;
        let reissued = workspace.as_ref().is_some_and(|kind| kind.switch == Switch::Reissue);
        if let (true, Some(_), Some(kind)) = (reissued, &refresh, &parts.context.kind) {
            // A described call has no field for it, and its answer would be taken for another workspace's.
            return Err(self.wrong_at(kind, "context.kind: expected header beside `[refresh]`, found reissue"));
        }
        if let (true, true, Some(kind)) = (reissued, flow.flow.is_unattended(), &parts.context.kind) {
            // There is no refresh token that could be asked with.
            let message = "context.kind: expected header with a flow that needs no person, found reissue";
            return Err(self.wrong_at(kind, message));
        }
        let grant = section::grant::read(self, &parts.grant)?;
        let signing = section::signing::read(self, &parts.signing)?;
        if let Some(message) = section::grant::lack(flow.flow, &oauth, &grant, &signing) {
            return Err(self.wrong(None, message));
        }
        let targets = targets.unwrap_or_default().iter();
        let mode = Mode {
            name: name.into(),
            aws,
            workspace,
            exchange: section::context::exchange(self, &parts.context)?,
            targets: targets.map(|part| self.target(part)).collect::<Result<_>>()?,
            oauth,
            grant,
            place: section::place::read(self, &parts.place, name, store)?,
            signing,
            service,
            otp,
            poll,
            refresh,
            key_form: section::key::form(self, &parts.key, flow.flow, parts.whoami.url.is_some())?,
            whoami: section::whoami::read(self, &parts.whoami)?,
            mfa: section::mfa::read(self, &parts.mfa)?,
            password: section::password::read(self, &parts.password)?,
            variables: section::env::read(self, &parts.env)?,
            export: section::env::export(self, &parts.env)?,
            key_prefix: section::key::prefix(self, &parts.key)?,
            sync: section::sync::read(self, &parts.sync)?,
        };
        if let (SyncedAs::Variable, None, Some(text)) = (mode.sync.form, mode.synced_variable(), &parts.sync.r#as) {
            let message = "sync.variable: expected one of `env.variables` or a name of its own, found neither";
            return Err(self.wrong_at(text, message));
        }
        Ok(mode)
    }

    fn target(&self, part: &TargetPart) -> Result<Serves> {
        let (subdomains, plain) = provider::split_url(part.url.get_ref());
        let root =
            Target::from_url(&plain).map_err(|error| self.wrong_at(&part.url, format!("target.url: {error}")))?;
        if !provider::is_root(&root, subdomains) {
            return Err(self.wrong_at(
                &part.url,
                "target.url: expected a host, or `*.` before a domain, found another",
            ));
        }
        if root.scheme() == "http" && !root.is_loopback() {
            return Err(self.wrong_at(
                &part.url,
                "target.url: expected https, or http to 127.0.0.1 or [::1], found http",
            ));
        }
        let scheme = match part.scheme.as_ref().map(|scheme| (scheme, scheme.get_ref().as_str())) {
            None | Some((_, "basic")) => Scheme::Basic,
            Some((_, "bearer")) => Scheme::Bearer,
            Some((scheme, _)) => {
                return Err(self.wrong_at(scheme, "target.scheme: expected basic or bearer, found another"));
            }
        };
        let tools = part.tools.iter().map(|tool| {
            check_name("tool", tool.get_ref())
                .map_err(|error| self.wrong_at(tool, format!("target.tools: {error}")))?;
            Ok(tool.get_ref().clone())
        });
        let username = self.visible_if("target.username", part.username.as_ref())?;
        Ok(Serves {
            root,
            subdomains,
            scheme,
            username,
            tools: tools.collect::<Result<_>>()?,
            exclusive: part.exclusive,
        })
    }

    /// An endpoint: https, or http to a literal of the loopback interface (RFC 6749, section 3.1; RFC 8252, section 7.3).
    pub(super) fn url(&self, key: &str, text: &Text) -> Result<String> {
        let wrong = |what: &str| self.wrong_at(text, format!("{key}: {what}"));
        let url = text.get_ref();
        let base = url.split(['?', '#']).next().unwrap_or(url);
        let target = Target::from_url(base).map_err(|error| wrong(&error.to_string()))?;
        if url.contains('#') || !url.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong(
                "expected a URL without fragment or control characters, found another",
            ));
        }
        match target.scheme() {
            "https" => Ok(url.clone()),
            "http" if target.is_loopback() => Ok(url.clone()),
            _ => Err(wrong(
                "expected https, or http to 127.0.0.1 or [::1], found another scheme",
            )),
        }
    }

    pub(super) fn visible(&self, key: &str, text: &Text) -> Result<String> {
        let good = !text.get_ref().is_empty() && text.get_ref().bytes().all(|b| b.is_ascii_graphic());
        if good {
            Ok(text.get_ref().clone())
        } else {
            Err(self.wrong_at(text, format!("{key}: expected visible ASCII, found another")))
        }
    }

    pub(super) fn url_if(&self, key: &str, text: Option<&Text>) -> Result<Option<String>> {
        text.map(|text| self.url(key, text)).transpose()
    }

    pub(super) fn visible_if(&self, key: &str, text: Option<&Text>) -> Result<Option<String>> {
        text.map(|text| self.visible(key, text)).transpose()
    }

    /// A JSON pointer (RFC 6901) that is not the whole document.
    pub(super) fn pointer(&self, key: &str, text: Option<&Text>, default: &str) -> Result<String> {
        match text {
            None => Ok(default.into()),
            Some(text) if text.get_ref().starts_with('/') => Ok(text.get_ref().clone()),
            Some(text) => Err(self.wrong_at(
                text,
                format!("{key}: expected a JSON pointer such as `/sub`, found none"),
            )),
        }
    }

    /// The name of an environment variable.
    pub(super) fn variable(&self, key: &str, text: &Text) -> Result<String> {
        let name = text.get_ref();
        if !section::env::is_variable(name) {
            let message = format!("{key}: expected names of letters, digits and `_`, found another");
            return Err(self.wrong_at(text, message));
        }
        Ok(name.clone())
    }

    /// The path of a file: absolute, or below the home after `~/`. What it names is not looked at.
    pub(super) fn path(&self, key: &str, text: &Text) -> Result<String> {
        let path = text.get_ref();
        let rooted = path.starts_with('/') || path.starts_with("~/");
        if !rooted || path.chars().any(char::is_control) {
            let message = format!("{key}: expected a path that begins with `/` or `~/`, found another");
            return Err(self.wrong_at(text, message));
        }
        Ok(path.clone())
    }

    pub(super) fn one_of(&self, key: &str, text: Option<&Text>, words: &[&str]) -> Result<Option<String>> {
        match text {
            None => Ok(None),
            Some(text) if words.contains(&text.get_ref().as_str()) => Ok(Some(text.get_ref().clone())),
            Some(text) => Err(self.wrong_at(
                text,
                format!("{key}: expected one of {}, found another", words.join(", ")),
            )),
        }
    }
}
