//! The protocol of kubelet's image credential providers.
//!
//! It knows nothing of where credentials come from. An image's registry is the target that docker means by it, so one
//! login serves both.
//! Implements `protocol.md`, section "kubelet"; the API is `credentialprovider.kubelet.k8s.io`, version v1 and the two
//! before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::protocol::docker::{ANY_USERNAME, key};
use crate::protocol::{self, Call, Protocol};
use crate::report;
use crate::time::Timestamp;

/// kubelet's protocol.
pub(super) const KUBELET: Protocol = Protocol {
    name: "kubelet",
    programs: &["kubelet-credential-keyfob"],
    serve,
};

const USAGE: &str = "usage: kubelet-credential-keyfob [PROFILE|URL]\n";

/// What every version's name begins with.
const GROUP: &str = "credentialprovider.kubelet.k8s.io/";

/// The versions that are spoken; they differ in what a request may have beside the image, which is not looked at.
const VERSIONS: [&str; 3] = ["v1", "v1alpha1", "v1beta1"];

/// The registry of an image that names none.
const DEFAULT: &str = "docker.io";

/// For so long before its end a token is not given out of kubelet's memory any more: a pull of large layers asks the
/// registry for a token of its own at its beginning. At half of it a slow node would come too late, and at double of it
/// a token that lives for five minutes would hardly be kept.
const MARGIN_SECS: i64 = 60;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    api_version: String,
    kind: String,
    image: String,
}

fn serve(call: &mut Call) -> u8 {
    let args = call.args;
    let named = match args {
        [] => None,
        [named] if !named.starts_with('-') => Some(named.as_str()),
        _ if args.iter().any(|arg| arg == "--help" || arg == "-h") => {
            return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
        }
        _ => {
            let error = Error::usage("expected at most one profile or URL").context("reading the command line");
            return protocol::finish(call, Err(error), report::exit_code);
        }
    };
    let answered = answer(call, named);
    protocol::finish(call, answered, report::exit_code)
}

fn answer(call: &mut Call, named: Option<&str>) -> Result<Zeroizing<Vec<u8>>> {
    let input = protocol::read(call.input)?;
    let asked = read(&input)?;
    let registry = registry(&asked.image);
    let mut request = call.request(Action::Get, &KUBELET);
    protocol::aim(&mut request, named, Some(key::to_target(registry)?))?;
    let found = match (call.ask)(&request)? {
        // A ready header value is no password, and kubelet has no place for it; nor has it one for an identity token.
        Answer::Found(credential) if credential.authtype.is_none() => Some(credential),
        _ => None,
    };
    encode(&asked.api_version, registry, found.as_deref(), (call.now)())
}

fn read(input: &[u8]) -> Result<Asked> {
    // The reason is left out: it would quote the value, and a request may have a token of the pod's.
    let malformed = |what| Error::usage(format!("reading the request: {what}"));
    let asked: Asked = serde_json::from_slice(input)
        .map_err(|_| malformed("expected a JSON object with the texts `apiVersion`, `kind` and `image`"))?;
    if asked.kind != "CredentialProviderRequest" {
        return Err(malformed(
            "expected the kind `CredentialProviderRequest`, found another",
        ));
    }
    let version = asked.api_version.strip_prefix(GROUP);
    if !version.is_some_and(|version| VERSIONS.contains(&version)) {
        let error = malformed("expected version `v1` of `credentialprovider.kubelet.k8s.io`, found another");
        return Err(error.hint(format!(
            "set `apiVersion: {GROUP}v1` for this provider in kubelet's configuration"
        )));
    }
    Ok(asked)
}

/// The registry of an image: what stands before the first slash where that can be a host and no name, as docker reads it.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => DEFAULT,
    }
}

fn encode(version: &str, registry: &str, found: Option<&Credential>, now: Timestamp) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'a> {
        api_version: &'a str,
        kind: &'static str,
        cache_key_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_duration: Option<String>,
        auth: BTreeMap<&'a str, Login<'a>>,
    }
    #[derive(Serialize)]
    struct Login<'a> {
        username: &'a str,
        password: &'a str,
    }
    let mut auth = BTreeMap::new();
    if let Some(credential) = found {
        let username = credential.username.as_deref().unwrap_or(ANY_USERNAME);
        let password = credential.secret.expose();
        // The registry gets both as Basic.
        if password.is_empty() || username.chars().chain(password.chars()).any(char::is_control) {
            return Err(Error::refused(
                "the secret is empty, or it or the user name has control characters, which no registry takes",
            ));
        }
        if username.contains(':') {
            return Err(Error::refused("the user name has a colon, which no registry takes"));
        }
        let login = Login { username, password };
        auth.insert(registry, login);
    }
    let left = |end: Timestamp| end.plus(-MARGIN_SECS).since(now).max(0);
    let keep_secs = match found {
        // Whoever logs in now is not to wait for a memory of nothing.
        None => Some(0),
        Some(credential) => credential.expires_at.map(left),
    };
    Ok(protocol::json_line(&Out {
        api_version: version,
        kind: "CredentialProviderResponse",
        cache_key_type: "Registry",
        cache_duration: keep_secs.map(|seconds| format!("{seconds}s")),
        auth,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::desk::{self, Desk, NOW, Served};

    fn question(version: &str, image: &str) -> String {
        format!(
            "{{\"kind\":\"CredentialProviderRequest\",\"apiVersion\":\"{GROUP}{version}\",\"image\":\"{image}\",\
             \"serviceAccountToken\":\"canary-pod\",\"serviceAccountAnnotations\":{{\"a\":\"b\"}}}}\n"
        )
    }

    fn call(args: &[&str], input: &str, ask: &mut dyn FnMut(&crate::model::Request) -> Result<Answer>) -> Served {
        let words = [&["kubelet-credential-keyfob"], args].concat();
        Desk {
            words: &words,
            input: input.as_bytes(),
            vars: &[],
        }
        .serve(ask)
    }

    #[test]
    fn an_image_belongs_to_the_registry_that_docker_means() {
        for (image, target, key) in [
            ("nginx", "https://index.docker.io/v1", "docker.io"),
            ("library/nginx:1.27", "https://index.docker.io/v1", "docker.io"),
            ("docker.io/library/nginx", "https://index.docker.io/v1", "docker.io"),
            ("r.acme.example/team/app:1", "https://r.acme.example", "r.acme.example"),
            (
                "r.acme.example:5000/app@sha256:00",
                "https://r.acme.example:5000",
                "r.acme.example:5000",
            ),
            ("localhost/app", "https://localhost", "localhost"),
        ] {
            let served = call(&[], &question("v1", image), &mut |request| {
                let asked = request.target.as_ref().expect("an image has a registry");
                assert_eq!(asked.to_string(), target, "{image}");
                Ok(desk::found(Some("ann"), "canary-p", None))
            });
            let expected = format!(
                "{{\"apiVersion\":\"{GROUP}v1\",\"kind\":\"CredentialProviderResponse\",\
                 \"cacheKeyType\":\"Registry\",\
                 \"auth\":{{\"{key}\":{{\"username\":\"ann\",\"password\":\"canary-p\"}}}}}}\n"
            );
            assert_eq!(
                (served.status, served.output, served.errors),
                (0, expected, String::new()),
                "{image}"
            );
        }
    }

    #[test]
    fn an_answer_is_kept_for_as_long_as_it_is_good() {
        for (life, expected) in [
            (None, None),
            (Some(3600), Some("3540s")),
            (Some(60), Some("0s")),
            (Some(-5), Some("0s")),
        ] {
            let mut credential = desk::credential(None, "canary-p", None);
            credential.expires_at = life.map(|life| Timestamp::from_unix(NOW + life));
            let found = Answer::Found(Box::new(credential));
            let served = call(&["acme"], &question("v1beta1", "r.acme.example/app"), &mut |_| {
                Ok(found.clone())
            });
            let answer: serde_json::Value = serde_json::from_str(&served.output).unwrap();
            assert_eq!(answer["cacheDuration"].as_str(), expected, "{life:?}");
            assert_eq!(answer["apiVersion"], format!("{GROUP}v1beta1"));
            assert_eq!(answer["auth"]["r.acme.example"]["username"], ANY_USERNAME);
        }
    }

    #[test]
    fn a_miss_is_an_answer_that_is_not_kept() {
        for answer in [
            Answer::Absent,
            Answer::Declined,
            desk::found(None, "canary", Some("Bearer")),
        ] {
            let served = call(&[], &question("v1", "r.acme.example/app"), &mut |_| Ok(answer.clone()));
            let expected = format!(
                "{{\"apiVersion\":\"{GROUP}v1\",\"kind\":\"CredentialProviderResponse\",\
                 \"cacheKeyType\":\"Registry\",\"cacheDuration\":\"0s\",\"auth\":{{}}}}\n"
            );
            assert_eq!(
                (served.status, served.output, served.errors),
                (0, expected, String::new())
            );
        }
    }

    #[test]
    fn a_request_that_is_not_understood_asks_nothing() {
        let good = question("v1", "r.acme.example/app");
        for input in [
            String::new(),
            "[]".into(),
            good.replace("CredentialProviderRequest", "Pod"),
            good.replace("k8s.io/v1", "k8s.io/v2"),
            good.replace("kubelet.k8s.io", "k8s.io"),
            good.replace("\"image\"", "\"picture\""),
            question("v1", "r.acme.example:x/app"),
            question("v1", "ann@r.acme.example/app"),
        ] {
            let served = call(&[], &input, &mut |_| panic!("asked"));
            assert_eq!((served.status, served.output.as_str()), (64, ""), "{input}");
            assert!(
                !served.errors.contains("canary") && !served.errors.contains("ann"),
                "{}",
                served.errors
            );
        }
        assert_eq!(call(&["a", "b"], &good, &mut |_| panic!("asked")).status, 64);
        assert_eq!(call(&["--help"], &good, &mut |_| panic!("asked")).output, USAGE);
        assert_eq!(
            call(&["https://elsewhere.example"], &good, &mut |_| panic!("asked")).status,
            5
        );
    }

    #[test]
    fn what_a_registry_would_not_take_is_no_answer() {
        for (username, secret) in [
            ("ann", ""),
            ("ann", "can\nary"),
            ("ann", "can\0ary"),
            ("ann", "can\u{1b}ary"),
            ("ann:b", "canary"),
            ("an\tn", "canary"),
        ] {
            let served = call(&[], &question("v1", "r.acme.example/app"), &mut |_| {
                Ok(desk::found(Some(username), secret, None))
            });
            assert_eq!((served.status, served.output.as_str()), (5, ""));
        }
    }
}
