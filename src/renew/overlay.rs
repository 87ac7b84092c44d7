//! A mode of a provider file, completed with what the login learnt of its issuer.

use crate::config::{Mode, Oauth};
use crate::record::Learnt;

/// Fills in what the file does not say. What it says itself wins, unless the person named another issuer or another
/// client at the login: then what the file says of its own does not count.
pub fn overlay(mode: &mut Mode, learnt: &Learnt) {
    let oauth = &mut mode.oauth;
    if learnt.issuer_named {
        without_issuer(oauth);
        mode.refresh = None;
    }
    if learnt.client_named {
        oauth.client_id = None;
    }
    if learnt.client_set {
        // What is set since counts from the next login: no issuer refreshes the token of one client for another.
        oauth.client_id.clone_from(&learnt.client_id);
    }
    if learnt.issuer_named || learnt.client_named {
        // A secret that was made for one issuer and client is nobody else's business.
        oauth.client_secret = None;
        oauth.client_secret_env = None;
        oauth.client_secret_file = None;
        oauth.token_auth = None;
    }
    let fill = |slot: &mut Option<String>, found: &Option<String>| {
        if slot.is_none() {
            slot.clone_from(found);
        }
    };
    fill(&mut oauth.issuer, &learnt.issuer);
    fill(&mut oauth.authorization_endpoint, &learnt.authorization_endpoint);
    fill(
        &mut oauth.device_authorization_endpoint,
        &learnt.device_authorization_endpoint,
    );
    fill(&mut oauth.token_endpoint, &learnt.token_endpoint);
    fill(&mut oauth.revocation_endpoint, &learnt.revocation_endpoint);
    fill(
        &mut oauth.pushed_authorization_request_endpoint,
        &learnt.pushed_authorization_request_endpoint,
    );
    fill(&mut oauth.userinfo_endpoint, &learnt.userinfo_endpoint);
    oauth.redirect_issuer |= learnt.iss_parameter;
    if oauth.client_id.is_none() {
        oauth.client_id.clone_from(&learnt.client_id);
        oauth.client_secret.clone_from(&learnt.client_secret);
        let registration = learnt.registration.as_ref();
        fill(
            &mut oauth.redirect.path,
            &registration.and_then(|registration| registration.redirect_path.clone()),
        );
    }
    oauth.dpop_key.clone_from(&learnt.dpop_key);
}

/// Forgets where an issuer is, so that another one can take its place.
fn without_issuer(oauth: &mut Oauth) {
    oauth.issuer = None;
    oauth.authorization_endpoint = None;
    oauth.device_authorization_endpoint = None;
    oauth.token_endpoint = None;
    oauth.revocation_endpoint = None;
    oauth.registration_endpoint = None;
    oauth.pushed_authorization_request_endpoint = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Provider;

    fn mode() -> Mode {
        let text = "format = 1\nlogin.flow = \"device\"\n[oauth]\nissuer = \"https://a.example\"\n\
            token_endpoint = \"https://a.example/t\"\nclient_id = \"file\"\nclient_secret = \"canary\"\n";
        Provider::parse(text, "acme", "test").unwrap().modes.remove(0)
    }

    fn learnt() -> Learnt {
        Learnt {
            issuer: Some("https://b.example".into()),
            token_endpoint: Some("https://b.example/t".into()),
            revocation_endpoint: Some("https://b.example/r".into()),
            client_id: Some("found".into()),
            ..Learnt::default()
        }
    }

    #[test]
    fn what_the_file_says_wins_and_the_rest_is_filled_in() {
        let mut mode = mode();
        overlay(&mut mode, &learnt());
        let oauth = &mode.oauth;
        assert_eq!(oauth.token_endpoint.as_deref(), Some("https://a.example/t"));
        assert_eq!(oauth.revocation_endpoint.as_deref(), Some("https://b.example/r"));
        assert_eq!(oauth.client_id.as_deref(), Some("file"));
        assert!(oauth.client_secret.is_some());
    }

    #[test]
    fn what_the_person_named_wins_over_the_file() {
        let mut mode = mode();
        let named = Learnt {
            issuer_named: true,
            client_named: true,
            ..learnt()
        };
        overlay(&mut mode, &named);
        let oauth = &mode.oauth;
        assert_eq!(oauth.token_endpoint.as_deref(), Some("https://b.example/t"));
        assert_eq!(oauth.client_id.as_deref(), Some("found"));
        assert!(oauth.client_secret.is_none(), "the file's secret is of another client");
    }
}
