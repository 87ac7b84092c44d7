//! keyfob

pub mod error;
pub mod model;
pub mod protocol;
pub mod record;
pub mod report;
pub mod secret;
pub mod target;
pub mod time;
pub mod world;
