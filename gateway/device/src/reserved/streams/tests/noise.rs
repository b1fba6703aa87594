//! Requests that are hardly any.

use super::*;

/// Deterministic noise.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next(256)).unwrap()
    }

    /// A payload with some bytes changed, added, removed or doubled.
    fn mutate(&mut self, payload: &mut Vec<u8>) {
        for _ in 0..=self.next(4) {
            let at = self.next(payload.len());
            match self.next(5) {
                0 => payload.insert(at, self.byte()),
                1 if !payload.is_empty() => drop(payload.remove(at)),
                2 if !payload.is_empty() => payload[at] = self.byte(),
                3 if !payload.is_empty() => payload[at] ^= 1 << self.next(8),
                _ => payload.extend_from_within(at..),
            }
        }
    }
}

#[tokio::test]
async fn noise_gets_blocks_or_codes_of_the_contract() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect("pump").await;
    let mut noise = Noise(0x5EED_CAFE);
    let valid: Vec<Value> = bounds().into_iter().map(|(request, _)| request).collect();
    for round in 0..20_000 {
        let format = BOTH[round % 2];
        let payload = if noise.next(4) == 0 {
            let length = noise.next(64);
            (0..length).map(|_| noise.byte()).collect()
        } else {
            let request = &valid[noise.next(valid.len())];
            let mut payload = encode(format, request);
            payload.truncate(400);
            noise.mutate(&mut payload);
            payload
        };
        let read = Request::read("pump", "fw", (StreamOperation::Get, format), &payload);
        if let Ok(Asked::Get(get)) = &read.asked {
            assert!(get.block_length >= 256 && get.block_length <= 131_072);
        }
        if round % 10 > 1 {
            continue;
        }
        client
            .publish(&format!("{PREFIX}get/{}", format.as_str()), &payload)
            .await;
        client.send(&[0xC0, 0]).await;
        loop {
            let (first, body) = client.frame().await;
            if first == 0xD0 {
                break;
            }
            let received = client.publication(first, &body);
            let answer = decode(&received);
            let code = answer["o"].as_str();
            let is_known = code.is_none_or(|code| Code::NAMES.contains(&code));
            assert!(
                is_known && (code.is_some() || answer["p"].is_string()),
                "{payload:?}: {answer}"
            );
        }
    }
}
