//! What a program of the service sends with the token that it was given: one HTTP request, and the answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Status and JSON of an answer; null where it has none.
pub fn request(method: &str, url: &str, bearer: &str, body: &Value) -> (u16, Value) {
    let (status, text) = page(method, url, bearer, body);
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The same with a header line that goes along, such as one of `workspace_header`.
pub fn request_with(header: &str, url: &str, bearer: &str) -> (u16, Value) {
    let (status, text) = send("GET", url, bearer, header, &Value::Null);
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Status and body of an answer, whatever it is.
pub fn page(method: &str, url: &str, bearer: &str, body: &Value) -> (u16, String) {
    send(method, url, bearer, "Accept: */*", body)
}

fn send(method: &str, url: &str, bearer: &str, header: &str, body: &Value) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("a double has no TLS");
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let mut stream = TcpStream::connect(host).expect("the double runs");
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\n{header}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    (status.expect("an answer has a status"), body.into())
}
