//! A QR code (ISO/IEC 18004) drawn with half blocks, two of its rows in one line of text.
//!
//! It knows no login and no terminal's size. The margin of four modules that readers need is part of it.

use qrcode::{Color, EcLevel, QrCode};

/// The light margin around the code, in modules (ISO/IEC 18004, section 9.1).
const MARGIN: usize = 4;

/// A code with its margin.
pub struct Qr {
    /// Its side in modules, which is its width in letters; it takes half as many lines.
    pub side: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// The code of a text; none if no code is large enough for it.
    ///
    /// The least error correction makes the smallest code, and a screen has no stains.
    pub fn new(text: &str) -> Option<Qr> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let inner = code.width();
        let side = inner + 2 * MARGIN;
        let colors = code.to_colors();
        let mut dark = vec![false; side * side];
        for (at, color) in colors.iter().enumerate() {
            let (x, y) = (at % inner + MARGIN, at / inner + MARGIN);
            dark[y * side + x] = *color == Color::Dark;
        }
        Some(Qr { side, dark })
    }

    /// The lines of text.
    ///
    /// With colours it is black on white whatever the terminal's own are. Without, its light parts are what is drawn,
    /// which is right where the background is dark; most readers know the reverse too.
    pub fn lines(&self, colour: bool) -> Vec<String> {
        let is_drawn = |x: usize, y: usize| {
            let dark = self.dark.get(y * self.side + x).copied().unwrap_or(false);
            dark == colour
        };
        let line = |y: usize| {
            let letters = (0..self.side).map(|x| match (is_drawn(x, y), is_drawn(x, y + 1)) {
                (true, true) => '\u{2588}',
                (true, false) => '\u{2580}',
                (false, true) => '\u{2584}',
                (false, false) => ' ',
            });
            let letters: String = letters.collect();
            if colour {
                format!("\u{1b}[30;107m{letters}\u{1b}[0m")
            } else {
                letters
            }
        };
        (0..self.side).step_by(2).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the lines back as a phone would: `drawn` says whether what is drawn is dark.
    fn scan(lines: &[String], drawn: bool) -> String {
        let rows: Vec<Vec<bool>> = lines
            .iter()
            .flat_map(|line| {
                let line = line.replace("\u{1b}[30;107m", "").replace("\u{1b}[0m", "");
                let half = |blocks: [char; 2]| line.chars().map(|c| blocks.contains(&c) == drawn).collect();
                [half(['\u{2588}', '\u{2580}']), half(['\u{2588}', '\u{2584}'])]
            })
            .collect();
        let side = rows[0].len();
        let pixels = 4;
        let mut image = rqrr::PreparedImage::prepare_from_bitmap(side * pixels, rows.len() * pixels, |x, y| {
            rows[y / pixels][x / pixels]
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "there is one code in the picture");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn what_is_drawn_reads_back_with_and_without_colours() {
        for length in [1, 20, 60, 200, 1000] {
            let url = format!("https://acme.example/{}", "x".repeat(length));
            let qr = Qr::new(&url).unwrap();
            assert_eq!(scan(&qr.lines(true), true), url);
            assert_eq!(scan(&qr.lines(false), false), url);
        }
    }

    #[test]
    fn a_text_that_fits_no_code_has_none() {
        assert!(Qr::new(&"x".repeat(4000)).is_none());
    }
}
