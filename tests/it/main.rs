//! What a tool or a person can observe of keyfob, tested through the real program's pipes.

#![allow(
    dead_code,
    reason = "the servers and the sandbox offer more than one test or the tour uses"
)]
#![allow(
    unreachable_pub,
    reason = "a test program has no outside; the tour shares these modules"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]
#![allow(clippy::disallowed_methods, reason = "tests are outside of the World")]

mod active;
mod address;
mod aging;
mod browser;
mod bundle;
mod child;
mod device;
mod discovery;
mod docker;
mod echo;
mod every_flow;
mod examples;
mod fault;
mod flow;
mod gate;
mod git;
mod grant;
mod http_server;
mod identity;
mod install;
mod introduced;
mod issuer;
mod issuer_script;
mod issuer_test;
mod key;
mod kill;
mod man;
mod mfa;
mod network;
mod otp;
mod part;
mod person;
mod place;
mod poll;
mod program;
mod provider;
mod refresh;
mod renewal;
mod run;
mod sandbox;
mod sandbox_test;
mod screen;
mod service;
mod session;
mod shell;
mod store;
mod sync;
mod systems;
mod terminal;
mod tidy;
mod tls;
mod told;
mod tool;
mod transcript;
mod turn;
mod window;
mod workspace;
