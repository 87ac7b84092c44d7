//! Places that a person names with `--url`: no more is wired than what was named.

use super::home::Home;

#[test]
fn what_is_no_place_is_a_mistake_for_every_tool() {
    let home = Home::empty();
    let before = home.look();
    for tool in keyfob::install::TABLE {
        for url in ["", "/", "cache.acme.example", "https://", "https:///x", "://h"] {
            let args = ["install", tool.name, "acme", "--url", "https://acme.example"];
            let output = home.keyfob(&[&args[..], &["--url", url]].concat()).run();
            let output = output.expect_code(64);
            assert!(
                output.stderr.contains("`--url` is no place"),
                "{} {url:?}: {}",
                tool.name,
                output.stderr
            );
        }
    }
    home.assert_is(&before);
}

#[test]
fn a_host_that_bazel_has_no_words_for_is_refused_and_not_widened() {
    let home = Home::empty();
    let before = home.look();
    for urls in [
        &["https://[::1]:8080/"][..],
        &["https://good.example", "https://[::1]:8080"],
        &["https://ann@good.example"],
    ] {
        let mut args = vec!["install", "bazel", "acme"];
        args.extend(urls.iter().flat_map(|url| ["--url", url]));
        let output = home.keyfob(&args).run().expect_code(5);
        assert!(output.stderr.contains("IPv6"), "{urls:?}: {}", output.stderr);
        home.assert_is(&before);
    }
    let provider =
        "format = 1\nname = \"six\"\n\n[login]\nflow = \"key\"\n\n[[target]]\nurl = \"https://[::1]:8080\"\n";
    home.sandbox.write_provider("six", provider);
    let before = home.look();
    home.keyfob(&["install", "bazel", "six"]).run().expect_code(5);
    home.assert_is(&before);
    home.keyfob(&["install", "bazel", "acme", "--url", "https://*.acme.example:99/x"])
        .run()
        .expect_success();
    let text = home.read(".bazelrc");
    assert!(
        text.contains("=*.acme.example=/") && text.lines().count() == 1,
        "{text}"
    );
}
