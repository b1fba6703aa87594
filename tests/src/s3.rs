//! A stand-in for an S3 endpoint: hands out files to presigned GETs in path style, and checks each signature by itself.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The credentials that it knows.
pub const KEY_ID: &str = "AKIASTANDIN";
/// Their secret.
pub const SECRET: &str = "stand/in+secret";

/// A running stand-in; ends when it is dropped.
#[derive(Debug)]
pub struct S3 {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    region: String,
    /// By path.
    files: BTreeMap<String, Vec<u8>>,
    /// Each request's target with the status that it got.
    seen: Mutex<Vec<(String, u16)>>,
    stops: AtomicBool,
}

impl S3 {
    /// An endpoint in a region, with files by their path (`/BUCKET/KEY`, encoded).
    pub fn start(region: &str, files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let files = files.iter();
        let shared = Arc::new(Shared {
            region: region.to_owned(),
            files: files
                .map(|(path, content)| ((*path).to_owned(), content.to_vec()))
                .collect(),
            seen: Mutex::default(),
            stops: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().spawn(move || serving.serve(&listener));
        Self {
            address,
            shared,
            thread: Some(thread.expect("a thread can be started")),
        }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Each request so far: its target and the status that it got.
    pub fn seen(&self) -> Vec<(String, u16)> {
        let seen = self.shared.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Release);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn serve(&self, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            if self.stops.load(Ordering::Acquire) {
                return;
            }
            // A client that breaks off is its own affair.
            self.answer(&stream).ok();
        }
    }

    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let mut host = String::new();
        for line in lines
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
        {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("host")
            {
                value.trim().clone_into(&mut host);
            }
        }
        let mut words = request.split(' ');
        let (method, target) = (words.next(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (status, content) = match (method, self.files.get(path)) {
            (Some("GET"), _) if !self.is_signed(path, query, &host) => (403, &b"denied"[..]),
            (Some("GET"), Some(content)) => (200, content.as_slice()),
            (Some("GET"), None) => (404, &b"absent"[..]),
            _ => (405, &b"GET only"[..]),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((target.to_owned(), status));
        drop(seen);
        let length = content.len();
        write!(
            stream,
            "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )?;
        stream.write_all(content)
    }

    /// AWS Signature Version 4 of a presigned GET.
    fn is_signed(&self, path: &str, query: &str, host: &str) -> bool {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: BTreeMap<&str, &str> = pairs.collect();
        let one = |name| pairs.get(name).copied().unwrap_or_default();
        let stamp = one("X-Amz-Date");
        let day = stamp.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let expires: u32 = one("X-Amz-Expires").parse().unwrap_or(0);
        let is_as_expected = one("X-Amz-Credential")
            == format!("{KEY_ID}/{scope}").replace('/', "%2F")
            && (1..=604_800).contains(&expires);
        // A sorted map has the pairs in the order in which they are signed.
        let signed = pairs.iter().filter(|(name, _)| **name != "X-Amz-Signature");
        let signed: Vec<String> = signed
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = format!(
            "GET\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD",
            signed.join("&")
        );
        let hash = hex(&Sha256::digest(request));
        let mut key = format!("AWS4{SECRET}").into_bytes();
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hash}");
        for part in [day, &self.region, "s3", "aws4_request", &text] {
            let mac = Hmac::<Sha256>::new_from_slice(&key).expect("keys have any length");
            key = mac.chain_update(part).finalize().into_bytes().to_vec();
        }
        is_as_expected && one("X-Amz-Signature") == hex(&key)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
