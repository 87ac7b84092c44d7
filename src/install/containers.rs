//! podman, buildah and skopeo: `credential-helpers`, in a file of our own that they read after all others.
//!
//! A user's `registries.conf` hides the system's as a whole, so none is made; a file in `registries.conf.d` is read
//! besides. It sets the whole list, with what the others set before ours. Who asks first is also who keeps a login: where
//! nobody has set the list that is keyfob, and else whoever stood there. Implements tools.md, section 2.5, and
//! containers-registries.conf.d(5), before podman 6 and from it on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml_edit::{Array, Value};

use super::wiring::Wiring;
use super::{Apart, Tool, docker, json, toml};
use crate::error::Result;

pub(super) const CONTAINERS: Tool = Tool {
    name: "containers",
    title: "podman, buildah, skopeo",
    programs: &["podman", "buildah", "skopeo"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
    left: None,
};

const KEY: &str = "credential-helpers";

/// Their own files, which they ask where nothing is configured.
const USUAL: &str = "containers-auth.json";

/// The configuration, and the directory of files beside it.
const MAIN: &str = "registries.conf";
const BESIDE: &str = "registries.conf.d";

/// Our file there: each later one sets anew what it names, so this one is to be the last.
const OURS: &str = "zz-keyfob.conf";

/// Where the system's configurations are, the distribution's first. Before podman 6 only the last one is read.
const SYSTEMS: [&str; 2] = ["/usr/share/containers", "/etc/containers"];

fn plan(wiring: &mut Wiring) -> Result<()> {
    let program = wiring.program(docker::PROGRAM)?;
    wiring.link(&program)?;
    let ours = program.strip_prefix("docker-credential-").unwrap_or(&program);
    let named = wiring.path_in("CONTAINERS_REGISTRIES_CONF")?;
    for user in users(wiring)? {
        let read = Read::of(&user, named.clone());
        let set = (!wiring.options.replace)
            .then(|| last(wiring, &read.before, ours))
            .flatten();
        if set
            .as_ref()
            .is_some_and(|list| list.first().is_some_and(|first| first == USUAL))
        {
            wiring.lasting.push(format!(
                "a login of podman goes to the first of `{KEY}`, which is a file of its own, unsealed: `--replace` takes that out"
            ));
        }
        let list = match set {
            Some(mut list) => {
                list.push(ours.to_owned());
                list
            }
            None if wiring.options.replace => vec![ours.to_owned()],
            None => vec![ours.to_owned(), USUAL.to_owned()],
        };
        for later in read.after {
            if helpers(wiring, &later).is_some() && !asks(wiring, &later, ours) {
                wiring.lasting.push(format!(
                    "`{}` is read after keyfob's own file and sets `{KEY}` anew: put `{ours}` in there too",
                    later.display()
                ));
            }
        }
        wiring.edit(&user.join(BESIDE).join(OURS), |text| {
            if toml::list(text, &[KEY])?.as_ref() == Some(&list) {
                return Ok(text.into());
            }
            let list: Array = list.into_iter().collect();
            toml::set(text, None, KEY, Value::Array(list))
        })?;
    }
    let overriding = wiring.path_in("CONTAINERS_REGISTRIES_CONF_OVERRIDE")?;
    for path in named
        .into_iter()
        .chain(overriding.filter(|path| helpers(wiring, path).is_some()))
    {
        if !asks(wiring, &path, ours) {
            wiring.lasting.push(format!(
                "from podman 6 on only `{}` says `{KEY}`, which a variable names: put `{ours}` in there too",
                path.display()
            ));
        }
    }
    note_logins(wiring)
}

/// The directories of this user: podman 6 goes by the XDG base directories, those before it and skopeo by the home alone.
fn users(wiring: &Wiring) -> Result<Vec<PathBuf>> {
    let mut users = vec![wiring.home()?.join(".config/containers")];
    let other = wiring.xdg_config()?.join("containers");
    if !users.contains(&other) {
        users.push(other);
    }
    Ok(users)
}

/// Which files are read before ours and after it, each in the order in which they are.
#[derive(Debug, PartialEq)]
struct Read {
    before: Vec<PathBuf>,
    after: Vec<PathBuf>,
}

impl Read {
    /// `named` is the configuration that a variable names instead.
    fn of(user: &Path, named: Option<PathBuf>) -> Read {
        let names = |directory: &Path| {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            names.filter(|name| name.ends_with(".conf")).collect()
        };
        let is_root = rustix::process::geteuid().is_root();
        Read::in_order(user, named, is_root, &|path| path.exists(), &names)
    }

    /// The order before podman 6: the system's, then the user's. From podman 6 on the name alone decides, so that a file of
    /// the system may come after ours too.
    fn in_order(
        user: &Path,
        named: Option<PathBuf>,
        is_root: bool,
        exists: &dyn Fn(&Path) -> bool,
        names: &dyn Fn(&Path) -> BTreeSet<String>,
    ) -> Read {
        let mains = [user, Path::new(SYSTEMS[1]), Path::new(SYSTEMS[0])].map(|directory| directory.join(MAIN));
        let main = named.or_else(|| mains.into_iter().find(|path| exists(path)));
        let hides = main.as_ref().is_some_and(|main| *main == user.join(MAIN));
        let mut read = Read {
            before: main.into_iter().collect(),
            after: Vec::new(),
        };
        let kind = if is_root { "rootful" } else { "rootless" };
        let systems = SYSTEMS
            .map(Path::new)
            .into_iter()
            .flat_map(|system| [system.join(BESIDE), system.join(format!("registries.{kind}.conf.d"))]);
        for directory in systems {
            for name in names(&directory) {
                let path = directory.join(&name);
                if name.as_str() > OURS {
                    read.after.push(path.clone());
                }
                // The user's own configuration is read without the system's.
                if !hides {
                    read.before.push(path);
                }
            }
        }
        for name in names(&user.join(BESIDE)) {
            let path = user.join(BESIDE).join(&name);
            match name.as_str().cmp(OURS) {
                std::cmp::Ordering::Less => read.before.push(path),
                std::cmp::Ordering::Equal => (),
                std::cmp::Ordering::Greater => read.after.push(path),
            }
        }
        read
    }
}

/// The list that the last of these files sets, without ours; none where none does.
fn last(wiring: &Wiring, files: &[PathBuf], ours: &str) -> Option<Vec<String>> {
    let mut list = files.iter().rev().find_map(|path| helpers(wiring, path))?;
    list.retain(|name| name != ours);
    // An empty one stands for the usual one.
    (!list.is_empty()).then_some(list)
}

/// The list that a file sets. What they could not read either is no reason to leave them as they are.
fn helpers(wiring: &Wiring, path: &Path) -> Option<Vec<String>> {
    toml::list(&text(wiring, path), &[KEY]).ok().flatten()
}

/// The system's files are read as the tools read them, without a look at who owns them.
fn text(wiring: &Wiring, path: &Path) -> String {
    let text = wiring.text(path);
    text.or_else(|_| std::fs::read_to_string(path)).unwrap_or_default()
}

/// Whether a file has ours in its list.
fn asks(wiring: &Wiring, path: &Path, ours: &str) -> bool {
    helpers(wiring, path).is_some_and(|list| list.iter().any(|name| name == ours))
}

/// Without the usual helper nobody reads the logins in its files.
fn note_logins(wiring: &mut Wiring) -> Result<()> {
    if !wiring.options.replace {
        return Ok(());
    }
    let below = "containers/auth.json";
    let mut files = vec![
        wiring.xdg_config()?.join(below),
        wiring.home()?.join(".docker/config.json"),
    ];
    files.extend(
        wiring
            .world
            .var_os("XDG_RUNTIME_DIR")
            .map(|directory| PathBuf::from(directory).join(below)),
    );
    files.extend(wiring.world.var_os("REGISTRY_AUTH_FILE").map(PathBuf::from));
    let mut hosts = BTreeSet::new();
    for file in files {
        let document = json::Document::parse(&text(wiring, &file));
        hosts.extend(document.map_or(Vec::new(), |document| document.with_text("auths", &docker::LOGINS)));
    }
    if !hosts.is_empty() {
        let hosts = hosts.into_iter().collect::<Vec<_>>().join("`, `");
        wiring.notes.push(format!(
            "podman no longer reads its own logins to `{hosts}`: run `podman login` for each"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 9] = [
        "/etc/containers/registries.conf",
        "/etc/containers/registries.conf.d/50-corp.conf",
        "/etc/containers/registries.conf.d/zzz.conf",
        "/etc/containers/registries.rootful.conf.d/10-root.conf",
        "/etc/containers/registries.rootless.conf.d/10-other.conf",
        "/h/registries.conf.d/10-me.conf",
        "/h/registries.conf.d/zz-keyfob.conf",
        "/h/registries.conf.d/zzz.conf",
        "/usr/share/containers/registries.conf.d/60-debian.conf",
    ];

    fn read(files: &[&str], is_root: bool) -> Read {
        let exists = |path: &Path| files.iter().any(|file| Path::new(file) == path);
        let names = |directory: &Path| {
            let files = files
                .iter()
                .map(Path::new)
                .filter(|file| file.parent() == Some(directory));
            files
                .map(|file| file.file_name().unwrap().to_str().unwrap().into())
                .collect()
        };
        Read::in_order(Path::new("/h"), None, is_root, &exists, &names)
    }

    fn paths(files: &[&str]) -> Vec<PathBuf> {
        files.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn the_users_files_are_read_after_the_systems_and_ours_is_the_last_but_for_later_names() {
        let found = read(&FILES, true);
        assert_eq!(
            found.before,
            paths(&[FILES[0], FILES[8], FILES[1], FILES[2], FILES[3], FILES[5]])
        );
        assert_eq!(found.after, paths(&[FILES[2], FILES[7]]));
        assert!(read(&FILES, false).before.contains(&PathBuf::from(FILES[4])));
    }

    #[test]
    fn a_configuration_of_the_user_hides_the_systems() {
        let files = [&FILES[..], &["/h/registries.conf"]].concat();
        let found = read(&files, true);
        assert_eq!(found.before, paths(&["/h/registries.conf", FILES[5]]));
        assert_eq!(found.after, paths(&[FILES[2], FILES[7]]));
    }
}
