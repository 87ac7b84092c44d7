//! The protocol of client-go's exec credential plugins, for kubectl and everything else that reads a kubeconfig.
//!
//! It knows nothing of where credentials come from. The question is in the environment, and standard input may be a
//! person's terminal, so it is never read.
//! Implements `protocol.md`, section "kubectl"; the API is `client.authentication.k8s.io`, versions v1 and v1beta1.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::pem;
use crate::protocol::{self, Call, Protocol};
use crate::report;
use crate::target::Target;

/// kubectl's protocol. It has no program's name: one that begins with `kubectl-` would become a command of kubectl's, and
/// a kubeconfig has place for arguments.
pub(super) const KUBECTL: Protocol = Protocol {
    name: "kubectl",
    programs: &[],
    serve,
};

const USAGE: &str = "usage: keyfob kubectl [PROFILE|URL] [--api-version v1|v1beta1]\n";

/// The variable with the question.
const INFO: &str = "KUBERNETES_EXEC_INFO";

/// What every version's name begins with.
const GROUP: &str = "client.authentication.k8s.io/";

/// The versions that are spoken; the first one is meant where none is named.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

const KIND: &str = "ExecCredential";

/// The question, as far as it changes the answer. Its certificates and its free part may be long, and are not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    api_version: String,
    kind: String,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Spec {
    cluster: Option<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    server: String,
}

/// The command line and the question, read.
#[derive(Debug, PartialEq)]
struct Question<'a> {
    named: Option<&'a str>,
    version: &'static str,
    server: Option<Target>,
}

fn serve(call: &mut Call) -> u8 {
    if call.args.iter().any(|arg| arg == "--help" || arg == "-h") {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, report::exit_code)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let info = (call.var)(INFO)?;
    let question = read(call.args, info.as_deref())?;
    let mut request = call.request(Action::Get, &KUBECTL);
    request.understands.authtype = true;
    request.understands.certificate = true;
    if question.named.is_none() && question.server.is_none() && request.profile.is_none() {
        return Err(usage("neither a profile nor a cluster's server is named")
            .hint("name a profile in the kubeconfig's `args`, or set `provideClusterInfo: true` there"));
    }
    protocol::aim(&mut request, question.named, question.server)?;
    match (call.ask)(&request)? {
        Answer::Found(credential) => encode(&credential, question.version),
        _ => {
            let target = request.target.as_ref().map(Target::to_string);
            let what = request.profile.clone().or(target).unwrap_or_default();
            Err(protocol::nothing(&request, &what))
        }
    }
}

/// Reads the command line and the question. The question's version is the one of the answer; without it the command
/// line's is, so that a call can be tried by hand.
fn read<'a>(args: &'a [String], info: Option<&str>) -> Result<Question<'a>> {
    let (mut named, mut version) = (None, None);
    let mut rest = args.iter().map(String::as_str);
    while let Some(arg) = rest.next() {
        if let Some(value) = arg.strip_prefix("--api-version") {
            let value = value.strip_prefix('=').or_else(|| rest.next());
            let known = value.and_then(spoken);
            version = Some(known.ok_or_else(|| usage("`--api-version` is not `v1` or `v1beta1`"))?);
        } else if arg.is_empty() {
            return Err(usage("expected a profile or URL, found nothing"));
        } else if arg.starts_with('-') {
            return Err(usage("an option is not known"));
        } else if named.replace(arg).is_some() {
            return Err(usage("expected one profile or URL, found two"));
        }
    }
    let mut question = Question {
        named,
        version: version.unwrap_or(VERSIONS[0]),
        server: None,
    };
    if let Some(text) = info {
        let malformed = |what| Error::usage(format!("reading `{INFO}`: {what}"));
        let info: Info = serde_json::from_str(text)
            .map_err(|_| malformed("expected a JSON object with `apiVersion`, `kind` and `spec`"))?;
        if info.kind != KIND {
            return Err(malformed("expected the kind `ExecCredential`, found another"));
        }
        let known = info.api_version.strip_prefix(GROUP).and_then(spoken);
        question.version = known.ok_or_else(|| {
            malformed("expected the version `v1` or `v1beta1` of `client.authentication.k8s.io`, found another")
                .hint("set `apiVersion: client.authentication.k8s.io/v1` in the kubeconfig's `exec`")
        })?;
        let cluster = info.spec.and_then(|spec| spec.cluster);
        let server = cluster.map(|cluster| Target::from_url(&cluster.server));
        question.server = server
            .transpose()
            .map_err(|error| Error::usage(error).context(format!("reading `{INFO}`: the cluster's server")))?;
    }
    Ok(question)
}

/// The version of this name, if it is spoken.
fn spoken(version: &str) -> Option<&'static str> {
    VERSIONS.into_iter().find(|known| *known == version)
}

fn usage(what: impl std::fmt::Display) -> Error {
    Error::usage(what)
        .context("reading the command line")
        .hint("run `keyfob kubectl --help`")
}

fn encode(credential: &Credential, version: &str) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'a> {
        api_version: String,
        kind: &'static str,
        status: Status<'a>,
    }
    #[derive(Default, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Status<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        expiration_timestamp: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_certificate_data: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_key_data: Option<&'a str>,
    }
    let mut status = Status {
        // A year that the text has no place for is as good as none.
        expiration_timestamp: credential
            .expires_at
            .map(|end| end.rfc3339())
            .filter(|text| text.contains('T')),
        ..Status::default()
    };
    let identity;
    if pem::is_in(&credential.secret) {
        identity = pem::read(&credential.secret)
            .map_err(|why| Error::refused(why).context("reading the stored client certificate"))?;
        status.client_certificate_data = Some(&identity.certificates);
        status.client_key_data = Some(identity.key.expose());
    } else {
        status.token = Some(token(credential)?);
    }
    Ok(protocol::json_line(&Out {
        api_version: format!("{GROUP}{version}"),
        kind: KIND,
        status,
    }))
}

/// The token, before which kubectl writes `Bearer`.
fn token(credential: &Credential) -> Result<&str> {
    let bearer = match credential.authtype.as_deref() {
        Some(scheme) => scheme.eq_ignore_ascii_case("bearer"),
        None => credential.username.is_none() || credential.is_token,
    };
    if !bearer {
        return Err(Error::refused(
            "what there is goes with a user name or another scheme, and a cluster takes bearer tokens and certificates",
        )
        .hint("set `scheme = \"bearer\"` for the target in the provider file"));
    }
    if !credential.secret.is_token() {
        return Err(Error::refused("the secret has characters that no token has"));
    }
    Ok(credential.secret.expose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Request;
    use crate::protocol::desk::{self, Desk, NOW, Served};
    use crate::secret::Secret;
    use crate::time::Timestamp;

    const V1: &str =
        r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#;
    const SERVER: &str = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"cluster":{"server":"https://k.acme.example:6443","certificate-authority-data":"eA==","config":{"a":[1]}},"interactive":true},"later":1}
"#;

    fn call(args: &[&str], info: Option<&str>, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let words = [&["keyfob", "kubectl"], args].concat();
        let vars: Vec<(&str, &str)> = info.map(|info| (INFO, info)).into_iter().collect();
        Desk {
            words: &words,
            input: b"nobody reads this",
            vars: &vars,
        }
        .serve(ask)
    }

    fn bearer(secret: &str) -> Answer {
        desk::found(None, secret, Some("Bearer"))
    }

    #[test]
    fn the_answer_has_the_version_of_the_question() {
        for (args, info, version) in [
            (&["acme"][..], None, "v1"),
            (&["acme", "--api-version", "v1beta1"], None, "v1beta1"),
            (&["acme"], Some(V1), "v1"),
            (&["--api-version=v1beta1", "acme"], Some(V1), "v1"),
            (&[], Some(SERVER), "v1beta1"),
        ] {
            let served = call(args, info, &mut |_| Ok(bearer("canary-t")));
            let expected = format!(
                "{{\"apiVersion\":\"client.authentication.k8s.io/{version}\",\"kind\":\"ExecCredential\",\
                 \"status\":{{\"token\":\"canary-t\"}}}}\n"
            );
            assert_eq!(
                (served.status, served.output, served.errors),
                (0, expected, String::new()),
                "{args:?}"
            );
        }
    }

    #[test]
    fn the_cluster_is_the_target_and_a_url_no_more_than_a_promise_about_it() {
        let asked = |args: &[&str], info| {
            let mut seen = None;
            let served = call(args, info, &mut |request| {
                seen = Some((request.target.as_ref().map(Target::to_string), request.profile.clone()));
                Ok(bearer("canary-t"))
            });
            (served.status, seen)
        };
        let server = Some("https://k.acme.example:6443".to_owned());
        assert_eq!(asked(&[], Some(SERVER)), (0, Some((server.clone(), None))));
        assert_eq!(
            asked(&["acme"], Some(SERVER)),
            (0, Some((server.clone(), Some("acme".into()))))
        );
        assert_eq!(asked(&["acme"], Some(V1)), (0, Some((None, Some("acme".into())))));
        let url = "https://k.acme.example:6443";
        assert_eq!(asked(&[url], Some(SERVER)), (0, Some((server.clone(), None))));
        assert_eq!(asked(&[url], None), (0, Some((server, None))));
        assert_eq!(asked(&["https://elsewhere.example"], Some(SERVER)), (5, None));
        assert_eq!(asked(&[], Some(V1)), (64, None));
    }

    #[test]
    fn the_end_of_a_token_is_told() {
        let mut credential = desk::credential(None, "canary-t", Some("bearer"));
        credential.expires_at = Some(Timestamp::from_unix(NOW));
        let answer = Answer::Found(Box::new(credential));
        let served = call(&["acme"], None, &mut |_| Ok(answer.clone()));
        let status = r#""status":{"expirationTimestamp":"2027-01-15T08:00:00Z","token":"canary-t"}}"#;
        assert!(served.output.ends_with(&format!("{status}\n")), "{}", served.output);
    }

    #[test]
    fn a_client_certificate_is_answered_in_its_parts() {
        let text = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n\
                    -----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n";
        let served = call(&["acme"], None, &mut |_| Ok(bearer(text)));
        let status = r#""status":{"clientCertificateData":"-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n","clientKeyData":"-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"}}"#;
        assert!(served.output.ends_with(&format!("{status}\n")), "{}", served.output);
        let (half, _) = text.split_once("-----BEGIN CERT").unwrap();
        assert_eq!(call(&["acme"], None, &mut |_| Ok(bearer(half))).status, 5);
    }

    #[test]
    fn what_kubectl_could_not_send_is_refused() {
        for answer in [
            desk::found(Some("ann"), "canary", None),
            desk::found(None, "canary", Some("Basic")),
            bearer("can\nary"),
            bearer(""),
        ] {
            let served = call(&["acme"], None, &mut |_| Ok(answer.clone()));
            assert_eq!((served.status, served.output.as_str()), (5, ""));
            assert!(served.errors.starts_with("keyfob: error: "), "{}", served.errors);
        }
        let plain = call(&["acme"], None, &mut |_| Ok(desk::found(None, "canary", None)));
        assert_eq!(plain.status, 0);
    }

    #[test]
    fn a_miss_and_a_failure_are_told_to_the_person() {
        for answer in [Answer::Absent, Answer::Declined, Answer::Done] {
            let served = call(&["acme"], None, &mut |_| Ok(answer.clone()));
            assert_eq!((served.status, served.output.as_str()), (2, ""));
            assert!(
                served.errors.ends_with("hint: run `keyfob login acme`\n"),
                "{}",
                served.errors
            );
        }
        let served = call(&[], Some(SERVER), &mut |_| Err(Error::store("it is locked")));
        assert_eq!((served.status, served.output.as_str()), (4, ""));
    }

    #[test]
    fn a_question_that_is_not_understood_asks_nothing() {
        let v1 = |from, to| V1.replace(from, to);
        for info in [
            "{".into(),
            "[]".into(),
            v1("ExecCredential", "Pod"),
            v1("k8s.io/v1", "k8s.io/v1alpha1"),
            v1("client.authentication.", ""),
            v1("\"kind\":\"ExecCredential\",", ""),
            SERVER.replace("https://k", "https://ann@k"),
            SERVER.replace("\"https://k.acme.example:6443\"", "7"),
        ] {
            let served = call(&["acme"], Some(&info), &mut |_| panic!("asked"));
            assert_eq!((served.status, served.output.as_str()), (64, ""), "{info}");
            assert!(!served.errors.contains("ann"), "{}", served.errors);
        }
        for args in [
            &["a", "b"][..],
            &["-x"],
            &[""],
            &["--api-version"],
            &["--api-version", "v2", "a"],
            &["--api-versionv1", "a"],
        ] {
            assert_eq!(call(args, None, &mut |_| panic!("asked")).status, 64, "{args:?}");
        }
        assert_eq!(call(&["-h"], None, &mut |_| panic!("asked")).output, USAGE);
    }

    #[test]
    fn the_secret_of_an_answer_is_no_text_of_an_error() {
        let error = token(&desk::credential(None, "canary\u{7}", None)).unwrap_err();
        assert!(!error.to_string().contains("canary") && Secret::new("x".into()).is_token());
    }
}
