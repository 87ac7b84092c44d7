use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::super::ini::Document;
use super::super::json;
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
    let now =
        "{\n\t\"auths\": {\n\t\t\"h.example\": {}\n\t},\n\t\"credsStore\": \"keyfob\",\n\t\"currentContext\": \"x\"\n}";
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
            Format::Git,
            "[alias]\n\tx = \"!f() { a; \\\n\thelper = b; }\" ; c \\\n",
            "[alias]\n\tx = \"!f() { a; \\\n\thelper = b; }\" ; c \\\n[credential]\n\thelper = \n\thelper = /bin/keyfob git\n",
            "[alias]\n\tx = \"!f() { a; \\\n\thelper = b; }\" ; c \\\n[credential]\n\thelper = \n\thelper = /bin/keyfob git\n\thelper = !x \\\n y\n",
            "[alias]\n\tx = \"!f() { a; \\\n\thelper = b; }\" ; c \\\n[credential]\n\thelper = !x \\\n y\n",
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
            "[registry]\nglobal-credential-providers = [\"cargo:token\", 'x'] # c\n",
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

type Settings = BTreeMap<(String, String), String>;

/// A configuration of AWS in one of several styles, its sections forwards or backwards.
fn aws(settings: &Settings, style: usize) -> String {
    let between = ["=", " = ", ": "][style % 3];
    let mut sections: Vec<&String> = settings.keys().map(|(section, _)| section).collect();
    sections.dedup();
    if style > 2 {
        sections.reverse();
    }
    let mut text = String::from(["", "# c\n"][style % 2]);
    for section in sections {
        text += &format!("[{section}]\n");
        for ((_, name), value) in settings.iter().filter(|((other, _), _)| other == section) {
            text += &format!("{name}{between}{value}\n");
        }
        text += ["\n", "", "; d\n"][style % 3];
    }
    text
}

/// A kubeconfig as kubectl writes it.
fn kubeconfig(users: &[&str], user: &str) -> String {
    let mut text = String::from("apiVersion: v1\nclusters: null\ncontexts:\n- context:\n    cluster: x\n");
    if !user.is_empty() {
        text += &format!("    user: {user}\n");
    }
    text += "  name: c\ncurrent-context: c\nkind: Config\npreferences: {}\n";
    text += if users.is_empty() { "users: null\n" } else { "users:\n" };
    for user in users {
        text += &match *user {
            "keyfob-acme" => WRITTEN.to_owned(),
            user => format!("- name: {user}\n  user:\n    token: canary\n"),
        };
    }
    text
}

proptest! {
    #[test]
    fn json_in_any_form_loses_our_member_alone(
        theirs in prop::collection::vec(("[a-e]", prop::sample::select(&["1", "{}", "[1, {\"x\": null}]", "\"\\u0041\""][..])), 0..5),
        old in prop::option::of("[a-c]"),
        place in 0_usize..6,
        more in prop::collection::vec("[v-z]", 0..3),
        indent in 0_usize..3,
    ) {
        let mut members: Vec<String> = theirs.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
        if let Some(old) = &old {
            members.insert(place % (members.len() + 1), format!("\"credsStore\":\"{old}\""));
        }
        let from = format!("{{{}}}\n", members.join([" ,", ",\n\t"][place % 2]));
        let document = json::Document::parse(&from).unwrap();
        document.set("credsStore", "keyfob");
        let to = document.print();
        let mut expected: Value = serde_json::from_str(&to).unwrap();
        for name in more {
            expected[name] = Value::Null;
        }
        let now = match indent {
            0 => expected.to_string(),
            1 => serde_json::to_string_pretty(&expected).unwrap(),
            _ => serde_json::to_string_pretty(&expected).unwrap().replace("  ", "\t"),
        };
        match old {
            Some(old) => expected["credsStore"] = old.into(),
            None => drop(expected.as_object_mut().unwrap().remove("credsStore")),
        }
        let left = left(Format::Json, &from, &to, &now).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), expected);
    }

    #[test]
    fn a_kubeconfig_in_the_form_of_kubectl_loses_our_user_alone(
        users in prop::collection::btree_set("[a-z]{3}", 0..4),
        more in prop::collection::btree_set("[A-Z]{3}", 0..3),
        user in prop::sample::select(&["", "ann"][..]),
        takes in any::<bool>(),
        is_flow in any::<bool>(),
    ) {
        // As a person writes it: backwards, and with the user's items in lines or between brackets.
        let mut from = format!("contexts:\n  - {{name: c, context: {{cluster: x, user: {user}}}}} # d\ncurrent-context: \"c\"\n");
        from = from.replace(", user: }", "}");
        from += if users.is_empty() { "users: []\n" } else { "users:\n" };
        for user in users.iter().rev() {
            from += &match is_flow {
                true => format!("- {{name: {user}, user: {{token: canary}}}}\n"),
                false => format!("- user:\n    token: canary # t\n  name: {user}\n"),
            };
        }
        let mut to = from.replace("users: []", "users:") + USER;
        let theirs = user;
        let user = if takes { "keyfob-acme" } else { user };
        if takes {
            to = to.replace("user: ann}}", "user: keyfob-acme}}").replace("cluster: x}}", "cluster: x, user: keyfob-acme}}");
        }
        let all: Vec<&str> = users.iter().chain(&more).map(String::as_str).collect();
        let mut with = all.clone();
        with.push("keyfob-acme");
        with.sort_unstable();
        let left = left(Format::Yaml, &from, &to, &kubeconfig(&with, user)).unwrap();
        let expected = kubeconfig(&all, theirs);
        prop_assert!(yaml::read(&left) == yaml::read(&expected), "{}", left);
    }

    #[test]
    fn sections_in_any_form_lose_our_setting_alone(
        theirs in prop::collection::btree_map(("profile [a-c]", "[j-l]"), "[x-z]{1,2}", 0..6),
        more in prop::collection::btree_map(("profile [a-d]", "[m-n]"), "[x-z]{1,2}", 0..3),
        section in "profile [a-d]",
        name in "[j-l]",
        styles in (0_usize..6, 0_usize..6),
    ) {
        let from = aws(&theirs, styles.0);
        let mut document = Document::parse(&from, PYTHON).unwrap();
        document.set(&section, &name, "keyfob aws acme");
        let to = document.print();
        let (key, mut expected) = ((section, name), theirs.clone());
        expected.extend(more);
        let mut now = expected.clone();
        now.insert(key, "keyfob aws acme".into());
        let left = left(Format::Aws, &from, &to, &aws(&now, styles.1)).unwrap();
        prop_assert!(Format::Aws.read(&left) == Format::Aws.read(&aws(&expected, 0)), "{}", left);
    }

    #[test]
    fn whatever_stands_there_is_taken_back_or_refused(
        from in "([ab\u{e4}]{1,2}|[:=\\[\\]{}\"',#;\\\\-]|[ \n]{1,2}|- a: |a = |b: ){0,12}",
        more in "([ab\u{e4}]{1,2}|[:=\\[\\]{}\"',#;\\\\-]|[ \n]{1,2}|- a: |a = |b: ){1,6}",
        others in "([ab\u{e4}]{1,2}|[:=\\[\\]{}\"',#;\\\\-]|[ \n]{1,2}|- a: |a = |b: ){0,6}",
        places in (0_usize..99, 0_usize..99),
    ) {
        let put = |text: &str, more: &str, place: usize| {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = places[place % places.len()];
            format!("{}{more}{}", &text[..at], &text[at..])
        };
        let to = put(&from, &more, places.0);
        let now = put(&to, &others, places.1);
        for format in ALL {
            let left = left(format, &from, &to, &now);
            // What was readable stays so.
            if let (Some(left), Some(_), Some(_)) = (left, format.read(&from), format.read(&now)) {
                prop_assert!(format.read(&left).is_some(), "{format:?}: {now:?} {left:?}");
            }
        }
    }
}

const ALL: [Format; 11] = [
    Format::Ansible,
    Format::Aws,
    Format::Git,
    Format::Go,
    Format::Hcl,
    Format::Json,
    Format::Lines,
    Format::Npm,
    Format::Pip,
    Format::Toml,
    Format::Yaml,
];
