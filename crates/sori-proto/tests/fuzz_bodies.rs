//! What `fuzz/` asserts, on stable and in every run: with its seeds, and with what proptest makes of them.

use std::{fmt, fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index};

#[path = "../../../fuzz/bodies/mod.rs"]
mod bodies;

macro_rules! targets {
    ($($target:ident)*) => {
        $(mod $target {
            use super::*;

            #[test]
            fn seeds() {
                for seed in super::seeds(stringify!($target)) {
                    bodies::$target(&seed);
                }
            }

            #[test]
            fn made_of_seeds() {
                check(bodies::$target, made_of(super::seeds(stringify!($target))));
            }

            #[test]
            fn bytes() {
                check(bodies::$target, vec(any::<u8>(), 0..300).prop_map(Input));
            }
        })*

        #[test]
        fn every_target_is_called() {
            let mut called = [$(stringify!($target)),*].to_vec();
            called.sort_unstable();
            assert_eq!(called, names("fuzz_targets"));
            assert_eq!(called, names("seeds"));
        }
    };
}

targets! {
    eio_payload
    sio_json
    sio_msgpack
    ws_reader
    ws_handshake
    plain_envelope
    plain_body
    plain_format
    plain_session
    plain_sse_reader
    session
}

/// What a body refuses is printed so that it can become a seed, and is not kept as numbers that change their meaning with the seeds.
fn check(body: fn(&[u8]), inputs: impl Strategy<Value = Input>) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(input in inputs)| body(&input.0));
}

/// Bytes that show themselves as a Rust literal would.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Seeds, their lines and their pieces, one after the other, with some bytes wrong.
struct Recipe {
    parts: Vec<(Part, Index, Index, Index)>,
    wrong: Vec<(Index, u8)>,
}

#[derive(Clone, Debug)]
enum Part {
    Whole,
    Line,
    Piece,
}

fn made_of(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    let part = prop_oneof![Just(Part::Whole), Just(Part::Line), Just(Part::Piece)];
    let parts = vec((part, any::<Index>(), any::<Index>(), any::<Index>()), 1..12);
    let wrong = vec((any::<Index>(), any::<u8>()), 0..4);
    (parts, wrong).prop_map(move |(parts, wrong)| Input(Recipe { parts, wrong }.make(&seeds)))
}

impl Recipe {
    fn make(&self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (part, seed, from, to) in &self.parts {
            let seed = seed.get(seeds);
            let lines: Vec<&[u8]> = seed.split(|byte| *byte == b'\n').collect();
            let (from_byte, to_byte) = (from.index(seed.len() + 1), to.index(seed.len() + 1));
            bytes.extend_from_slice(match part {
                Part::Whole => seed,
                Part::Line => lines[from.index(lines.len())],
                Part::Piece => &seed[from_byte.min(to_byte)..from_byte.max(to_byte)],
            });
            if !matches!(part, Part::Piece) {
                bytes.push(b'\n');
            }
        }
        for (at, byte) in &self.wrong {
            if let len @ 1.. = bytes.len() {
                bytes[at.index(len)] = *byte;
            }
        }
        bytes
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder().join("seeds").join(target)).expect("every target has seeds");
    let mut files: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("readable")).collect()
}

fn names(of: &str) -> Vec<String> {
    let files = fs::read_dir(folder().join(of)).expect("in the checkout");
    let stem = |file: fs::DirEntry| file.path().file_stem().expect("a name").to_string_lossy().into_owned();
    let mut names: Vec<String> = files.map(|file| stem(file.expect("readable"))).collect();
    names.sort();
    names
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"))
}
