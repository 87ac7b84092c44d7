//! Where the static program begins: at one call for all the pages that it is about to write.
//!
//! Before anything else such a program puts its own addresses right, in some thirty pages that are the kernel's to copy: a
//! page fault each, which together is a third of a start. Asked for at once they come in two thirds of the time. A kernel
//! before 5.14 knows no such call and says so, and the faults come one by one.
//! It knows nothing of the program, and goes on where the C library begins. `build.rs` makes it the entry.

#![expect(unsafe_code, reason = "nothing has been started that Rust could run in")]

core::arch::global_asm!(
    ".pushsection .text.keyfob_start, \"ax\", @progbits",
    ".globl keyfob_start",
    "keyfob_start:",
    // madvise(first page that is written, how far, MADV_POPULATE_WRITE)
    "lea rdi, [rip + __init_array_start]",
    "and rdi, -4096",
    "lea rsi, [rip + _edata]",
    "sub rsi, rdi",
    "mov edx, 23",
    "mov eax, 28",
    "syscall",
    // As the kernel left it: nothing is to be called at the end.
    "xor edx, edx",
    "jmp _start",
    ".popsection",
);
