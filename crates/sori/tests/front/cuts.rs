//! Requests of the table, changed, one after another and cut anywhere: nobody can tell whether the front is there.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::RngSeed};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{both::Both, table::requests};

/// At the same time, because most of a case is waiting.
const AT_ONCE: usize = 24;

#[derive(Debug, Clone)]
struct Writes {
    requests: Vec<Index>,
    /// Where which byte is put in, taken out, or is another one.
    changes: Vec<(Index, Change)>,
    cuts: Vec<Index>,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    In(u8),
    Out,
    Other(u8),
}

impl Writes {
    fn pieces(&self, table: &[(&str, Vec<u8>)]) -> Vec<Vec<u8>> {
        let mut bytes: Vec<u8> = self.requests.iter().flat_map(|of| of.get(table).1.clone()).collect();
        for (at, change) in &self.changes {
            let at = at.index(bytes.len());
            match change {
                Change::In(byte) => bytes.insert(at, *byte),
                Change::Out => drop(bytes.remove(at)),
                Change::Other(byte) => bytes[at] = *byte,
            }
        }
        let mut cuts: Vec<usize> = self.cuts.iter().map(|at| at.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| bytes[cut[0]..cut[1]].to_vec()).collect()
    }
}

fn writes() -> impl Strategy<Value = Writes> {
    let byte = || prop_oneof![proptest::sample::select(b"\r\n :\t,;#?/0125aZ\0\x7f\x80\xff".to_vec()), any::<u8>()];
    let change = prop_oneof![byte().prop_map(Change::In), Just(Change::Out), byte().prop_map(Change::Other)];
    (vec(any::<Index>(), 1..4), vec((any::<Index>(), change), 0..3), vec(any::<Index>(), 0..5))
        .prop_map(|(requests, changes, cuts)| Writes { requests, changes, cuts })
}

#[test]
fn whatever_is_written_however_it_is_cut() {
    // What is long is in the table for its length, and has no answer that another request could follow.
    let mut table = requests();
    // An answer to HEAD has the length of a body and no body, which only its asker can read.
    table.retain(|(_, bytes)| bytes.len() < 1_000 && !bytes.starts_with(b"HEAD"));
    let table = Arc::new(table);
    let runtime = Runtime::new().unwrap();
    let both = Arc::new(runtime.block_on(Both::new()));
    // The same ones each time, unless somebody asks for more: two servers may differ in what no client can mind.
    let (cases, rng_seed) = match std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()) {
        Some(cases) => (cases, RngSeed::Random),
        None => (16, RngSeed::Fixed(4)),
    };
    proptest!(ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }, |(all in vec(writes(), AT_ONCE))| {
        let compared = runtime.block_on(async {
            let mut comparing = JoinSet::new();
            for writes in all {
                let (both, table) = (both.clone(), table.clone());
                comparing.spawn(async move {
                    let pieces = writes.pieces(&table);
                    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
                    both.compare("a random one", &pieces).await;
                });
            }
            let mut failed = 0;
            while let Some(compared) = comparing.join_next().await {
                failed += usize::from(compared.is_err());
            }
            failed
        });
        prop_assert_eq!(compared, 0);
    });
}
