//! keyfob from login to logout, with real tools against servers on this machine: `cargo run --release --example tour`.
//!
//! It needs Rust and git; docker's command line is used if it is there. No network, no account, no trace afterwards:
//! the issuer, the git servers and the registry listen on the loopback interface, and the home is a temporary directory.
//! It ends with 0 when everything was as it should be, else with 1 and what was not.

#![allow(dead_code, reason = "the tour uses a part of what the tests have")]
#![allow(unreachable_pub, reason = "the modules are shared with the tests")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tour tells a person what happens"
)]
#![allow(clippy::disallowed_methods, reason = "the tour is outside of the World")]

#[path = "../../tests/it/http_server.rs"]
mod http_server;
#[path = "../../tests/it/issuer.rs"]
mod issuer;
#[path = "../../tests/it/issuer_script.rs"]
mod issuer_script;
#[path = "../../tests/it/run.rs"]
mod run;
#[path = "../../tests/it/sandbox.rs"]
mod sandbox;

mod git_server;
mod registry;
mod stage;
mod story;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use issuer::{Endpoint, Outcome};
use sandbox::Output;
use stage::{Stage, check, done};
use story::shortened;

#[global_allocator]
static ALLOCATOR: keyfob::hygiene::Wiping = keyfob::hygiene::Wiping;

fn main() -> ExitCode {
    if stage::is_keyfob() {
        return keyfob::main();
    }
    // The sandbox panics when a program hangs or leaks; for a person that is a failed tour like any other.
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or(payload.downcast_ref::<&str>().copied())
            .unwrap_or("for an unknown reason");
        eprintln!("\nThe tour failed: {text}");
        // An abort would not give the promised exit code.
        std::process::exit(1);
    }));
    let begun = Instant::now();
    match Stage::set().and_then(|stage| tour(&stage)) {
        Ok(()) => {
            println!(
                "\nAll of it was as it should be, in {:.1} s.",
                begun.elapsed().as_secs_f32()
            );
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("\nThe tour failed: {why}");
            ExitCode::FAILURE
        }
    }
}

fn tour(stage: &Stage) -> Result<(), String> {
    log_in(stage)?;
    if stage.has_git {
        clone_and_push(stage)?;
        fetch_after_expiry(stage)?;
        fetch_by_bearer(stage)?;
    } else {
        stage.story.step("git");
        stage.story.says("Skipped: git is not installed.");
    }
    docker(stage)?;
    fifty_at_once(stage)?;
    log_out(stage)
}

fn log_in(stage: &Stage) -> Result<(), String> {
    let Stage {
        story, issuer, sandbox, ..
    } = stage;
    story.step("A person logs in, on a machine without a browser");
    // Long enough for a clone and a push, short enough to be waited for.
    issuer.script(|script| script.life_secs = 4);
    let mut login = stage.keyfob("login acme --no-browser").spawn();
    let mut approved = false;
    while login.is_running() {
        // The person reads the code from the terminal and types it in at the issuer's page.
        let shown = login.stderr_so_far();
        let code = shown.split_whitespace().find(|word| !approved && issuer.approve(word));
        if let Some(code) = code {
            story.shows(&shown);
            story.says(&format!("The person opens the page elsewhere and types {code}."));
            approved = true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    done(&login.wait())?;
    check(approved, "keyfob did not show the code that a person has to type")?;
    let polls = issuer.seen(Endpoint::Token).len();
    story.says(&format!(
        "Logged in. Requests of the token endpoint until the person was done: {polls}."
    ));
    let whoami = stage.keyfob("whoami acme").run();
    done(&whoami)?;
    story.shows(whoami.text());
    let leaks = sandbox.files_with("acme_rt_canary").len();
    story.says(&format!(
        "Files under the temporary home that hold the session: {leaks}."
    ));
    Ok(())
}

fn clone_and_push(stage: &Stage) -> Result<(), String> {
    let Stage { story, issuer, .. } = stage;
    story.step("git clones and pushes; keyfob is its credential helper");
    done(&stage.git("clone --quiet BASIC/project.git work")?)?;
    let readme =
        std::fs::read_to_string(stage.sandbox.path().join("work/README")).map_err(|error| error.to_string())?;
    story.says(&format!("Cloned; README says {:?}.", readme.trim_end()));
    stage.sandbox.write("work/NEWS", "keyfob was here\n");
    for step in ["add NEWS", "commit --quiet -m News"] {
        done(&stage.quiet_git(&format!("-C work {step}"))?)?;
    }
    done(&stage.git("-C work push --quiet origin HEAD:main")?)?;
    let log = stage.quiet_git("--git-dir=repositories/project.git log --oneline main")?;
    let commits = log.text().lines().count();
    check(commits == 2, "the server did not get the commit that was pushed")?;
    let refreshes = issuer.redemptions().len();
    story.says(&format!(
        "Pushed; the server has {commits} commits. Tokens renewed so far: {refreshes}."
    ));
    Ok(())
}

fn fetch_after_expiry(stage: &Stage) -> Result<(), String> {
    let Stage { story, issuer, .. } = stage;
    story.step("The access token ends, and git fetches");
    stage.wait_for_expiry();
    issuer.script(|script| script.life_secs = 2);
    let before = issuer.redemptions().len();
    done(&stage.git("-C work fetch --quiet")?)?;
    let renewed = issuer.redemptions().len() - before;
    check(
        renewed == 1,
        &format!("one renewal was expected, the issuer saw {renewed}"),
    )?;
    story.says("Fetched. The issuer saw 1 renewal; git noticed nothing.");
    Ok(())
}

fn fetch_by_bearer(stage: &Stage) -> Result<(), String> {
    let Stage { story, .. } = stage;
    story.step("Another git server wants a bearer token instead of a password");
    if stage.git_version < (2, 46) {
        story.says("Skipped: git can do that from version 2.46 on.");
        return Ok(());
    }
    let refs = stage.git("ls-remote BEARER/project.git refs/heads/main")?;
    done(&refs)?;
    let text = refs.text().trim_end().replace('\t', "  ");
    check(text.ends_with("refs/heads/main"), "the server listed no branch")?;
    story.shows(&text);
    story.says("The same session; keyfob gave git a ready Authorization header.");
    Ok(())
}

fn docker(stage: &Stage) -> Result<(), String> {
    let Stage { story, issuer, .. } = stage;
    story.step("docker asks through docker-credential-keyfob");
    let host = stage.registry.host();
    if stage.has_docker {
        let image = format!("manifest inspect --insecure {host}/hello:latest");
        story.runs(&format!("docker {image}"));
        let words: Vec<&str> = image.split(' ').collect();
        let inspect = stage.sandbox.program("docker", &words).run();
        done(&inspect)?;
        let manifest: serde_json::Value = serde_json::from_slice(&inspect.stdout).map_err(|error| error.to_string())?;
        let version = manifest["schemaVersion"].as_u64();
        check(version == Some(2), "docker did not get the registry's manifest")?;
        story.says(
            "docker fetched a manifest from the registry with what keyfob answered; no daemon, no `docker login`.",
        );
        return Ok(());
    }
    story.says("docker's command line is not installed; this is what it would do.");
    story.runs(&format!("echo {host} | docker-credential-keyfob get"));
    let link = stage.sandbox.path().join("bin/docker-credential-keyfob");
    let reply = stage.sandbox.program(link, &["get"]).stdin(host).run();
    done(&reply)?;
    let reply: serde_json::Value = serde_json::from_slice(&reply.stdout).map_err(|error| error.to_string())?;
    let secret = reply["Secret"].as_str().unwrap_or_default();
    check(
        issuer.valid_access(secret),
        "docker got a secret that the issuer does not know",
    )?;
    story.says(&format!("Username {}, Secret {}", reply["Username"], shortened(secret)));
    Ok(())
}

fn fifty_at_once(stage: &Stage) -> Result<(), String> {
    let Stage {
        story, issuer, sandbox, ..
    } = stage;
    story.step("The access token ends, and fifty processes want one at the same moment");
    stage.wait_for_expiry();
    issuer.script(|script| script.life_secs = 3600);
    let before = issuer.redemptions().len();
    story.runs("keyfob token acme   # fifty times");
    let begun = Instant::now();
    let outputs = sandbox.tokens_at_once(50);
    let took = begun.elapsed();
    outputs.iter().try_for_each(done)?;
    let tokens: BTreeSet<&str> = outputs.iter().map(Output::text).collect();
    let redeemed = &issuer.redemptions()[before..];
    let once = redeemed.len() == 1 && redeemed[0].outcome == Outcome::Redeemed;
    check(
        once,
        &format!("one renewal was expected, the issuer saw {}", redeemed.len()),
    )?;
    check(
        tokens.len() == 1,
        &format!("fifty equal tokens were expected, there are {} kinds", tokens.len()),
    )?;
    let token = tokens.first().map_or("", |token| token.trim_end());
    check(issuer.valid_access(token), "the issuer does not know the token")?;
    story.says(&format!(
        "The issuer saw 1 renewal, and all 50 have the same token: {}.",
        shortened(token)
    ));
    story.says(&format!(
        "It took {} ms. This issuer ends a session whose refresh token comes twice; it lives.",
        took.as_millis()
    ));
    Ok(())
}

fn log_out(stage: &Stage) -> Result<(), String> {
    let Stage {
        story, issuer, sandbox, ..
    } = stage;
    story.step("The person logs out");
    let refresh = issuer
        .live_family()
        .ok_or("the session has ended before the logout")?
        .refresh;
    done(&stage.keyfob("logout acme").run())?;
    check(
        issuer.revoked().contains(&refresh),
        "the issuer was not told to end the session",
    )?;
    check(
        issuer.live_family().is_none(),
        "the session is still alive at the issuer",
    )?;
    story.says("The issuer was told, and has ended the session.");
    let left = sandbox.files_with("canary").len();
    check(left == 0, &format!("{left} files still hold a token"))?;
    story.says("No file under the home holds a token any more.");
    let after = stage.keyfob("token acme").run();
    let silent = after.code() == 2 && after.stdout.is_empty();
    check(
        silent,
        "after the logout, `keyfob token` should end with 2 and print nothing",
    )?;
    story.shows(&after.stderr);
    check(
        issuer.violations().is_empty(),
        &format!("the issuer complains: {}", issuer.violations().join("; ")),
    )
}
