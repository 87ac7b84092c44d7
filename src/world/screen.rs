//! What the terminal that a person reads can show: its size, letters beyond ASCII, colours.
//!
//! It writes nothing. The size is asked anew each time, since a terminal may be resized while a login waits.

use super::World;

/// A terminal that understands cursor movements; a dumb one counts as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Letters in a line; 80 where the terminal does not say.
    pub columns: usize,
    /// Lines; 24 where the terminal does not say.
    pub rows: usize,
    /// Whether letters and blocks beyond ASCII are shown as such.
    pub unicode: bool,
    /// Whether colours are welcome (`NO_COLOR` is not set).
    pub colour: bool,
}

impl World {
    /// The screen on which standard error is seen; none where it is a file, a pipe or a terminal that cannot go back in
    /// a line (`TERM` is `dumb` or not set).
    pub fn screen(&self) -> Option<Screen> {
        let term = self.var_os("TERM")?;
        if term == "dumb" || !self.stderr_is_terminal() {
            return None;
        }
        let (columns, rows) = size();
        Some(Screen {
            columns,
            rows,
            unicode: self.unicode(),
            colour: self.var_os("NO_COLOR").is_none(),
        })
    }

    /// Whether the locale's letters are UTF-8: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set decides.
    pub fn unicode(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| self.var_os(name));
        let locale = locale.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    }
}

fn size() -> (usize, usize) {
    let known = rustix::termios::tcgetwinsize(World::errors()).ok();
    let known = known.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        for (vars, unicode) in [
            (&[][..], false),
            (&[("LANG", "de_DE.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LC_CTYPE", "UTF-8"), ("LC_ALL", "")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], false),
        ] {
            let fixed = vars.iter().map(|(name, value)| ((*name).to_string(), (*value).into()));
            assert_eq!(
                World::fixed(fixed, Timestamp::from_unix(0)).unicode(),
                unicode,
                "{vars:?}"
            );
        }
    }
}
