//! What breaks while keyfob works: the disk, the process, the surroundings; and many of it at once.
//!
//! Everything but clocks goes through the real program's pipes. What is then true of the files is looked at from beside
//! the program (`home.rs`). Security review, sections 3d, 3f and 8.

mod env;
mod full;
pub(crate) mod home;
mod matrix;
mod parallel;
mod process;
mod refused;
mod storm;
mod time;
