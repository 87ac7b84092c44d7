//! keyfob

pub mod error;
pub mod hygiene;
pub mod model;
pub mod record;
pub mod report;
pub mod secret;
pub mod store;
pub mod target;
pub mod time;
pub mod world;
