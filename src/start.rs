//! Where the program begins, on the systems whose own beginning costs an answer too much.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(
    target_os = "linux",
    target_env = "musl",
    target_arch = "x86_64",
    target_feature = "crt-static"
))]
mod pages;
