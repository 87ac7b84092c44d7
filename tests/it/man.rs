//! The man page is what the command line's definitions say. `KEYFOB_BLESS=1` writes it anew.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use keyfob::cli::{Cli, ENVIRONMENT};
use keyfob::report::EXITS;

/// Text as troff reads it: no escape, no macro, and hyphens that can be pasted.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) {
            format!("\\&{line}")
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a part of the page renders to, without its heading.
fn body(render: fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>, command: &Command) -> String {
    let mut text = Vec::new();
    render(&Man::new(command.clone()), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with(".SH ") && !line.starts_with(".ie ") && !line.starts_with(".el "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A command and those below it, without the options that all have.
fn commands(command: &Command, page: &mut String) {
    let own = command.clone().mut_args(|arg| {
        if arg.is_global_set() || arg.get_id() == "help" {
            arg.hide(true)
        } else {
            arg
        }
    });
    let name = command.get_bin_name().unwrap_or_default();
    if command.get_subcommands().count() == 0 {
        *page += &format!(".SS {}\n", plain(name));
        *page += &body(Man::render_synopsis_section, &own);
        *page += ".PP\n";
        *page += &body(Man::render_description_section, &own);
        if own.get_arguments().any(|arg| !arg.is_hide_set()) {
            *page += &body(Man::render_options_section, &own);
        }
    }
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        commands(below, page);
    }
}

fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut head = Vec::new();
    let man = Man::new(root.clone()).source("keyfob").manual("User Commands");
    man.render_title(&mut head).unwrap();
    man.render_name_section(&mut head).unwrap();
    man.render_synopsis_section(&mut head).unwrap();
    man.render_description_section(&mut head).unwrap();
    let mut page = String::from_utf8(head).unwrap();
    page += ".SH OPTIONS\n";
    page += &body(Man::render_options_section, &root);
    page += ".SH COMMANDS\n";
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        commands(command, &mut page);
    }
    let tools = root
        .get_after_help()
        .expect("the help has a text about tools")
        .to_string();
    // The codes have a section of their own here.
    let tools = tools.split("\n\nExit codes:").next().unwrap();
    page += &format!(".SH NOTES\n.nf\n{}\n.fi\n", plain(tools));
    page += ".SH ENVIRONMENT\n";
    for (names, meaning) in ENVIRONMENT {
        page += &format!(".TP\n\\fB{}\\fR\n{}\n", plain(&names.join(", ")), plain(meaning));
    }
    page += ".SH EXIT STATUS\n.TP\n\\fB0\\fR\ndone\n";
    for (_, code, meaning) in EXITS {
        page += &format!(".TP\n\\fB{code}\\fR\n{}\n", plain(meaning));
    }
    page += ".SH SEE ALSO\n\\fBgitcredentials\\fR(7)\n";
    page
}

#[test]
fn the_man_page_is_what_the_help_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("man/keyfob.1");
    let page = page();
    if std::env::var_os("KEYFOB_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "man/keyfob.1 is old; run `KEYFOB_BLESS=1 cargo test man_page`"
    );
}
