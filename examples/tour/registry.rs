//! A container registry with one image, which wants the issuer's access token as the password.
//!
//! Of the registry protocol, version 2, it has what a client needs to fetch a manifest.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::git_server::{Scheme, refusal, token};
use crate::http_server::{Reply, Server};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Serves `hello:latest`.
pub fn start(valid: impl Fn(&str) -> bool + Send + Sync + 'static) -> Server {
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "size": config.to_string().len(), "digest": digest(&config) },
        "layers": [],
    });
    let blob = format!("/v2/hello/blobs/{}", digest(&config));
    let by_digest = format!("/v2/hello/manifests/{}", digest(&manifest));
    Server::start(move |request| {
        if !token(request, Scheme::Basic).is_some_and(|token| valid(&token)) {
            return refusal(Scheme::Basic);
        }
        let found = |content_type: &str, body: &Value| {
            Reply::text(200, content_type, &body.to_string()).with("Docker-Content-Digest", &digest(body))
        };
        match request.path.as_str() {
            "/v2/" => Reply::json(200, &json!({})),
            "/v2/hello/manifests/latest" => found(MANIFEST, &manifest),
            path if path == by_digest => found(MANIFEST, &manifest),
            path if path == blob => found("application/octet-stream", &config),
            _ => Reply::text(404, "text/plain", "there is no such thing\n"),
        }
    })
}

fn digest(body: &Value) -> String {
    format!(
        "sha256:{}",
        data_encoding::HEXLOWER.encode(&Sha256::digest(body.to_string()))
    )
}
