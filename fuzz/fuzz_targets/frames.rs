//! See the oracle of the same name.

#![no_main]

#[path = "../../tests/fuzz/oracles.rs"]
#[expect(dead_code, reason = "each target has its own oracle")]
mod oracles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracles::frames(bytes));
