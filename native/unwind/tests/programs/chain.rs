// Closures and a sort of the standard library, under `catch_unwind`.
use std::arch::asm;
use std::hint::black_box;

#[inline(never)]
#[unsafe(no_mangle)]
fn leaf(n: u64) -> u64 {
    // SAFETY: a breakpoint for the tracer changes nothing.
    unsafe { asm!("int3") };
    let mut words: Vec<String> = (0..8).map(|i| format!("{}-{i}", (i * 7 + n) % 5)).collect();
    words.sort_by(|a, b| b.cmp(a));
    let length = words.iter().map(String::len).sum::<usize>() as u64;
    // SAFETY: a breakpoint for the tracer changes nothing.
    unsafe { asm!("int3") };
    black_box(length)
}

#[inline(never)]
#[unsafe(no_mangle)]
fn middle(n: u64) -> u64 {
    let block = black_box([n; 40]);
    black_box(leaf(n)) + block[3]
}

#[inline(never)]
#[unsafe(no_mangle)]
fn caught(n: u64) -> u64 {
    std::panic::catch_unwind(|| black_box(middle(n))).unwrap_or(0)
}

fn main() {
    black_box(caught(black_box(3)));
}
