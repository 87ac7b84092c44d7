//! From attributes to a [`Request`].
//!
//! It knows nothing of what will be answered. A value is taken byte for byte or the request is refused; nothing is
//! trimmed and nothing is guessed.
//! Implements `protocol.md`, sections "What it sends" of the native protocol and of git.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::model::{Action, Proves, Request, Understands};
use crate::secret::Secret;
use crate::target::{self, Target};
use crate::time::Timestamp;

use super::line::{self, Line, malformed};
use super::{BASIC, Dialect};

/// What a request comes to.
pub(super) enum Question {
    /// It is to be answered.
    Ask(Box<Request>),
    /// There is nothing to do for it; that is a miss.
    Nothing,
}

/// Attributes that may stand once.
const GIT_KEYS: [&str; 11] = [
    "authtype",
    "credential",
    "ephemeral",
    "host",
    "oauth_refresh_token",
    "password",
    "password_expiry_utc",
    "path",
    "protocol",
    "url",
    "username",
];

/// The same, only for keyfob.
const NATIVE_KEYS: [&str; 7] = [
    "dpop_method",
    "dpop_nonce",
    "dpop_url",
    "interactive",
    "profile",
    "scope",
    "valid_for",
];

/// The attributes of one request that anybody looks at.
#[derive(Default)]
struct Fields<'a> {
    single: Vec<(&'static str, &'a [u8])>,
    capabilities: Vec<&'a [u8]>,
    states: Vec<&'a [u8]>,
}

/// Reads a request.
///
/// # Errors
/// [`crate::error::Class::Usage`], naming the attribute.
pub(super) fn decode(input: &[u8], action: Action, dialect: Dialect) -> Result<Question> {
    let lines = line::split(input)?;
    let fields = Fields::collect(&lines, dialect)?;
    let mut request = Request::new(action, dialect.tool());
    (request.any_path, request.newest) = (true, true);
    request.profile = fields.name("profile")?.map(str::to_owned);
    if !read_target(&fields, &mut request)? {
        return Ok(Question::Nothing);
    }
    request.understands = Understands {
        authtype: fields.capabilities.contains(&&b"authtype"[..]),
        state: fields.capabilities.contains(&&b"state"[..]),
        identity_token: dialect == Dialect::Native,
        ..Understands::default()
    };
    request.mark = fields.mark();
    request.ephemeral = fields.switch("ephemeral")?;
    request.interactive = fields.switch("interactive")?;
    request.valid_for_secs = fields.seconds("valid_for")?;
    request.proves = read_proves(&fields)?;
    let scopes = fields.name("scope")?.unwrap_or_default();
    request.scopes = scopes
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    let complete = match action {
        Action::Store => read_credential(&fields, &mut request, dialect)?,
        Action::Erase => read_rejected(&fields, &mut request)?,
        Action::Get | Action::List | Action::Places => {
            // An earlier helper may have had a password; it is not what is asked for.
            request.secret = None;
            true
        }
    };
    Ok(if complete {
        Question::Ask(Box::new(request))
    } else {
        Question::Nothing
    })
}

/// Reads target and user information; whether there is something that they can name.
fn read_target(fields: &Fields, request: &mut Request) -> Result<bool> {
    request.username = fields.name("username")?.map(str::to_owned);
    let (scheme, host, path) = (fields.name("protocol")?, fields.name("host")?, fields.name("path")?);
    if let Some(url) = fields.text("url")? {
        if scheme.or(host).or(path).is_some() {
            return Err(malformed("`url` stands beside `protocol`, `host` or `path`"));
        }
        let (target, user) = Target::from_url_with_user(url).map_err(|error| malformed(format!("`url`: {error}")))?;
        request.target = Some(target);
        return user.map_or(Ok(true), |user| read_user(user, request).map(|()| true));
    }
    let (scheme, host) = match (scheme, host) {
        (None, None) if request.profile.is_some() && path.is_none() => return Ok(true),
        (None, _) => return Err(malformed("`protocol` is missing")),
        (_, None) => return Err(malformed("`host` is missing")),
        (Some(scheme), Some(host)) => (scheme, host),
    };
    // "Empty" is what it says, and nothing is kept under it; to take it for "any" gave secrets away (CVE-2020-11008).
    if scheme.is_empty() || (host.is_empty() && !scheme.eq_ignore_ascii_case("cert")) {
        return Ok(false);
    }
    request.target = Some(Target::from_parts(scheme, host, path).map_err(malformed)?);
    Ok(true)
}

/// The HTTP request for which the tool can send a proof; `dpop_url` alone means a `GET` of it.
fn read_proves(fields: &Fields) -> Result<Option<Proves>> {
    let Some(url) = fields.text("dpop_url")? else {
        return Ok(None);
    };
    let method = fields.text("dpop_method")?.unwrap_or("GET");
    let proves = Proves::new(method, url, fields.text("dpop_nonce")?);
    proves.map(Some).map_err(|why| malformed(format!("`dpop_url`: {why}")))
}

/// The part of a URL before `@`; its password counts only where a password may stand, in a store or erase.
fn read_user(user: &str, request: &mut Request) -> Result<()> {
    let (name, password) = user
        .split_once(':')
        .map_or((user, None), |(name, password)| (name, Some(password)));
    let decode = |part| target::decode_user(part).ok_or_else(|| malformed("the user information of `url`"));
    if request.username.is_some() {
        return Err(malformed("`username` stands beside a user name in `url`"));
    }
    request.username = Some(decode(name)?);
    request.secret = password.map(decode).transpose()?.map(Secret::new);
    Ok(())
}

/// The password or ready value, of which a request has at most one.
fn read_secret(fields: &Fields, request: &mut Request) -> Result<()> {
    let in_url = request.secret.take();
    let password = fields.text("password")?.map(|text| Secret::new(text.into()));
    if in_url.is_some() && password.is_some() {
        return Err(malformed("`password` stands beside a password in `url`"));
    }
    request.secret = in_url.or(password);
    Ok(())
}

/// What a store keeps; whether there is enough to keep.
fn read_credential(fields: &Fields, request: &mut Request, dialect: Dialect) -> Result<bool> {
    read_secret(fields, request)?;
    request.refresh = fields.text("oauth_refresh_token")?.map(|text| Secret::new(text.into()));
    request.refresh = request.refresh.take().filter(|token| !token.is_empty());
    request.expires_at = fields.expiry();
    // git sends the two together or not at all; half of the pair says nothing.
    if let (Some(scheme), Some(value)) = (fields.name("authtype")?, fields.text("credential")?)
        && !scheme.is_empty()
    {
        request.authtype = Some(scheme.to_owned());
        request.secret = Some(Secret::new(value.to_owned()));
        return Ok(true);
    }
    let named = request.username.is_some() || request.profile.is_some();
    if dialect == Dialect::Native && request.secret.is_some() && !named {
        return Err(malformed("`username` is missing"));
    }
    Ok(request.secret.is_some() && named)
}

/// What a rejection is about. A lone `credential` still narrows it, so that nothing else is erased.
fn read_rejected(fields: &Fields, request: &mut Request) -> Result<bool> {
    read_secret(fields, request)?;
    if let Some(value) = fields.text("credential")? {
        request.secret = Some(Secret::new(value.to_owned()));
        request.authtype = fields
            .name("authtype")?
            .filter(|scheme| !scheme.is_empty())
            .map(str::to_owned);
        unpack(request);
    }
    Ok(true)
}

/// A password that we gave as a ready value, which comes back with our mark, is what it was again.
fn unpack(request: &mut Request) {
    let is_basic = request.authtype.as_deref() == Some(BASIC);
    let ours = request.secret.as_ref().filter(|_| is_basic && request.mark.is_some());
    let bytes = ours.and_then(|ready| data_encoding::BASE64.decode(ready.expose().as_bytes()).ok());
    let pair = bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Zeroizing::new);
    if let Some((_, secret)) = pair.as_ref().and_then(|pair| pair.split_once(':')) {
        request.secret = Some(Secret::new(secret.to_owned()));
        request.authtype = None;
    }
}

impl<'a> Fields<'a> {
    fn collect(lines: &[Line<'a>], dialect: Dialect) -> Result<Fields<'a>> {
        let mut fields = Fields::default();
        let native = if dialect == Dialect::Native {
            &NATIVE_KEYS[..]
        } else {
            &[]
        };
        for line in lines {
            let list = match line.key {
                b"capability[]" => &mut fields.capabilities,
                b"state[]" => &mut fields.states,
                key => {
                    let known = GIT_KEYS.iter().chain(native).find(|known| known.as_bytes() == key);
                    let Some(known) = known else { continue };
                    if fields.bytes(known).is_some() {
                        return Err(malformed(format!("`{known}` stands more than once")));
                    }
                    fields.single.push((known, line.value));
                    continue;
                }
            };
            match line.value {
                b"" => list.clear(),
                value => list.push(value),
            }
        }
        Ok(fields)
    }

    fn bytes(&self, key: &str) -> Option<&'a [u8]> {
        self.single
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>> {
        let text = self.bytes(key).map(std::str::from_utf8).transpose();
        text.map_err(|_| malformed(format!("`{key}` is not UTF-8")))
    }

    /// Text that is compared or shown, and so has no control characters, those beyond ASCII included.
    fn name(&self, key: &str) -> Result<Option<&'a str>> {
        match self.text(key)? {
            Some(text) if text.chars().any(char::is_control) => {
                Err(malformed(format!("`{key}` has control characters")))
            }
            text => Ok(text),
        }
    }

    /// One of git's words for true and false (git-config(1), section "Values"). Absent: false.
    fn switch(&self, key: &str) -> Result<bool> {
        let Some(text) = self.text(key)? else { return Ok(false) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(true),
            "" | "false" | "no" | "off" => Ok(false),
            number => number
                .parse()
                .map(|number: i64| number != 0)
                .map_err(|_| malformed(format!("`{key}` is not a boolean"))),
        }
    }

    fn seconds(&self, key: &str) -> Result<Option<u32>> {
        let number = self.text(key)?.map(str::parse).transpose();
        number.map_err(|_| malformed(format!("`{key}` is not a number of seconds")))
    }

    /// As git reads it: anything but a decimal integer means that the end is not known.
    fn expiry(&self) -> Option<Timestamp> {
        let text = std::str::from_utf8(self.bytes("password_expiry_utc")?).ok()?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().map(Timestamp::from_unix)
    }

    /// Our own state, in the form that `encode.rs` gave it; others belong to other helpers.
    fn mark(&self) -> Option<String> {
        let own = self
            .states
            .iter()
            .rev()
            .find_map(|state| state.strip_prefix(b"keyfob:"))?;
        let plain = !own.is_empty() && own.len() <= 128 && own.iter().all(u8::is_ascii_graphic);
        plain.then(|| String::from_utf8_lossy(own).into_owned())
    }
}

#[cfg(test)]
mod tests;
