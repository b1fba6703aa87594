#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shipslog_gateway_device::fuzzing::packets(data));
