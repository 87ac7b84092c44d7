//! The sessions of a double: access tokens that are JWTs, refresh tokens that are good once, and families that end whole
//! when one of them is spent twice (RFC 9700, section 4.14.2).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// One session.
#[derive(Debug, Clone)]
pub struct Family {
    /// Whom its tokens speak for.
    pub subject: String,
    /// The access tokens that were given, the last of them last.
    pub access: Vec<String>,
    /// The refresh tokens that were given; only the last one is good.
    pub refresh: Vec<String>,
    /// Why it is over, if it is.
    pub ended: Option<&'static str>,
}

/// All sessions of a double.
#[derive(Default)]
pub struct Families {
    all: Vec<Family>,
    /// The seconds that an access token lives; an hour if nothing else is said.
    pub life_secs: Option<u64>,
    /// The workspace that access tokens are issued for, where a service has such.
    pub workspace: Option<&'static str>,
}

impl Families {
    /// Begins one; returns the reply of a token endpoint.
    pub fn begin(&mut self, subject: &str) -> Value {
        self.all.push(Family {
            subject: subject.into(),
            access: Vec::new(),
            refresh: Vec::new(),
            ended: None,
        });
        self.give(self.all.len() - 1)
    }

    /// Another pair for a refresh token. One that was spent ends its family.
    pub fn refresh(&mut self, token: &str) -> Option<Value> {
        let has = |family: &Family| family.refresh.iter().any(|given| given == token);
        let at = self.all.iter().position(has)?;
        let family = &mut self.all[at];
        if family.ended.is_none() && family.refresh.last().is_none_or(|last| last != token) {
            family.ended = Some("a refresh token was spent twice");
        }
        (family.ended.is_none()).then(|| self.give(at))
    }

    /// Ends the family that a token is of.
    pub fn revoke(&mut self, token: &str) {
        let of = |family: &&mut Family| family.access.iter().chain(&family.refresh).any(|given| given == token);
        if let Some(family) = self.all.iter_mut().find(of) {
            family.ended = Some("revoked");
        }
    }

    /// Ends all of them.
    pub fn end_all(&mut self) {
        self.all
            .iter_mut()
            .for_each(|family| family.ended = Some("ended by the service"));
    }

    /// Whom an access token speaks for, if it is good.
    pub fn subject(&self, access: &str) -> Option<String> {
        let of = |family: &&Family| family.ended.is_none() && family.access.iter().any(|given| given == access);
        let family = self.all.iter().find(of)?;
        (end(access)? > now()).then(|| family.subject.clone())
    }

    /// All of them, in order.
    pub fn all(&self) -> &[Family] {
        &self.all
    }

    fn give(&mut self, at: usize) -> Value {
        let life = self.life_secs.unwrap_or(3600);
        // No two doubles give the same token.
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let family = &mut self.all[at];
        let mut claims = json!({"sub": family.subject, "exp": now() + life});
        if let Some(workspace) = self.workspace {
            claims["workspace"] = json!(workspace);
        }
        let access = jwt(&claims, count);
        let refresh = format!("canary-refresh-{count}-");
        family.access.push(access.clone());
        family.refresh.push(refresh.clone());
        json!({"access_token": access, "token_type": "Bearer", "refresh_token": refresh, "expires_in": life})
    }
}

/// A token of three parts, whose last one is no signature.
pub fn jwt(claims: &Value, number: u32) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let head = json!({"alg": "RS256", "typ": "JWT"});
    format!("{}.{}.canary-{number}", part(&head), part(claims))
}

/// The claims of such a token.
pub fn claims(token: &str) -> Option<Value> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
}

fn end(token: &str) -> Option<u64> {
    claims(token)?["exp"].as_u64()
}

/// Unix seconds.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs()
}
