//! Taking a change out of a configuration that a tool has written anew since, by what its text means.
//!
//! Where lines do not tell ours from others', because all of them are new, values do: each format has a file that reads
//! a text as a [`meaning::Meaning`] and changes one place of it with the parser that keeps the rest. What comes out is read
//! again, and must mean what was wanted. Nothing here knows a tool or a file.

mod hcl;
mod ini;
mod json;
mod lines;
mod meaning;
mod toml;
mod yaml;

use serde::{Deserialize, Serialize};

use super::diff;
use super::ini::{ANSIBLE, GIT, GO, NPM, PIP, PYTHON};
use meaning::{Edit, Meaning, Step, difference, without};

/// In how many places a change may have been made; the longest has a setting for each of a provider's targets.
const MAX_EDITS: usize = 1024;

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Ansible,
    Aws,
    Git,
    Go,
    Hcl,
    Json,
    /// Lines of which each is a setting.
    Lines,
    Npm,
    Pip,
    Toml,
    Yaml,
    /// One of a newer keyfob, whose lines are all that is known.
    #[serde(other)]
    Other,
}

impl Format {
    /// What a text means; none where it is malformed.
    fn read(self, text: &str) -> Option<Meaning> {
        match self {
            Format::Ansible => ini::read(text, ANSIBLE),
            Format::Aws => ini::read(text, PYTHON),
            Format::Git => ini::read(text, GIT),
            Format::Go => ini::read(text, GO),
            Format::Hcl => hcl::read(text),
            Format::Json => json::read(text),
            Format::Lines => Some(lines::read(text)),
            Format::Npm => ini::read(text, NPM),
            Format::Pip => ini::read(text, PIP),
            Format::Toml => toml::read(text),
            Format::Yaml => yaml::read(text),
            Format::Other => None,
        }
    }

    /// The text with one place changed; `old` is a text in which what comes back stood before.
    fn edited(self, text: &str, path: &[Step], edit: &Edit, old: &str) -> Option<String> {
        match self {
            Format::Ansible => ini::edited(text, path, edit, old, ANSIBLE),
            Format::Aws => ini::edited(text, path, edit, old, PYTHON),
            Format::Git => ini::edited(text, path, edit, old, GIT),
            Format::Go => ini::edited(text, path, edit, old, GO),
            Format::Hcl => hcl::edited(text, path, edit, old),
            Format::Json => json::edited(text, path, edit),
            Format::Lines => lines::edited(text, path, edit),
            Format::Npm => ini::edited(text, path, edit, old, NPM),
            Format::Pip => ini::edited(text, path, edit, old, PIP),
            Format::Toml => toml::edited(text, path, edit, old),
            Format::Yaml => yaml::edited(text, path, edit, old),
            Format::Other => None,
        }
    }

    /// Whether a text says nothing, not even in a comment.
    pub(super) fn is_nothing(self, bytes: &[u8]) -> bool {
        let text = std::str::from_utf8(bytes).unwrap_or("#");
        let has_comment = text.contains(['#', ';', '/']);
        !has_comment && self.read(text).is_some_and(|meaning| meaning.is_empty())
    }

    /// Whether two texts mean the same.
    pub(super) fn is_same(self, one: &[u8], other: &[u8]) -> bool {
        let read = |bytes: &[u8]| self.read(&diff::plain(std::str::from_utf8(bytes).ok()?));
        read(one).is_some_and(|one| read(other) == Some(one))
    }

    /// What is to be meant when a change is taken out; none where somebody has set another value at a place of it.
    fn expected(self, from: &str, to: &str, now: &Meaning) -> Option<Meaning> {
        let (before, after) = (self.read(from)?, self.read(to)?);
        let empty = match now {
            Meaning::List(_) => Meaning::List(Vec::new()),
            _ => Meaning::Map(Vec::new()),
        };
        let before = Some(&before).filter(|before| !before.is_empty());
        Some(without(before, Some(&after), Some(now))?.unwrap_or(empty))
    }

    /// The text with all that is not meant changed in place.
    fn made(self, text: &str, wanted: &Meaning, old: &str) -> Option<String> {
        let mut text = text.to_owned();
        for _ in 0..MAX_EDITS {
            let (meaning, mut path) = (self.read(&text)?, Vec::new());
            let Some(edit) = difference(&meaning, wanted, &mut path) else {
                return Some(text);
            };
            text = self.edited(&text, &path, &edit, old)?;
        }
        None
    }
}

/// Takes the change `from` → `to` out of a text that was `to` once; none where somebody changed the same lines or, where
/// the format is known, set another value where we had set one.
pub(super) fn taken_out(format: Option<Format>, from: &[u8], to: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    let lines = diff::taken_out(from, to, now);
    if now == to {
        return lines;
    }
    let plain = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(diff::plain);
    let (Some(format), Some(from), Some(to), Some(text)) = (format, plain(from), plain(to), plain(now)) else {
        return lines;
    };
    let Some(meaning) = format.read(&text) else {
        return lines;
    };
    let by_lines = lines.as_deref().and_then(plain).and_then(|text| format.read(&text));
    let Some(wanted) = format.expected(&from, &to, &meaning) else {
        // Our lines are there as we left them, whatever somebody has set besides.
        return lines.filter(|_| by_lines.is_some());
    };
    if by_lines.as_ref() == Some(&wanted) {
        return lines;
    }
    let made = format.made(&text, &wanted, &from)?;
    Some(diff::as_before(std::str::from_utf8(now).ok()?, &made).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `now`, as text; none where it is refused.
    fn left(format: Format, from: &str, to: &str, now: &str) -> Option<String> {
        let bytes = taken_out(Some(format), from.as_bytes(), to.as_bytes(), now.as_bytes())?;
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn what_docker_writes_anew_loses_our_store_alone() {
        let from = "{\"auths\":{} ,\r\n\t\"credsStore\":\"desktop\"\r\n}\r\n";
        let to = from.replace("desktop", "keyfob");
        let now = "{\n\t\"auths\": {\n\t\t\"h.example\": {}\n\t},\n\t\"credsStore\": \"keyfob\",\n\t\"currentContext\": \"x\"\n}";
        assert_eq!(
            left(Format::Json, from, &to, now).unwrap(),
            now.replace("keyfob", "desktop")
        );
        let new = "{\n  \"credsStore\": \"keyfob\"\n}\n";
        let expected = now.replace("\t\"credsStore\": \"keyfob\",\n", "");
        assert_eq!(left(Format::Json, "", new, now).unwrap(), expected);
        assert_eq!(
            left(Format::Json, "{}", new, "{\"credsStore\": \"keyfob\"}").unwrap(),
            "{}"
        );
        // Somebody has taken it out, or set another.
        assert_eq!(left(Format::Json, "{}", new, "{\"a\":1}").unwrap(), "{\"a\":1}");
        assert_eq!(left(Format::Json, from, &to, &now.replace("keyfob", "pass")), None);
        assert_eq!(left(Format::Json, "{}", new, "{\"credsStore\":\"pass\"}"), None);
        // Byte order mark and line ends stay.
        let marked = format!("\u{feff}{}", now.replace('\n', "\r\n"));
        assert_eq!(
            left(Format::Json, from, &to, &marked).unwrap(),
            marked.replace("keyfob", "desktop")
        );
    }

    const USER: &str = "- name: \"keyfob-acme\"\n  user:\n    exec:\n      apiVersion: v1\n      command: \"/bin/keyfob\"\n      args: [\"kubectl\", \"acme\"]\n      interactiveMode: Never\n      provideClusterInfo: true\n";
    const WRITTEN: &str = "- name: keyfob-acme\n  user:\n    exec:\n      apiVersion: v1\n      args:\n      - kubectl\n      - acme\n      command: /bin/keyfob\n      env: null\n      interactiveMode: Never\n      provideClusterInfo: true\n";

    #[test]
    fn what_kubectl_writes_anew_loses_our_user_alone() {
        let ann = "- name: ann\n  user:\n    token: canary\n";
        let written = |contexts: &str, users: &str| {
            format!(
                "apiVersion: v1\nclusters: null\ncontexts:\n{contexts}current-context: c\nkind: Config\npreferences: {{}}\nusers:{users}"
            )
        };
        let context = |user: &str| format!("- context:\n    cluster: x\n{user}  name: c\n");
        let from = "# k\ncurrent-context: \"c\" # now\ncontexts:\n- {name: c, context: {cluster: x, user: ann}}\nusers:\n- {name: ann, user: {token: canary}}\n";
        let to = format!("{}{USER}", from.replace("user: ann}", "user: \"keyfob-acme\"}"));
        let ours = context("    user: keyfob-acme\n");
        let theirs = context("    user: ann\n");
        for (users, expected) in [
            (format!("\n{ann}{WRITTEN}"), format!("\n{ann}")),
            (format!("\n{WRITTEN}{ann}"), format!("\n{ann}")),
            (format!("\n{WRITTEN}"), " []\n".to_owned()),
        ] {
            let found = left(Format::Yaml, from, &to, &written(&ours, &users));
            match expected.contains("ann") {
                true => assert_eq!(found.unwrap(), written(&theirs, &expected), "{users}"),
                // The list has lost what was there before: there is nothing to put.
                false => assert!(found.is_none_or(|text| !text.contains("keyfob")), "{users}"),
            }
        }
        // With a context that had no user.
        let (from, to) = (
            from.replace(", user: ann}", "}"),
            to.replace("user: \"keyfob-acme\"}", "\"user\": \"keyfob-acme\"}"),
        );
        let now = written(&ours, &format!("\n{WRITTEN}"));
        assert_eq!(
            left(
                Format::Yaml,
                &from,
                &to,
                &now.replace("- name: keyfob", &format!("{ann}- name: keyfob"))
            )
            .unwrap(),
            written(&context(""), &format!("\n{ann}"))
        );
        // In a file that was not there, or had no users.
        let made = format!("apiVersion: v1\nkind: Config\nusers:\n{USER}");
        let left_over = left(Format::Yaml, "", &made, &format!("apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {{}}\nusers:\n{WRITTEN}")).unwrap();
        assert!(Format::Yaml.is_nothing(left_over.as_bytes()), "{left_over}");
        let found = left(Format::Yaml, "", &made, &written(&theirs, &format!("\n{WRITTEN}"))).unwrap();
        assert!(
            found.contains("apiVersion: v1\n") && !found.contains("keyfob") && found.contains("kind: Config\n"),
            "{found}"
        );
        let none = "users: []\ncontexts: null\n";
        let one = format!("contexts: null\nusers:\n{USER}");
        let found = left(Format::Yaml, none, &one, &format!("contexts: []\nusers:\n{WRITTEN}")).unwrap();
        assert_eq!(found, "contexts: []\nusers: []\n");
        // Our own user was changed.
        assert_eq!(
            left(
                Format::Yaml,
                none,
                &one,
                &format!("users:\n{}", WRITTEN.replace("- acme\n", "- other\n"))
            ),
            None
        );
    }

    #[test]
    fn settings_of_lines_come_out_beside_new_neighbours() {
        for (format, from, to, now, expected) in [
            (
                Format::Git,
                "[a]\n\tb = 1\n",
                "[a]\n\tb = 1\n[credential]\n\thelper = /bin/keyfob git\n",
                "[a]\n\tb = 1\n[credential]\n\thelper = /bin/keyfob git\n[x]\n\ty = 2\n",
                "[a]\n\tb = 1\n[x]\n\ty = 2\n",
            ),
            (
                Format::Git,
                "[credential]\n\thelper = store\n\thelper = cache\n",
                "[credential]\n\thelper = \n\thelper = /bin/keyfob git\n",
                "[credential]\n\thelper = \n\thelper = /bin/keyfob git\n\thelper = other\n",
                "[credential]\n\thelper = store\n\thelper = cache\n\thelper = other\n",
            ),
            (
                Format::Aws,
                "[default]\nregion=x\n",
                "[default]\nregion=x\n\n[profile acme]\ncredential_process = keyfob aws acme\n",
                "[profile z]\na = 1\n\n[default]\nregion = x\n\n[profile acme]\ncredential_process = keyfob aws acme\n",
                "[profile z]\na = 1\n\n[default]\nregion = x\n",
            ),
            (
                Format::Aws,
                "[default]\n",
                "[default]\n\n[profile acme]\ncredential_process = keyfob aws acme\n",
                "[default]\n\n[profile 'acme']\noutput = json\ncredential_process=keyfob aws acme\n# c\n",
                "[default]\n\n[profile 'acme']\noutput = json\n# c\n",
            ),
            (
                Format::Ansible,
                "[defaults]\nvault_identity_list = a@/b,\n   c@/d\n",
                "[defaults]\nvault_identity_list = a@/b, c@/d, acme@/bin/keyfob-client\n",
                "[defaults]\nvault_identity_list = z@/z, acme@/bin/keyfob-client, c@/d\n",
                "[defaults]\nvault_identity_list = z@/z, c@/d\n",
            ),
            (
                Format::Go,
                "",
                "GOAUTH=netrc; keyfob goauth\n",
                "GOAUTH=netrc; keyfob goauth\nGOX=1",
                "GOX=1",
            ),
            (
                Format::Go,
                "",
                "GOAUTH=netrc; keyfob goauth\n",
                "GOAUTH=netrc;keyfob goauth;git /x\n",
                "GOAUTH=netrc; git /x\n",
            ),
            (
                Format::Npm,
                "//a/:_authToken=canary\n",
                "//a/:tokenHelper=/bin/pnpm-credential-keyfob\n",
                "x = 1\n//a/:tokenHelper = /bin/pnpm-credential-keyfob\ny = 1\n",
                "x = 1\ny = 1\n//a/:_authToken=canary\n",
            ),
            (
                Format::Pip,
                "[global]\nKEYRING_PROVIDER: disabled\n",
                "[global]\nKEYRING_PROVIDER: subprocess\n",
                "[global]\nkeyring-provider = subprocess\nindex-url = x\n",
                "[global]\nkeyring-provider = disabled\nindex-url = x\n",
            ),
            (
                Format::Pip,
                "",
                "[global]\nkeyring-provider = subprocess\n",
                "[global]\nindex-url = x\nkeyring-provider = subprocess\n",
                "[global]\nindex-url = x\n",
            ),
            (
                Format::Lines,
                "a\n",
                "a\ncommon --credential_helper=/bin/keyfob\n",
                "a\ncommon --credential_helper=/bin/keyfob\nb",
                "a\nb",
            ),
        ] {
            assert_eq!(
                left(format, from, to, now).as_deref(),
                Some(expected),
                "{format:?}: {now}"
            );
        }
        let (from, to) = (
            "[credential]\n\thelper = a\n",
            "[credential]\n\thelper = a\n\thelper = /bin/keyfob git\n",
        );
        assert_eq!(
            left(Format::Git, from, to, &to.replace("fob git", "fob git --changed")),
            None
        );
    }

    #[test]
    fn toml_and_hcl_come_out_beside_new_neighbours() {
        for (format, from, to, now, expected) in [
            (
                Format::Toml,
                "",
                "[registry]\nglobal-credential-providers = [\"cargo:token\", \"/bin/cargo-credential-keyfob\"]\n",
                "[registry] # r\n# mine\nglobal-credential-providers = [\n  \"cargo:token\",\n  \"/bin/cargo-credential-keyfob\",\n]\ndefault = \"x\"\n",
                "[registry] # r\n# mine\ndefault = \"x\"\n",
            ),
            (
                Format::Toml,
                "[registry]\nglobal-credential-providers = ['cargo:token']\n",
                "[registry]\nglobal-credential-providers = ['cargo:token', \"keyfob\"]\n",
                "[registry]\nglobal-credential-providers = [\"keyfob\", \"cargo:token\", 'x'] # c\n",
                "[registry]\nglobal-credential-providers = [ \"cargo:token\", 'x'] # c\n",
            ),
            (
                Format::Toml,
                "keyring-provider='disabled' # v\n",
                "keyring-provider=\"subprocess\" # v\n",
                "# n\nkeyring-provider  =  'subprocess' # w\nn = 1\n",
                "# n\nkeyring-provider  =  'disabled' # w\nn = 1\n",
            ),
            (
                Format::Toml,
                "a = 1\n",
                "a = 1\n\n[t]\nk = \"keyfob\"\n",
                "a=1\n\n[t]\nk=\"keyfob\"\n\n[u]\nb = 1\n",
                "a=1\n\n[u]\nb = 1\n",
            ),
            (
                Format::Hcl,
                "token_helper   =  \"/opt/x\" // w\n",
                "token_helper   =  \"/bin/keyfob\" // w\n",
                "a = 1\ntoken_helper = \"/bin/keyfob\"\nb = 2\n",
                "a = 1\ntoken_helper = \"/opt/x\"\nb = 2\n",
            ),
            (
                Format::Hcl,
                "credentials_helper \"other\" {\n  args = [ \"}\" ]\n} # q\n",
                "credentials_helper \"keyfob\" {\n} # q\n",
                "a = 1\ncredentials_helper \"keyfob\" {}\nb = 2\n",
                "a = 1\nb = 2\ncredentials_helper \"other\" {\n  args = [ \"}\" ]\n}\n",
            ),
        ] {
            assert_eq!(
                left(format, from, to, now).as_deref(),
                Some(expected),
                "{format:?}: {now}"
            );
        }
    }
}
