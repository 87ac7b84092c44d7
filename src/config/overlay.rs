//! One provider file over another: a mode over the whole file, a file over its preset. Key by key, the upper one wins.

use super::wire::{EnvPart, File, KeyPart, OauthPart, WhoamiPart};

/// The tables that a mode may repeat.
pub(super) struct Parts<'a> {
    pub oauth: &'a OauthPart,
    pub whoami: &'a WhoamiPart,
    pub env: &'a EnvPart,
    pub key: &'a KeyPart,
}

/// The same, owned.
pub(super) struct Merged(OauthPart, WhoamiPart, EnvPart, KeyPart);

impl Merged {
    pub(super) fn borrowed(&self) -> Parts<'_> {
        Parts {
            oauth: &self.0,
            whoami: &self.1,
            env: &self.2,
            key: &self.3,
        }
    }
}

impl Parts<'_> {
    /// Each key of `self`, else that of `base`.
    pub(super) fn over(&self, base: &Parts) -> Merged {
        fn either<T: Clone>(own: &Option<T>, base: &Option<T>) -> Option<T> {
            own.clone().or_else(|| base.clone())
        }
        let OauthPart {
            device_authorization_endpoint,
            token_endpoint,
            revocation_endpoint,
            client_id,
            client_secret,
            scopes,
            audience,
            resource,
        } = self.oauth;
        let oauth = OauthPart {
            device_authorization_endpoint: either(
                device_authorization_endpoint,
                &base.oauth.device_authorization_endpoint,
            ),
            token_endpoint: either(token_endpoint, &base.oauth.token_endpoint),
            revocation_endpoint: either(revocation_endpoint, &base.oauth.revocation_endpoint),
            client_id: either(client_id, &base.oauth.client_id),
            client_secret: either(client_secret, &base.oauth.client_secret),
            scopes: either(scopes, &base.oauth.scopes),
            audience: either(audience, &base.oauth.audience),
            resource: either(resource, &base.oauth.resource),
        };
        let whoami = WhoamiPart {
            url: either(&self.whoami.url, &base.whoami.url),
            subject: either(&self.whoami.subject, &base.whoami.subject),
        };
        let env = EnvPart {
            variables: either(&self.env.variables, &base.env.variables),
        };
        let key = KeyPart {
            prefix: either(&self.key.prefix, &base.key.prefix),
        };
        Merged(oauth, whoami, env, key)
    }
}

/// A file over its preset: what the file says wins, key by key; its targets replace the preset's.
pub(super) fn overlay(base: File, own: File) -> File {
    let Merged(oauth, whoami, env, key) = {
        let over = Parts {
            oauth: &own.oauth,
            whoami: &own.whoami,
            env: &own.env,
            key: &own.key,
        };
        over.over(&Parts {
            oauth: &base.oauth,
            whoami: &base.whoami,
            env: &base.env,
            key: &base.key,
        })
    };
    let mut login = own.login;
    login.flow = login.flow.or(base.login.flow);
    login.register = login.register.or(base.login.register);
    login.default_mode = login.default_mode.or(base.login.default_mode);
    File {
        format: own.format,
        name: own.name,
        title: own.title.or(base.title),
        preset: None,
        store: own.store.or(base.store),
        login,
        oauth,
        whoami,
        env,
        key,
        target: own.target.or(base.target),
        mode: if own.mode.is_empty() { base.mode } else { own.mode },
    }
}
