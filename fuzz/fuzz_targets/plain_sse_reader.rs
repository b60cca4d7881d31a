#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::plain_sse_reader(data));
