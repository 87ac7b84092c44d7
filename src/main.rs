//! Builds the world, runs, returns the exit code.

use std::process::ExitCode;

use keyfob::hygiene;
use keyfob::world::{World, quiet_panics};

fn main() -> ExitCode {
    quiet_panics();
    let world = World::process();
    if let Err(why) = hygiene::harden(world.var_os("KEYFOB_ATTACH").is_some()) {
        world.write_stderr(&format!("keyfob: error: {why}\n"));
        return ExitCode::from(5);
    }
    ExitCode::from(keyfob::run(&world))
}
