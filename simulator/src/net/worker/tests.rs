use std::io::{BufReader, Cursor};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::device::Script;
use crate::net::tests::broker::{Broker, Fault};

/// What a worker says, readable while it speaks.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn words(&self) -> Vec<Word> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).expect("a word"))
            .collect()
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn cast(recipe: &Value, target: Target, devices: u32) -> Result<Options, String> {
    if recipe != "honest" {
        return Err(format!("{recipe} is not known"));
    }
    let mut options = Options::new(target, devices, 1);
    options.script = Arc::new(Script::default());
    Ok(options)
}

fn order(target: SocketAddr, recipe: &str, devices: u32) -> String {
    let part = Part {
        recipe: recipe.into(),
        target: Target::parse(&target.to_string(), None).expect("an address"),
        first: 30,
        devices,
        window: 16,
        dials_per_second: 0,
        dial_timeout: Duration::from_secs(5),
        expects_leftovers: true,
        pace: crate::net::Pace::real(),
    };
    let mut line = serde_json::to_string(&Order::Play(Box::new(part))).expect("JSON");
    line.push('\n');
    line
}

#[test]
fn a_worker_plays_its_part_and_ends_with_what_it_measured() {
    let broker = Broker::start(Fault::None);
    let (orders, mut give) = std::io::pipe().expect("a pipe");
    let said = Said::default();
    let output = said.clone();
    let worker = std::thread::spawn(move || serve(BufReader::new(orders), output, cast));
    give.write_all(order(broker.address(), "honest", 12).as_bytes())
        .expect("it listens");
    let begun = std::time::Instant::now();
    let joined =
        |word: &Word| matches!(word, Word::Progress { snapshot, .. } if snapshot.joined == 12);
    while !said.words().iter().any(joined) {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody joined");
        std::thread::yield_now();
    }
    give.write_all(b"\"stop\"\n").expect("it listens");
    worker.join().expect("no panic").expect("a good end");
    let words = said.words();
    let Some(Word::Measured(form)) = words.last() else {
        panic!("the last word is what was measured: {words:?}");
    };
    let measured = crate::net::Measured::of_form(form);
    assert_eq!(measured.welcomes.len(), 12);
    let times = words.iter().filter_map(|word| match word {
        Word::Progress { times, .. } => Some(times.welcomes.iter().map(|(_, count)| count)),
        _ => None,
    });
    assert_eq!(times.flatten().sum::<u64>(), 12, "each is told of once");
    assert!(measured.moments.joining().is_some() && measured.peak_rss_bytes > 0);
    broker.wait_for_goodbyes(12);
}

#[test]
fn a_worker_ends_when_whoever_started_it_is_gone() {
    let broker = Broker::start(Fault::None);
    let orders = Cursor::new(order(broker.address(), "honest", 3).into_bytes());
    let ended = serve(orders, Said::default(), cast).expect_err("an end");
    assert!(matches!(ended, Ended::Orphaned), "{ended}");
    let ended = serve(Cursor::new(Vec::new()), Said::default(), cast).expect_err("an end");
    assert!(matches!(ended, Ended::Orphaned), "{ended}");
}

#[test]
fn a_worker_says_what_it_cannot_play() {
    let said = Said::default();
    let somewhere = "127.0.0.1:1".parse().expect("an address");
    let orders = Cursor::new(order(somewhere, "grilled", 3).into_bytes());
    serve(orders, said.clone(), cast).expect_err("unknown");
    let words = said.words();
    let [Word::Failed(why)] = &words[..] else {
        panic!("one word: {words:?}");
    };
    assert!(why.contains("grilled"), "{why}");
    let said = Said::default();
    let orders = Cursor::new(order(somewhere, "honest", u32::MAX - 1_000).into_bytes());
    serve(orders, said.clone(), cast).expect_err("too many");
    let words = said.words();
    assert!(matches!(&words[..], [Word::Failed(why)] if why.contains("file descriptors")));
    let ended = serve(Cursor::new(b"sail!\n"), Said::default(), cast).expect_err("no order");
    assert!(matches!(ended, Ended::Order(_)), "{ended}");
}
