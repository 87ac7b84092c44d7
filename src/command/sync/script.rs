//! What a POSIX shell on the other machine does with a session: it gives it to the keyfob there, or puts it into a file.
//!
//! The script and the session come on the shell's standard input, so that neither stands in an argument or a variable
//! that others can read. All of it is one compound command: one that was cut off is no command, and nothing is done.
//! Words of ours and of the provider file are in single quotes, and the session in a document that the shell does not
//! expand. The utilities are those of POSIX.

use zeroize::Zeroizing;

use crate::config::{Mode, Program};
use crate::error::Class;
use crate::record::{MADE, OF, Synced};
use crate::report;

/// Begins the line by which the other machine says what it did.
pub(in crate::command) const ANSWER: &str = "keyfob-sync 1 ";

/// What a keyfob answers to `receive --probe`.
pub(in crate::command) const PROBE: &str = "keyfob-receive 1";

/// Ends the document that the script reads; no line of a session is like it.
const END: &str = "KEYFOB-END";

/// What every script begins with. A program of the provider's name is tried where the provider file says that there is one,
/// or where it is a link to us: any other may take `receive` for who knows what. A program that asks for no password by SSH often has a shorter PATH than a person.
const HEAD: &str = r#"set -u
umask 077
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/bin:$HOME/.local/bin:$HOME/.cargo/bin
dir=$HOME/.config/$program
is_ours() {
if [ "$1" = keyfob ] || [ "$declared" = yes ]; then return 0; fi
case $(ls -ld "$(command -v "$1")" 2>/dev/null) in *keyfob) return 0 ;; esac
return 1
}
find_keyfob() {
receiver=
for name in "$provider" keyfob; do
if is_ours "$name" && command -v "$name" >/dev/null 2>&1 && [ "$("$name" receive --probe </dev/null 2>/dev/null)" = "$probe" ]; then
receiver=$name
return
fi
done
}
"#;

/// Whose the file of a session is: there is one for all modes, and for all providers of one program, and a program may
/// have something of its own by that name. Assignments that do not say whose they are are anybody's.
const WHOSE: &str = r#"find_owner() {
owner=none
if [ -e "$dir/session" ] || [ -h "$dir/session" ]; then owner=unknown; fi
if [ ! -f "$dir/session" ] || [ -h "$dir/session" ]; then return; fi
while IFS= read -r line || [ -n "$line" ]; do
case $line in
"$document"[,}]* | "$of")
owner=own
return
;;
'{"version":'* | "$begin"*)
owner=others
return
;;
"$made") owner=own ;;
esac
if [ "$owner" = unknown ]; then return; fi
done <"$dir/session"
}
"#;

/// The session's file is written beside its place and then renamed, so that there is a whole one or none. What is there of
/// others stays.
const PUT: &str = r#"put() {
find_owner
case $owner in
others) echo "keyfob: error: \`$dir/session\` has the session of another mode or provider; take that back first with \`keyfob desync\`" ;;
unknown) echo "keyfob: error: \`$dir/session\` is not of keyfob; move it away" ;;
esac >&2
case $owner in others | unknown) exit "$refused" ;; esac
mkdir -p "$dir" || exit 1
new=$dir/.session.$$
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
set -C
cat >"$new" || exit 1
mv -f "$new" "$dir/session" || exit 1
echo "${answer}file"
}
"#;

/// To the keyfob there if there is one; else the document is the file.
const GIVE: &str = r#"main() {
find_keyfob
if [ -n "$receiver" ]; then exec "$receiver" receive; fi
put
}
"#;

/// Takes back the record and the file, whichever there is. What is there of others stays.
const FORGET: &str = r#"main() {
find_keyfob
gone=absent
if [ -n "$receiver" ]; then
said=$("$receiver" receive --remove) || exit $?
case $said in *"${answer}removed"*) gone=removed ;; esac
fi
find_owner
if [ "$owner" = own ]; then
rm -f "$dir/session" || exit 1
gone=removed
fi
if [ -d "$dir" ]; then
rm -f "$dir"/.session.[0-9]*
rmdir "$dir" 2>/dev/null
fi
echo "$answer$gone"
}
"#;

/// The script that leaves a session there.
pub(super) fn sync(program: &Program, mode: &Mode, session: &Synced) -> Zeroizing<Vec<u8>> {
    match mode.synced_variable() {
        Some(variable) => {
            let lines = session.assignments(variable);
            whole(
                program,
                session,
                &[WHOSE, PUT, "main() {\nput\n}\n"],
                lines.trim_end_matches('\n'),
            )
        }
        None => whole(program, session, &[WHOSE, PUT, GIVE], &session.encode()),
    }
}

/// The script that takes it back.
pub(super) fn desync(program: &Program, session: &Synced) -> Zeroizing<Vec<u8>> {
    whole(program, session, &[WHOSE, FORGET], &session.encode())
}

/// Neither the program's name nor the provider's nor the mode's can have quotes.
fn whole(program: &Program, session: &Synced, functions: &[&str], input: &str) -> Zeroizing<Vec<u8>> {
    let provider = &session.provider;
    // As both forms of the file begin: a document up to its account, and the line of assignments.
    let named = Synced::named(provider, &session.mode, None).encode();
    let (document, of) = (named.trim_end_matches('}'), format!("{OF}{}", session.named_as()));
    let refused = report::exit_code(Class::Refused);
    let (name, declared) = (&program.name, if program.is_declared { "yes" } else { "no" });
    let words = format!(
        "{{\ndeclared={declared}\nprovider='{provider}'\nprogram='{name}'\nprobe='{PROBE}'\nanswer='{ANSWER}'\n\
         document='{document}'\nof='{of}'\nbegin='{OF}'\nmade='{MADE}'\nrefused={refused}\n"
    );
    let (begin, end) = (format!("main <<'{END}'\n"), format!("\n{END}\nexit\n}}\n"));
    let mut parts = vec![words.as_str(), HEAD];
    parts.extend(functions);
    parts.extend([begin.as_str(), input, end.as_str()]);
    let mut script = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        script.extend_from_slice(part.as_bytes());
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Provider;

    #[test]
    fn a_script_says_nothing_of_a_session_but_in_its_document() {
        let file = "format = 1\n[login]\nflow = \"key\"\n";
        let program = Provider::parse(file, "acme", "test").unwrap().program;
        let text = desync(&program, &Synced::named("acme", "", Some("a'; id; '".into())));
        let text = String::from_utf8(text.to_vec()).unwrap();
        let (before, rest) = text.split_once("main <<'KEYFOB-END'\n").unwrap();
        assert!(!before.contains("id;"));
        let (document, after) = rest.split_once("\nKEYFOB-END\n").unwrap();
        assert!(Synced::decode(document.as_bytes()).is_ok());
        assert_eq!(after, "exit\n}\n");
    }
}
