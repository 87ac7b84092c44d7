//! What a person is shown who is to approve a device login: the page, the code, a QR code, laid out for the screen.
//!
//! Page and code are always there in letters (RFC 8628, section 3.3), with a warning for whoever did not start the login
//! (section 5.4). It writes nothing, and never sees the device code.

use super::qr::Qr;
use crate::oauth::device::Grant;
use crate::report::{sanitise, wrap};
use crate::world::Screen;

/// The columns of text where there is no screen to ask.
const COLUMNS: usize = 80;

/// The space between the QR code and the text beside it.
const GAP: usize = 2;

/// The narrowest text that reads well beside a QR code.
const NARROWEST: usize = 24;

/// Lines that come below the notice: what the browser did, the countdown, and the cursor.
const BELOW: usize = 3;

/// The notice. With `qr` the complete URI of the grant is drawn too, where there is one and room for it: beside the
/// text, else above it, else not at all, so that page and code never scroll away.
pub(super) fn text(title: &str, grant: &Grant, screen: Option<Screen>, qr: bool) -> String {
    let columns = columns(screen);
    let drawable = screen.filter(|screen| qr && screen.unicode);
    let complete = grant.verification_uri_complete.as_deref();
    if let (Some(screen), Some(complete)) = (drawable, complete)
        && let Some(qr) = Qr::new(complete)
        && let Some(text) = drawn(title, grant, screen, &qr)
    {
        return text;
    }
    let lines = lines(title, grant, columns, screen.is_some_and(|screen| screen.colour), false);
    format!("\n{}\n\n", lines.join("\n"))
}

/// The columns that text may take.
pub(super) fn columns(screen: Option<Screen>) -> usize {
    screen.map_or(COLUMNS, |screen| screen.columns.clamp(NARROWEST, COLUMNS))
}

fn drawn(title: &str, grant: &Grant, screen: Screen, qr: &Qr) -> Option<String> {
    let picture = qr.lines(screen.colour);
    let longest = grant.verification_uri.len().max(grant.user_code.chars().count()) + 4;
    let beside = screen.columns.saturating_sub(qr.side + GAP + 1).min(COLUMNS);
    if beside >= longest.max(NARROWEST) {
        let words = lines(title, grant, beside, screen.colour, true);
        let height = picture.len().max(words.len());
        if height + BELOW <= screen.rows {
            return Some(side_by_side(&picture, &words, qr.side));
        }
    }
    let words = lines(title, grant, screen.columns.min(COLUMNS), screen.colour, true);
    let fits = qr.side < screen.columns && picture.len() + words.len() + BELOW < screen.rows;
    fits.then(|| format!("{}\n\n{}\n\n", picture.join("\n"), words.join("\n")))
}

/// The words in the middle of the picture's height.
fn side_by_side(picture: &[String], words: &[String], width: usize) -> String {
    let above = picture.len().saturating_sub(words.len()) / 2;
    let mut text = String::new();
    for at in 0..picture.len().max(words.len() + above) {
        let word = at.checked_sub(above).and_then(|at| words.get(at));
        let word = word.map_or("", String::as_str);
        match picture.get(at) {
            Some(picture) => text += picture,
            None if word.is_empty() => (),
            None => text += &" ".repeat(width),
        }
        if !word.is_empty() {
            text += &format!("{:GAP$}{word}", "");
        }
        text.push('\n');
    }
    text
}

fn lines(title: &str, grant: &Grant, columns: usize, colour: bool, scan: bool) -> Vec<String> {
    let (bold, plain) = if colour { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
    let or_scan = if scan { ", or scan the QR code" } else { "" };
    let title = sanitise(title);
    let invitation = wrap(
        columns,
        "",
        &format!("To log in to {title}, open this page on any device{or_scan}:"),
    );
    let warning = wrap(columns, "", "Go on only if you started this login yourself.");
    let text = format!(
        "{invitation}\n    {bold}{}{plain}\n\nand enter the code:\n\n    {bold}{}{plain}\n\n{warning}",
        // Only graphic ASCII passes the reader of the grant; a long page is shown whole.
        grant.verification_uri,
        sanitise(&grant.user_code),
    );
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn grant(page: &str, complete: Option<&str>) -> Grant {
        Grant {
            device_code: Secret::new("canary".into()),
            user_code: "WDJB-MJHT".into(),
            verification_uri: page.into(),
            verification_uri_complete: complete.map(Into::into),
            expires_in_secs: 600,
            interval_secs: 5,
        }
    }

    fn screen(columns: usize, rows: usize) -> Screen {
        Screen {
            columns,
            rows,
            unicode: true,
            colour: true,
        }
    }

    const PAGE: &str = "https://acme.example/device";
    const COMPLETE: &str = "https://acme.example/device?user_code=WDJB-MJHT";

    fn letters(line: &str) -> usize {
        let mut line = line.to_owned();
        for code in ["\u{1b}[30;107m", "\u{1b}[0m", "\u{1b}[1m"] {
            line = line.replace(code, "");
        }
        line.chars().count()
    }

    #[test]
    fn page_code_and_warning_are_shown_on_every_screen_and_fit_it() {
        for columns in [24, 40, 60, 80, 200] {
            for rows in [5, 24, 30, 60] {
                for qr in [true, false] {
                    let shown = text("Acme", &grant(PAGE, Some(COMPLETE)), Some(screen(columns, rows)), qr);
                    for part in [PAGE, "WDJB-MJHT", "started"] {
                        assert!(shown.contains(part), "{columns}x{rows} {part}");
                    }
                    let widest = shown.lines().map(letters).max().unwrap();
                    assert!(widest <= columns.max(PAGE.len() + 4), "{columns}x{rows}: {widest}");
                    if shown.contains('\u{2588}') {
                        assert!(shown.lines().count() < rows, "{columns}x{rows}");
                    }
                    assert!(!shown.contains("canary"));
                }
            }
        }
    }

    #[test]
    fn a_code_is_drawn_where_there_is_room_and_nobody_forbids_it() {
        let drawn = |columns, rows, unicode, qr, complete| {
            let screen = Screen {
                unicode,
                ..screen(columns, rows)
            };
            text("Acme", &grant(PAGE, complete), Some(screen), qr).contains('\u{2588}')
        };
        for (columns, rows, unicode, qr, complete, expected) in [
            (80, 24, true, true, Some(COMPLETE), true),
            (60, 40, true, true, Some(COMPLETE), true),
            (60, 24, true, true, Some(COMPLETE), false),
            (36, 60, true, true, Some(COMPLETE), false),
            (80, 24, false, true, Some(COMPLETE), false),
            (80, 24, true, false, Some(COMPLETE), false),
            (80, 24, true, true, None, false),
        ] {
            assert_eq!(
                drawn(columns, rows, unicode, qr, complete),
                expected,
                "{columns}x{rows} {unicode} {qr} {complete:?}"
            );
        }
        assert!(!text("Acme", &grant(PAGE, Some(COMPLETE)), None, true).contains('\u{1b}'));
    }
}
