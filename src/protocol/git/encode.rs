//! From a [`Credential`] to attributes.
//!
//! It knows nothing of the request but what the tool can read. An attribute that would be read as two, or not as a
//! whole, is refused with the whole answer.
//! Implements `protocol.md`, sections "What we answer" of the native protocol and of git.

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Credential, Source, Understands, Workspace};
use crate::protocol::{authorization, fits_line};
use crate::secret::Secret;
use crate::target::Target;

use super::line::MAX_LINE;
use super::{BASIC, Dialect};

/// Whether the answer is a session's for the web, which git is then told to hand to no helper that keeps things: git gives
/// whatever one of them answers to all of its chain. A caller of our own protocol has no chain.
pub(super) fn is_passing(credential: &Credential, target: Option<&Target>, dialect: Dialect) -> bool {
    let is_session = match &credential.source {
        Source::Environment(_) => true,
        Source::Store { profile, .. } => profile.is_some(),
    };
    // What asks git for another scheme's, such as mail, does not read a ready value.
    let is_web = target.is_some_and(|target| matches!(target.scheme(), "https" | "http"));
    is_session && is_web && dialect == Dialect::Git
}

/// What a header says after `Basic`; nothing where the two do not fit there.
fn basic(username: Option<&str>, secret: &Secret) -> Option<Zeroizing<String>> {
    let fits = |text: &str| !text.chars().any(char::is_control);
    let username = username.filter(|name| !name.contains(':') && fits(name) && fits(secret.expose()))?;
    let pair = Zeroizing::new(format!("{username}:{}", secret.expose()));
    Some(Zeroizing::new(data_encoding::BASE64.encode(pair.as_bytes())))
}

/// Encodes an answer; an empty one is a miss. One that is `passing` is marked so that no other helper keeps it, where the
/// caller can read that.
///
/// # Errors
/// [`crate::error::Class::Refused`] when an attribute does not fit a line.
pub(super) fn encode(
    credential: &Credential,
    understands: Understands,
    dialect: Dialect,
    passing: bool,
) -> Result<Zeroizing<Vec<u8>>> {
    let Credential {
        username,
        secret,
        authtype,
        is_token: _,
        refresh,
        expires_at,
        subject,
        workspace,
        source,
        mark,
        account: _,
        proof,
    } = credential;
    // Whoever did not offer `authtype` would take such a credential for complete and then find no secret in it.
    if authtype.is_some() && !understands.authtype {
        return Ok(Zeroizing::default());
    }
    let mark = mark.as_ref().filter(|_| understands.state);
    // A password is kept by every helper; a ready value by none, where it is called ephemeral. A rejected one is known
    // again by its mark.
    let is_known = mark.is_some() || matches!(source, Source::Environment(_));
    let ready = match authtype {
        None if passing && understands.authtype && is_known => basic(username.as_deref(), secret),
        _ => None,
    };
    let scheme = authtype.as_deref().or(ready.as_ref().map(|_| BASIC));
    let mut reply = Reply::default();
    if scheme.is_some() {
        reply.put("capability[]", "authtype")?;
    }
    if mark.is_some() {
        reply.put("capability[]", "state")?;
    }
    if let Some(username) = username {
        reply.put("username", username)?;
    }
    match scheme {
        Some(scheme) => {
            reply.put("authtype", scheme)?;
            reply.put("credential", ready.as_ref().map_or(secret.expose(), |ready| ready))?;
            // A variable's value is not to be written to disk by the next helper either.
            if passing || matches!(source, Source::Environment(_)) {
                reply.put("ephemeral", "1")?;
            }
        }
        None => reply.put("password", secret.expose())?,
    }
    if let Some(expires_at) = expires_at {
        reply.put("password_expiry_utc", &expires_at.unix().to_string())?;
    }
    if let Some(refresh) = refresh {
        reply.put("oauth_refresh_token", refresh.expose())?;
    }
    if let Some(mark) = mark {
        reply.put("state[]", &format!("keyfob:{mark}"))?;
    }
    if dialect == Dialect::Native {
        reply.put("source", &source.to_string())?;
        if let Some(subject) = subject {
            reply.put("subject", subject)?;
        }
        if let Some(Workspace { name, header }) = workspace {
            reply.put("workspace", name)?;
            if let Some(header) = header {
                reply.put("workspace_header", &format!("{header}: {name}"))?;
            }
        }
        if let Some(proof) = proof {
            reply.put("dpop", proof.expose())?;
        }
        // The rest of the answer is good without it, and few who ask need it.
        if let Ok(value) = authorization(credential) {
            reply.put("header", &Zeroizing::new(format!("Authorization: {}", value.expose())))?;
        }
    }
    Ok(reply.0)
}

#[derive(Default)]
struct Reply(Zeroizing<Vec<u8>>);

impl Reply {
    fn put(&mut self, key: &str, value: &str) -> Result<()> {
        if !fits_line(value) {
            return Err(refused(format!("`{key}` has a line end or NUL")));
        }
        // Such a line would come back with the tool's store, and be refused there.
        if key.len() + value.len() + 2 > MAX_LINE {
            return Err(refused(format!("`{key}` is longer than a line may be")));
        }
        for part in [key.as_bytes(), b"=", value.as_bytes(), b"\n"] {
            self.0.extend_from_slice(part);
        }
        Ok(())
    }
}

fn refused(what: String) -> Error {
    Error::refused(what).context("writing the answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn header() -> Credential {
        Credential {
            username: Some("u".into()),
            secret: Secret::new("canary".into()),
            authtype: Some("Bearer".into()),
            is_token: false,
            refresh: None,
            expires_at: Some(Timestamp::from_unix(9)),
            account: None,
            subject: Some("ann".into()),
            workspace: None,
            source: Source::Environment("X".into()),
            mark: Some("9f".into()),
            proof: None,
        }
    }

    fn encoded(credential: &Credential, authtype: bool, state: bool, dialect: Dialect) -> String {
        let reply = encode(
            credential,
            Understands {
                authtype,
                state,
                ..Understands::default()
            },
            dialect,
            is_passing(credential, Target::from_url("https://a.example").ok().as_ref(), dialect),
        )
        .unwrap();
        String::from_utf8(reply.to_vec()).unwrap()
    }

    #[test]
    fn a_ready_value_is_only_for_who_can_read_it() {
        assert_eq!(encoded(&header(), false, true, Dialect::Git), "");
        assert_eq!(encoded(&header(), false, true, Dialect::Native), "");
    }

    #[test]
    fn a_capability_stands_before_what_needs_it() {
        assert_eq!(
            encoded(&header(), true, true, Dialect::Git),
            "capability[]=authtype\ncapability[]=state\nusername=u\nauthtype=Bearer\ncredential=canary\nephemeral=1\n\
             password_expiry_utc=9\nstate[]=keyfob:9f\n"
        );
        let password = Credential {
            authtype: None,
            source: Source::Store {
                store: "file",
                profile: None,
            },
            ..header()
        };
        let text = encoded(&password, true, true, Dialect::Git);
        assert_eq!(
            text,
            "capability[]=state\nusername=u\npassword=canary\npassword_expiry_utc=9\nstate[]=keyfob:9f\n"
        );
    }

    #[test]
    fn a_password_of_a_session_is_a_ready_value_that_nobody_keeps() {
        let session = |username: &str| Credential {
            username: Some(username.into()),
            authtype: None,
            source: Source::Store {
                store: "file",
                profile: Some("acme".into()),
            },
            ..header()
        };
        assert_eq!(
            encoded(&session("u"), true, true, Dialect::Git),
            "capability[]=authtype\ncapability[]=state\nusername=u\nauthtype=Basic\ncredential=dTpjYW5hcnk=\nephemeral=1\n\
             password_expiry_utc=9\nstate[]=keyfob:9f\n"
        );
        // Who cannot read that, who would not know it again, and what does not fit, is served as before.
        for (username, authtype, state, dialect) in [
            ("u", false, true, Dialect::Git),
            ("u", true, false, Dialect::Git),
            ("u:v", true, true, Dialect::Git),
            ("u", true, true, Dialect::Native),
        ] {
            let text = encoded(&session(username), authtype, state, dialect);
            assert!(
                text.contains("password=canary\n") && !text.contains("ephemeral"),
                "{text}"
            );
        }
        let mail = Target::from_url("imaps://a.example").ok();
        assert!(!is_passing(&session("u"), mail.as_ref(), Dialect::Git));
    }

    #[test]
    fn no_mark_is_sent_that_was_not_asked_for() {
        let text = encoded(&header(), true, false, Dialect::Native);
        assert!(!text.contains("state"), "{text}");
        assert!(
            text.ends_with("source=env:X\nsubject=ann\nheader=Authorization: Bearer canary\n"),
            "{text}"
        );
    }

    #[test]
    fn only_what_a_store_has_may_be_kept_by_others() {
        let stored = Credential {
            source: Source::Store {
                store: "file",
                profile: None,
            },
            ..header()
        };
        assert!(!encoded(&stored, true, true, Dialect::Git).contains("ephemeral"));
    }

    #[test]
    fn what_no_header_can_carry_is_answered_without_one() {
        let credential = Credential {
            username: Some("u:v".into()),
            authtype: None,
            ..header()
        };
        let text = encoded(&credential, true, true, Dialect::Native);
        assert!(
            text.contains("password=canary\n") && !text.contains("header="),
            "{text}"
        );
    }
}
