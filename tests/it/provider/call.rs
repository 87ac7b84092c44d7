//! Mistakes in the calls of services that follow no specification, told as those of `mistake.rs` are.

use super::mistake::told;

/// The file, the line of its mistake, and how the message about it begins.
const MISTAKES: &[(&str, usize, &str)] = &[
    // Calls that are not there, and that should be.
    (
        "format = 1\n[login]\nflow = \"email-otp\"\n",
        1,
        "otp.send.url: expected by the flow `email-otp`, found nothing",
    ),
    (
        "format = 1\n[login]\nflow = \"poll\"\n",
        1,
        "poll.page: expected by the flow `poll`, found nothing",
    ),
    (
        "format = 1\n[login]\nflow = \"email-otp\"\n[otp.send]\nurl = \"https://acme.example\"\n",
        1,
        "otp.exchange.url: expected beside `otp.send`, found nothing",
    ),
    (
        "format = 1\n[login]\nflow = \"poll\"\n[poll]\npage = \"https://acme.example\"\n",
        5,
        "poll.retrieve.url: expected beside `poll.page`, found nothing",
    ),
    (
        "format = 1\n[otp.send]\nurl = \"https://acme.example\"\nhow = \"canary\"\n",
        4,
        "otp.send.how: expected one of url, method, query, body, reply, found another key",
    ),
    // Calls that would not be what they should.
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nbody = \"can ary\"\n",
        6,
        "otp.send.body: expected a table, found another kind",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nbody = { email = \"{can ary}\" }\n",
        6,
        "otp.send.body: expected a slot of {email}, {scope}, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nbody = { email = \"{code}\" }\n",
        6,
        "otp.send.body: expected a slot of {email}, {scope}, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nbody = { mail = \"ann\" }\n",
        6,
        "otp.send.body: expected the slot `{email}` in it, found none",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nbody = { email = \"{email}\", at = 2026-01-01 }\n",
        6,
        "otp.send.body: expected texts, numbers, lists and tables, found another kind",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nmethod = \"can ary\"\n",
        6,
        "otp.send.method: expected DELETE, GET, PATCH, POST, PUT, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nmethod = \"GET\"\nbody = {}\n",
        7,
        "otp.send.body: expected nothing beside the method GET, found a body",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nmethod = \"GET\"\n",
        5,
        "otp.send.body: expected the slot `{email}` in it, found none",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nquery = { email = [\"{email}\"] }\n",
        6,
        "otp.send.query: expected texts, found another kind",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nreply = { subject = \"can ary\" }\n",
        6,
        "otp.send.reply.subject: expected a JSON pointer",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[otp.send]\nurl = \"https://acme.example\"\nreply = { token = \"/a\" }\n",
        6,
        "otp.send.reply: expected one of access_token",
    ),
    (
        "format = 1\n[otp.exchange]\nurl = \"http://acme.example\"\n",
        1,
        "login.flow: expected",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\n\n[poll.retrieve]\nurl = \"https://acme.example\"\nquery = { v = \"{verifier}\" }\n",
        9,
        "poll.retrieve.query: expected `{verifier}` in the body alone",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\nquery = { s = \"{state}\" }\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.query: expected the slot `{challenge}` in it, found none",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\nquery = { s = \"{verifier}\" }\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.query: expected a slot of {state}, {challenge}, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\n\n[poll.retrieve]\nurl = \"https://acme.example\"\nbody = { state = \"{state}\" }\n",
        9,
        "poll.retrieve.body: expected the slot `{verifier}` in it, found none",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\ninterval_secs = 0\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.interval_secs: expected 1 to 60, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\nlimit_secs = 4242\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.limit_secs: expected 1 to 1800, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\nlimit_secs = -1\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.limit_secs: expected a whole number, found a number",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\npending = [4242]\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.pending: expected statuses from 200 to 599 and texts, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\npending = [true]\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.pending: expected statuses from 200 to 599 and texts, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[poll]\npage = \"https://acme.example\"\nstate = \"can ary\"\n[poll.retrieve]\nurl = \"https://acme.example\"\n\n",
        6,
        "poll.state: expected a JSON pointer",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[refresh.exchange]\nurl = \"https://acme.example\"\nbody = {}\n",
        6,
        "refresh.exchange.body: expected the slot `{refresh_token}` in it, found none",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[refresh]\nrejected = [1]\n[refresh.exchange]\nurl = \"https://acme.example\"\n",
        5,
        "refresh.rejected: expected statuses from 200 to 599 and texts, found another",
    ),
    // Second factors and passwords.
    (
        "format = 1\n[login]\nflow = \"key\"\n[mfa.enroll]\nurl = \"https://acme.example\"\n",
        1,
        "mfa.confirm.url: expected beside `mfa.enroll`, found nothing",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mfa.confirm]\nurl = \"https://acme.example\"\n",
        1,
        "mfa.enroll.url: expected beside `mfa.confirm`, found nothing",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mfa.confirm]\nurl = \"https://acme.example\"\nbody = { factor = \"{factor}\" }\n",
        6,
        "mfa.confirm.body: expected the slot `{code}` in it, found none",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mfa.enroll]\nurl = \"http://acme.example\"\n[mfa.confirm]\nurl = \"https://acme.example\"\n",
        5,
        "mfa.enroll.url: expected https, or http to 127.0.0.1 or [::1], found another scheme",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mfa]\nkeep = \"canary\"\n",
        5,
        "mfa.keep: expected true or false, found a text",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mfa]\nuri = \"canary\"\n",
        5,
        "mfa.uri: expected a JSON pointer such as `/sub`, found none",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mfa]\nrequired = [\"x\", 99]\n",
        5,
        "mfa.required: expected statuses from 200 to 599 and texts, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[password.set]\nurl = \"https://acme.example\"\nquery = { p = \"{password}\" }\n",
        6,
        "password.set.query: expected `{password}` in the body alone, since URLs are written down, found it here",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[password.set]\nurl = \"https://acme.example\"\nbody = { p = \"{code}\" }\n",
        6,
        "password.set.body: expected a slot of {current}, {password}, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[password.clear]\nurl = \"https://acme.example\"\nmethod = \"DELETE\"\nbody = { a = 1 }\n",
        7,
        "password.clear.body: expected nothing beside the method DELETE, found a body",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[password.status]\nurl = \"https://acme.example\"\nmethod = \"FETCH canary\"\n",
        6,
        "password.status.method: expected DELETE, GET, PATCH, POST, PUT, found another",
    ),
];

#[test]
fn every_mistake_in_a_call_is_told_with_file_line_key_and_what_was_expected() {
    told(MISTAKES);
}
