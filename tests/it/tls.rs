//! The same issuer behind TLS: whose certificates are believed, and that nothing ends when they are not.
//!
//! A certificate authority is made for each test. The front unwraps TLS and hands the request on to the issuer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::issuer::Issuer;
use crate::issuer_script::Script;
use crate::sandbox::{Sandbox, oauth_part};

/// What is wrong with the certificate of a front.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Expired,
    WrongName,
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn server(&self, fault: Fault) -> ServerConfig {
        let name = if fault == Fault::WrongName {
            "other.example"
        } else {
            "localhost"
        };
        let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
        if fault == Fault::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth();
        config.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}

/// Listens with TLS and hands each request on to a plain server. Returns the URL.
fn front(config: ServerConfig, plain: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (config, plain) = (Arc::new(config), plain.trim_start_matches("http://").to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(tls, stream);
            // A client that does not like the certificate hangs up.
            let _ = pass_on(&mut tls, &plain);
        }
    });
    format!("https://localhost:{port}")
}

fn pass_on(tls: &mut StreamOwned<ServerConnection, TcpStream>, plain: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    tls.read_exact(&mut body)?;
    let mut server = TcpStream::connect(plain)?;
    server.write_all(&request)?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    tls.write_all(&answer)?;
    tls.conn.send_close_notify();
    tls.flush()
}

fn provider(sandbox: &Sandbox, url: &str) {
    let text = oauth_part(url) + "\n[[target]]\nurl = \"https://acme.example\"\nusername = \"oauth2\"\n";
    sandbox.write_provider("acme", &text);
}

#[test]
fn an_authority_that_the_user_adds_is_believed_and_no_other() {
    let (sandbox, issuer, authority) = (Sandbox::new(), Issuer::start(Script::default()), Authority::new());
    issuer.script(|script| script.device.verification_uri = Some("https://localhost/activate".into()));
    provider(&sandbox, &front(authority.server(Fault::None), &issuer.url()));
    let file = sandbox.write("ca.pem", &authority.pem());
    let login = || sandbox.keyfob(&["login", "acme", "--no-browser"]);

    let refused = login().run().expect_code(3);
    assert!(
        refused.stderr.contains("certificate is not trusted"),
        "{}",
        refused.stderr
    );
    login()
        .env("KEYFOB_CA_FILE", Authority::new().pem())
        .run()
        .expect_code(64);
    let other = sandbox.write("other.pem", &Authority::new().pem());
    login().env("KEYFOB_CA_FILE", &other).run().expect_code(3);
    assert!(issuer.families().is_empty());

    login().env("KEYFOB_CA_FILE", &file).run().expect_success();
    assert_eq!(issuer.families().len(), 1);
}

#[test]
fn a_certificate_that_is_not_good_ends_no_session() {
    let (sandbox, issuer, authority) = (Sandbox::new(), Issuer::start(Script::default()), Authority::new());
    provider(&sandbox, &issuer.url());
    sandbox.login_expired(&issuer);
    let file = sandbox.write("ca.pem", &authority.pem());
    for fault in [Fault::Expired, Fault::WrongName] {
        provider(&sandbox, &front(authority.server(fault), &issuer.url()));
        let token = sandbox.keyfob(&["token", "acme"]).env("KEYFOB_CA_FILE", &file);
        token.run().expect_code(3);
    }
    assert_eq!(issuer.redemptions().len(), 0, "nothing was sent");
    provider(&sandbox, &front(authority.server(Fault::None), &issuer.url()));
    sandbox
        .keyfob(&["token", "acme"])
        .env("KEYFOB_CA_FILE", &file)
        .run()
        .expect_success();
    assert_eq!(issuer.redemptions().len(), 1);
}
