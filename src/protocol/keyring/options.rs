//! The words of keyring's command line.
//!
//! It knows nothing of credentials. Options may stand before and behind the operation: pip writes them first, uv last.
//! Implements `protocol.md`, section "keyring", "How it is called".

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    Set,
    Del,
    Diagnose,
    ListBackends,
    Disable,
    Help,
}

/// How a credential is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Plain,
    Json,
}

/// A command line that was understood.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    pub(super) operation: Operation,
    /// Empty where the operation has none.
    pub(super) service: String,
    pub(super) username: Option<String>,
    /// Whether the user name is wanted too.
    pub(super) creds: bool,
    pub(super) output: Output,
}

/// What pip and uv look for in the message of a keyring that does not know an option.
const UNRECOGNIZED: &str = "unrecognized arguments";

/// Reads a command line. The reason why it cannot be read has no word of it: one may be a secret.
pub(super) fn read(args: &[String]) -> Result<Options, &'static str> {
    let mut options = Options {
        operation: Operation::Help,
        service: String::new(),
        username: None,
        creds: false,
        output: Output::Plain,
    };
    let (mut words, mut alone, mut options_end) = (Vec::new(), None, false);
    let mut rest = args.iter().map(String::as_str);
    while let Some(arg) = rest.next() {
        if options_end || !arg.starts_with('-') || arg == "-" {
            words.push(arg);
            continue;
        }
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (arg, None),
        };
        match (name, value) {
            ("--", None) => options_end = true,
            ("--help" | "-h", None) => return Ok(options),
            ("--list-backends", None) => alone = Some(Operation::ListBackends),
            ("--disable", None) => alone = Some(Operation::Disable),
            ("--mode", _) => {
                options.creds = match value.or_else(|| rest.next()) {
                    Some("creds") => true,
                    Some("password") => false,
                    _ => return Err("argument --mode: invalid choice (choose from 'password', 'creds')"),
                };
            }
            ("--output", _) => {
                options.output = match value.or_else(|| rest.next()) {
                    Some("json") => Output::Json,
                    Some("plain") => Output::Plain,
                    _ => return Err("argument --output: invalid choice (choose from 'plain', 'json')"),
                };
            }
            _ => return Err(UNRECOGNIZED),
        }
    }
    if let Some(alone) = alone {
        options.operation = alone;
        return Ok(options);
    }
    take(&mut options, &words)?;
    Ok(options)
}

/// Takes the operation and what it is about from the words that are no options.
fn take(options: &mut Options, words: &[&str]) -> Result<(), &'static str> {
    let (operation, about) = words.split_first().ok_or("expected an operation")?;
    options.operation = match *operation {
        "get" => Operation::Get,
        "set" => Operation::Set,
        "del" => Operation::Del,
        "diagnose" => Operation::Diagnose,
        _ => return Err("argument operation: invalid choice (choose from 'get', 'set', 'del', 'diagnose')"),
    };
    if options.operation == Operation::Diagnose && about.is_empty() {
        return Ok(());
    }
    let (service, username) = match *about {
        [service] if options.operation == Operation::Get && options.creds => (service, None),
        [service, username] => (service, Some(username)),
        [] | [_] => return Err("the operation requires service and username"),
        _ => return Err(UNRECOGNIZED),
    };
    options.service = service.to_owned();
    options.username = username.map(str::to_owned);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, &'static str> {
        read(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_before_and_behind_the_operation() {
        let first = options("--mode=creds --output=json get https://a.example/simple ann").unwrap();
        let last = options("get https://a.example/simple ann --mode creds --output json").unwrap();
        assert_eq!(first, last);
        assert!(first.creds && first.output == Output::Json && first.operation == Operation::Get);
        assert_eq!(first.username.as_deref(), Some("ann"));
        assert_eq!(options("get -- -svc -user").unwrap().service, "-svc");
    }

    #[test]
    fn a_user_name_is_needed_but_for_creds() {
        assert_eq!(options("get svc --mode creds").unwrap().username, None);
        for line in [
            "get svc",
            "get",
            "set svc",
            "del svc",
            "--mode creds del svc",
            "--output json get svc",
        ] {
            assert_eq!(
                options(line),
                Err("the operation requires service and username"),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_said_in_the_words_that_tools_look_for() {
        for line in [
            "--keyring-backend x get a b",
            "get a b c",
            "set svc ann secret",
            "get a b --what",
            "diagnose a b c",
        ] {
            assert_eq!(options(line), Err(UNRECOGNIZED), "{line}");
        }
        for line in [
            "",
            "list",
            "--mode x get a b",
            "get a b --mode",
            "--output xml get a b",
            "GET a b",
        ] {
            assert!(options(line).is_err(), "{line}");
        }
    }

    #[test]
    fn some_words_stand_alone() {
        for (line, operation) in [
            ("--list-backends", Operation::ListBackends),
            ("--disable", Operation::Disable),
            ("diagnose", Operation::Diagnose),
            ("--help", Operation::Help),
            ("get -h", Operation::Help),
        ] {
            assert_eq!(options(line).unwrap().operation, operation, "{line}");
        }
    }
}
