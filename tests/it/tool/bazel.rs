//! The published schemas of EngFlow's credential helpers, for which no client could be had.

use super::call::{Call, cases_of_a_session, home};

const CALL: Call = Call {
    args: &["bazel", "get"],
    stdin: "{\"uri\":\"grpcs://acme.example/build.Service/Do\"}",
    is_hit: |output, token| fits_the_schema(output) == Some(format!("Bearer {token}")),
    codes: [1, 1, 1],
};

cases_of_a_session!(CALL);

/// The value of `Authorization` in an answer that keeps to get-credentials-response.schema.json and to what Bazel reads: values
/// are lists of texts, and the end is RFC 3339 in whole seconds.
fn fits_the_schema(output: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(output).ok()?;
    let mut found = None;
    for (name, value) in answer.get("headers")?.as_object()? {
        let values: Vec<&str> = value
            .as_array()?
            .iter()
            .map(serde_json::Value::as_str)
            .collect::<Option<_>>()?;
        if name == "Authorization" {
            found = values.first().map(|value| value.to_string());
        }
    }
    if let Some(end) = answer.get("expires") {
        let shape: String = end
            .as_str()?
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000-00-00T00:00:00Z");
    }
    found
}

#[test]
fn hit_the_end_of_the_token_is_the_end_that_is_told() {
    let (sandbox, issuer) = home();
    sandbox.login(&issuer);
    let output = CALL.run(&sandbox).expect_success();
    let answer: serde_json::Value = serde_json::from_str(output.text()).unwrap();
    let end = humantime::parse_rfc3339(answer["expires"].as_str().unwrap()).unwrap();
    let left = end.duration_since(std::time::SystemTime::now()).unwrap().as_secs();
    assert!((3000..=3600).contains(&left), "{left}");
}

#[test]
fn miss_no_headers_keep_to_the_schema() {
    let (sandbox, _issuer) = home();
    let run = sandbox
        .keyfob(CALL.args)
        .stdin("{\"uri\":\"https://elsewhere.example/x\"}")
        .run();
    let output = run.expect_success();
    assert_eq!(fits_the_schema(output.text()), None);
    assert_eq!(output.text(), "{\"headers\":{}}\n");
}

#[test]
fn malformed_requests_fail_and_print_nothing() {
    let (sandbox, _issuer) = home();
    for request in ["", "{", "{\"uri\":[]}", "{\"uri\":\"acme.example\"}"] {
        let output = sandbox.keyfob(CALL.args).stdin(request).run().expect_code(1);
        assert_eq!(output.text(), "");
        assert!(output.stderr.starts_with("keyfob: error: "), "{}", output.stderr);
    }
}
