//! A stand-in for an S3 endpoint: hands out files and parts of them to presigned GETs in path style, under their ETags,
//! and checks each signature by itself.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    files: Mutex<BTreeMap<String, Vec<u8>>>,
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
            files: Mutex::new(
                files
                    .map(|(path, content)| ((*path).to_owned(), content.to_vec()))
                    .collect(),
            ),
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

    /// Puts a file in the place of another.
    pub fn put(&self, path: &str, content: &[u8]) {
        let mut files = lock(&self.shared.files);
        files.insert(path.to_owned(), content.to_vec());
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Each request so far: its target and the status that it got.
    pub fn seen(&self) -> Vec<(String, u16)> {
        lock(&self.shared.seen).clone()
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
        let lines = lines.map_while(Result::ok);
        let headers: BTreeMap<String, String> = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect();
        let header = |name| headers.get(name).map(String::as_str);
        let mut words = request.split(' ');
        let (method, target) = (words.next(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let file = lock(&self.files).get(path).cloned();
        let is_signed = self.is_signed(path, query, header("host").unwrap_or_default());
        let (status, more, content) = match (method, file) {
            (Some("GET"), _) if !is_signed => (403, String::new(), b"denied".to_vec()),
            (Some("GET"), Some(file)) => {
                let conditions = ["if-match", "if-none-match", "range"].map(header);
                found(&file, conditions)
            }
            (Some("GET"), None) => (404, String::new(), b"absent".to_vec()),
            _ => (405, String::new(), b"GET only".to_vec()),
        };
        lock(&self.seen).push((target.to_owned(), status));
        let length = content.len();
        write!(
            stream,
            "HTTP/1.1 {status} -\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n"
        )?;
        stream.write_all(&content)
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

/// Status, further headers and body for a file that is there.
fn found(
    file: &[u8],
    [if_match, if_none_match, range]: [Option<&str>; 3],
) -> (u16, String, Vec<u8>) {
    let etag = format!("\"{}\"", hex(&Sha256::digest(file)));
    let tag = format!("etag: {etag}\r\n");
    if if_match.is_some_and(|wanted| wanted != etag) {
        return (412, tag, Vec::new());
    }
    if if_none_match == Some(&etag) {
        return (304, tag, Vec::new());
    }
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
    else {
        return (200, tag, file.to_vec());
    };
    let first = first.parse().unwrap_or(0);
    let end = last
        .parse()
        .map_or(file.len(), |last: usize| file.len().min(last + 1));
    match file.get(first..end) {
        Some(part) if !part.is_empty() => {
            let length = file.len();
            let shown = format!("content-range: bytes {first}-{}/{length}\r\n", end - 1);
            (206, tag + &shown, part.to_vec())
        }
        Some(_) | None => (416, tag, Vec::new()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
