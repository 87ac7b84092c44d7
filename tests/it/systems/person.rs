//! A person whose browser does what it is sent to: it opens the page that the program gives it, and follows to the last one.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::program::Program;
use crate::browser::{follow, get};

/// The person at the program's machine, until dropped.
pub struct Person {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Person {
    /// From now on the program's later runs have a browser, by `BROWSER`.
    pub fn sits_down(program: &mut Program) -> Person {
        let script = "#!/bin/sh\nprintf '%s' \"$1\" > \"$HOME/page.new\"\nmv \"$HOME/page.new\" \"$HOME/page\"\n";
        let browser = program.sandbox.write("bin/browser", script);
        std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
        program.sandbox.set("BROWSER", &browser);
        let page = program.sandbox.path().join("page");
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            let mut opened = 0;
            while !stop.load(Ordering::SeqCst) {
                if let Ok(url) = std::fs::read_to_string(&page) {
                    std::fs::remove_file(&page).unwrap();
                    opened += 1;
                    let answer = get(&url);
                    assert_eq!(answer.status, 303, "{}", answer.body);
                    follow(&answer.header("location").unwrap());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            opened
        });
        Person {
            stopped,
            thread: Some(thread),
        }
    }

    /// The person leaves; how many pages were opened.
    pub fn leaves(mut self) -> usize {
        self.stopped.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("the person leaves once");
        thread.join().expect("every page was as it should be")
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
    }
}
