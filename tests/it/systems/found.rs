//! What a program has left in its home, keyfob's own directory and the places that its file fixes.

use std::path::PathBuf;

use super::program::Program;

/// The files below the home that hold this text.
pub fn holding(program: &Program, text: &str) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![program.sandbox.path().to_path_buf()]);
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            match kind {
                Ok(kind) if kind.is_dir() => left.push(path),
                Ok(kind) if kind.is_file() => {
                    let content = std::fs::read(&path).unwrap_or_default();
                    let holds = content.windows(text.len()).any(|part| part == text.as_bytes());
                    found.extend(holds.then_some(path));
                }
                _ => (),
            }
        }
    }
    found.sort();
    found
}
