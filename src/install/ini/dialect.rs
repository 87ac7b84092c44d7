//! How each tool reads its lines.

/// How a tool reads its lines.
#[derive(Debug, Clone, Copy)]
pub(in crate::install) struct Dialect {
    /// What stands between a name and its value.
    pub(super) delimiters: &'static [char],
    /// Whether a line that begins deeper than the name of a value goes on with it.
    pub(super) continues: bool,
    /// What begins a comment behind a space, at the end of a line; none where all of the line is the value.
    pub(super) inline: Option<char>,
    /// Which names are the same.
    pub(super) names: Names,
    /// Whether a name may stand alone.
    pub(super) alone: bool,
    /// Which sections there are.
    pub(super) sections: Sections,
    /// What is written between a new name and its value.
    pub(super) between: &'static str,
    /// What a name stands for.
    pub(in crate::install) values: Values,
}

/// Which spellings a tool takes for one section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sections {
    None,
    Exact,
    Trimmed,
    /// As words of a shell, in quotes or not.
    Words,
}

/// How many values a name has in its section.
#[derive(Debug, Clone, Copy)]
pub(in crate::install) enum Values {
    /// One, the last.
    One,
    /// A list in one text: what ends an item, and what is written there.
    List(&'static [char], &'static str),
    /// One for each time that it stands there.
    Each,
}

/// Which spellings a tool takes for one name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Names {
    Exact,
    /// In any case, and with underscores for hyphens.
    Folded,
    /// In any case.
    Lower,
}

/// Python's `configparser`, as the AWS tools use it.
pub(in crate::install) const PYTHON: Dialect = Dialect {
    delimiters: &['=', ':'],
    continues: true,
    inline: None,
    names: Names::Lower,
    alone: false,
    sections: Sections::Words,
    between: " = ",
    values: Values::One,
};

/// The same as Ansible uses it.
pub(in crate::install) const ANSIBLE: Dialect = Dialect {
    inline: Some(';'),
    sections: Sections::Exact,
    values: Values::List(&[',', '\n'], ", "),
    ..PYTHON
};

/// The same as pip uses it, whose names are also those of its options.
pub(in crate::install) const PIP: Dialect = Dialect {
    names: Names::Folded,
    sections: Sections::Exact,
    ..PYTHON
};

/// npm's `.npmrc`, whose names hold colons.
pub(in crate::install) const NPM: Dialect = Dialect {
    delimiters: &['='],
    continues: false,
    inline: None,
    names: Names::Exact,
    alone: true,
    sections: Sections::Trimmed,
    between: "=",
    values: Values::One,
};

/// git's own. A setting on the line of its section is not read.
pub(in crate::install) const GIT: Dialect = Dialect {
    names: Names::Lower,
    between: " = ",
    values: Values::Each,
    ..NPM
};

/// The file of `go env -w`.
pub(in crate::install) const GO: Dialect = Dialect {
    sections: Sections::None,
    values: Values::List(&[';'], "; "),
    ..NPM
};

impl Dialect {
    /// The one spelling of a name.
    pub(super) fn name(self, name: &str) -> String {
        match self.names {
            Names::Exact => name.into(),
            Names::Folded => name.to_ascii_lowercase().replace('_', "-"),
            Names::Lower => name.to_ascii_lowercase(),
        }
    }

    /// The one spelling of a section.
    pub(super) fn section(self, name: &str) -> String {
        match self.sections {
            Sections::None | Sections::Exact => name.into(),
            Sections::Trimmed => name.trim().into(),
            Sections::Words => {
                let parts = name.split(['"', '\'']).enumerate();
                let bare = |(at, part): (usize, &str)| match at % 2 {
                    0 => part.replace(char::is_whitespace, "\n"),
                    _ => part.into(),
                };
                let text: String = parts.map(bare).collect();
                text.split('\n')
                    .filter(|word| !word.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }

    /// A line, and the comment at its end.
    pub(super) fn split_comment(self, text: &str) -> (&str, &str) {
        let begins = |at: &usize| text[..*at].chars().next_back().is_none_or(char::is_whitespace);
        let inline = |mark: char| text.match_indices(mark).map(|(at, _)| at).find(begins);
        text.split_at(self.inline.and_then(inline).unwrap_or(text.len()))
    }

    /// Whether a value goes on in the next line, and then whether that begins within quotes, as this one does if
    /// `is_quoted`. Only git has a mark for that, at the end of a line but not of a comment.
    pub(super) fn goes_on(self, line: &str, mut is_quoted: bool) -> Option<bool> {
        if !matches!(self.values, Values::Each) {
            return None;
        }
        let mut rest = line.trim_end_matches(['\r', '\n']).chars();
        while let Some(c) = rest.next() {
            match c {
                '\\' if rest.next().is_none() => return Some(is_quoted),
                '"' => is_quoted = !is_quoted,
                '#' | ';' if !is_quoted => return None,
                _ => (),
            }
        }
        None
    }
}
