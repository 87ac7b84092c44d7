//! What breaks while keyfob works: the disk, the process, the surroundings; and many of it at once.
//!
//! Everything goes through the real program's pipes. What is then true of the files is looked at from beside the program
//! (`home.rs`). Security review, sections 3d, 3f and 8.



pub(crate) mod home;





