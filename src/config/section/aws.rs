//! `[aws]`: the role whose keys the flow `aws-web-identity` asks for.
//!
//! AWS Security Token Service, action `AssumeRoleWithWebIdentity`.

use toml::Spanned;

use super::Text;
use super::oauth::Oauth;
use crate::config::Flow;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    role: Text,
    region: Text,
    session_name: Text,
    duration_secs: Spanned<u32>,
}

/// The bounds that the service gives a duration: 15 minutes to 12 hours.
const DURATION: std::ops::RangeInclusive<u32> = 900..=43_200;

/// A role, and how it is taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// The role's ARN.
    pub role: String,
    /// How the session is called in the account's log: 2 to 64 of `A-Z a-z 0-9 + = , . @ _ -`. Defaults to `keyfob`.
    pub session_name: String,
    /// How long the keys are good, 900 to 43 200 seconds. Absent: the service's own default, an hour.
    pub duration_secs: Option<u32>,
}

/// None where the flow is another. A region is the same as the URL of its service as `oauth.token_endpoint`.
pub(in crate::config) fn read(reader: &Reader, words: &Words, flow: Flow, oauth: &mut Oauth) -> Result<Option<Aws>> {
    if flow != Flow::AwsWebIdentity {
        return Ok(None);
    }
    let role = reader.visible_if("aws.role", words.role.as_ref())?;
    let role = role.filter(|role| role.starts_with("arn:") && role.contains(":role/"));
    let Some(role) = role else {
        let message = "aws.role: expected a role's ARN, `arn:aws:iam::ACCOUNT:role/NAME`, found another text or nothing";
        return Err(reader.wrong(words.role.as_ref().map(|text| text.span().start), message));
    };
    let session_name = reader.visible_if("aws.session_name", words.session_name.as_ref())?;
    let session_name = session_name.unwrap_or_else(|| "keyfob".into());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(allowed) {
        let message = "aws.session_name: expected 2 to 64 letters, digits or `+=,.@_-`, found another text";
        return Err(reader.wrong(words.session_name.as_ref().map(|text| text.span().start), message));
    }
    if let Some(secs) = words.duration_secs.as_ref().filter(|secs| !DURATION.contains(secs.get_ref())) {
        let message = "aws.duration_secs: expected 900 to 43200, found another number";
        return Err(reader.wrong(Some(secs.span().start), message));
    }
    if let Some(region) = reader.visible_if("aws.region", words.region.as_ref())? {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.is_empty() || !region.bytes().all(allowed) {
            let message = "aws.region: expected a region such as `eu-central-1`, found another text";
            return Err(reader.wrong(words.region.as_ref().map(|text| text.span().start), message));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = format!("https://sts.{region}.{domain}/");
        oauth.token_endpoint.get_or_insert(url);
    }
    Ok(Some(Aws {
        role,
        session_name,
        duration_secs: words.duration_secs.as_ref().map(|secs| *secs.get_ref()),
    }))
}
