//! A result: everything that is known of a run, as it is written to a file and read again.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Completeness, Counts, Generator, Judgement, Latencies, Machine, Packed, Series};

/// The version of the format. It grows when a reader of the one before would misunderstand; new fields alone do not make it grow.
pub const FORMAT: u32 = 1;

/// A run and what was found out. `docs/bench-result.md` describes it as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of Sori that measured.
    pub version: String,
    /// Which scenario.
    pub scenario: String,
    /// What it was called by whoever ran it; the server's name, often.
    pub name: String,
    /// Where it went.
    pub url: String,
    /// When it began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// What chance began with, so that a run can be repeated.
    pub seed: u64,
    /// Every option of the scenario, defaults included.
    pub options: BTreeMap<String, Value>,
    /// How load was made.
    pub load: Load,
    /// How it ended.
    pub ended: Ended,
    /// The machine that measured.
    pub machine: Machine,
    /// Whether everything arrived, once and in order: what is said first.
    pub completeness: Completeness,
    /// What went wrong, each kind with its number.
    pub errors: BTreeMap<String, u64>,
    /// Figures beyond those that every scenario has.
    pub figures: Vec<Figure>,
    /// Latencies of what was measured. The first is the one that the run is about.
    pub latencies: Vec<Named>,
    /// The run over time.
    pub series: Series,
    /// What the generator and its machine had to do.
    pub generator: Generator,
    /// What stood in the way, and what the figures are worth.
    pub judgement: Judgement,
}

/// How load was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loop", rename_all = "lowercase")]
pub enum Load {
    /// By the clock: latencies count from the intended time, and nothing is omitted.
    Open {
        /// Messages a second.
        rate_per_s: f64,
        /// How they are spread.
        arrivals: crate::Arrivals,
    },
    /// When answers have come: a server that slows down is asked less, and its latencies look better than users would find them.
    Closed {
        /// How many may wait for an answer at once.
        outstanding: u32,
    },
    /// Nothing is sent.
    #[default]
    None,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "lowercase")]
pub enum Ended {
    /// As it was to.
    #[default]
    Whole,
    /// Somebody stopped it; what had been measured is there.
    Interrupted,
    /// It could not go on.
    Failed {
        /// Why, in a sentence.
        why: String,
    },
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is, in words: `time until all were back`.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    /// Microseconds.
    Us,
    /// Bytes.
    Bytes,
    /// A part of a whole, from 0 to 1.
    Share,
    /// Cores.
    Cores,
    /// Times as much as something else.
    Times,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The less, the better.
    Lower,
    /// The more, the better.
    Higher,
    /// It describes, and is neither.
    Neither,
}

/// Latencies of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// What took so long: `delivery`, `echo`, `connect`.
    pub name: String,
    /// What there was one of for each of them.
    #[serde(default)]
    pub of: Of,
    /// Whether they count from the intended time.
    pub from_intended_time: bool,
    /// The histogram.
    #[serde(flatten)]
    pub packed: Packed,
}

/// What took so long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// From one client to another, or to the server and back.
    #[default]
    Messages,
    /// Until they were open.
    Connections,
}

impl Run {
    /// One that has not begun: its scenario's name and where it goes.
    pub fn new(scenario: &str, url: &str) -> Self {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            scenario: scenario.into(),
            name: String::new(),
            url: url.into(),
            started_unix_ms: started.as_millis() as u64,
            seed: 0,
            options: BTreeMap::new(),
            load: Load::None,
            ended: Ended::Whole,
            machine: Machine::here(),
            completeness: Completeness::default(),
            errors: BTreeMap::new(),
            figures: Vec::new(),
            latencies: Vec::new(),
            series: Series::default(),
            generator: Generator::default(),
            judgement: Judgement::default(),
        }
    }

    /// Keeps every option as it was used.
    pub fn set_options(&mut self, options: &impl Serialize) {
        if let Ok(Value::Object(options)) = serde_json::to_value(options) {
            self.options = options.into_iter().collect();
        }
    }

    /// Reads a file, and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read the result {name}: {error}"))?;
        Self::parse(&text).map_err(|error| format!("{name}: {error}"))
    }

    /// Reads JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let no_result = |error: serde_json::Error| format!("this is no result of sori bench: {error}");
        let Version { format } = serde_json::from_str(text).map_err(no_result)?;
        if format > FORMAT {
            return Err(format!(
                "the result has format {format}, and this version of sori reads up to {FORMAT}: take a newer one"
            ));
        }
        let run: Self = serde_json::from_str(text).map_err(no_result)?;
        run.histograms().try_for_each(|packed| packed.open().map(drop))?;
        Ok(run)
    }

    /// As JSON, for a file.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a result has nothing that JSON has not") + "\n"
    }

    /// Adds latencies, if there are any: those of messages that never came are no numbers.
    pub fn add_latencies(&mut self, name: &str, of: Of, latencies: &Latencies) {
        if !latencies.is_empty() {
            let from_intended_time = match of {
                // Visitors think for a while, and ask then; nobody else has told them when.
                Of::Messages => matches!(self.load, Load::Open { .. }) && self.scenario != SOAK,
                // They come by the clock, whatever the loop of the messages.
                Of::Connections => true,
            };
            self.latencies.push(Named { name: name.into(), of, from_intended_time, packed: latencies.pack() });
        }
    }

    /// Whether clients come and go all the time, so that how many came is part of the answer.
    pub(crate) fn has_visitors(&self) -> bool {
        matches!(self.scenario.as_str(), CONNECT | SOAK)
    }

    /// Whether everything is as it should be: all came, all that was to be open was open, and the run ended by itself.
    pub fn is_well(&self) -> bool {
        // Who comes back tries until it is there; what it missed meanwhile is among what is missing.
        let comes_back = matches!(self.scenario.as_str(), "jitter" | "avalanche");
        let Counts { refused, lost, .. } = self.series.counts();
        self.ended == Ended::Whole && self.completeness.is_perfect() && (comes_back || refused + lost == 0)
    }

    /// Options that matter for this scenario, each by its way through the file: `load.clients`.
    pub(crate) fn flat_options(&self) -> Vec<(String, &Value)> {
        let own = self.scenario.replace('-', "_");
        let matters = |table: &str| ["server", "load", "output", &own].contains(&table);
        let mut options = Vec::new();
        for (table, value) in &self.options {
            match value {
                Value::Object(fields) if matters(table) => {
                    options.extend(fields.iter().map(|(name, value)| (format!("{table}.{name}"), value)));
                }
                // Another scenario's.
                Value::Object(_) => {}
                value => options.push((table.clone(), value)),
            }
        }
        options
    }

    /// Adds a figure.
    pub fn add_figure(&mut self, name: &str, value: f64, unit: Unit, better: Better) {
        self.figures.push(Figure { name: name.into(), value, unit, better });
    }

    /// Judges what stood in the way, once everything else is known.
    pub fn judge(&mut self) {
        let p99 = self.latencies.first().map(|named| Duration::from_nanos((named.packed.p99_us * 1e3) as u64));
        self.judgement = self.generator.judge(p99, &self.machine);
    }

    /// The latencies that the run is about.
    pub fn latency(&self) -> Option<&Named> {
        self.latencies.first()
    }

    /// What this run is called where several are shown.
    pub fn title(&self) -> String {
        match self.name.is_empty() {
            true => format!("{} on {}", self.scenario, self.url),
            false => format!("{}, {}", self.name, self.scenario),
        }
    }

    fn histograms(&self) -> impl Iterator<Item = &Packed> {
        self.latencies.iter().map(|named| &named.packed).chain(self.series.intervals.iter().filter_map(|at| at.latency.as_ref()))
    }
}

impl Of {
    /// Two things are connections: a first one, and one again.
    pub(crate) fn named(name: &str) -> Self {
        if [CONNECT, COMING_BACK].contains(&name) { Self::Connections } else { Self::Messages }
    }
}

/// Scenarios and latencies whose names mean something.
pub(crate) const CONNECT: &str = "connect";
pub(crate) const COMING_BACK: &str = "coming back";
pub(crate) const CATCHING_UP: &str = "catching up";
pub(crate) const SOAK: &str = "soak";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_result_is_read_as_it_was_written() {
        let run = example::run();
        assert_eq!(Run::parse(&run.json()), Ok(run));
    }

    #[test]
    fn a_newer_format_is_refused_and_a_new_field_is_not() {
        let json = example::run().json();
        let error = Run::parse(&json.replacen("\"format\": 1", "\"format\": 2", 1)).expect_err("it is newer");
        assert!(error.contains("format 2") && error.contains("newer"), "{error}");
        assert!(Run::parse(&json.replacen("\"format\": 1", "\"later\": true, \"format\": 1", 1)).is_ok());
    }

    #[test]
    fn what_is_no_result_is_told() {
        for text in ["", "{}", "[]", "{\"format\": 1}", "{\"format\": -1}"] {
            assert!(Run::parse(text).is_err_and(|why| why.contains("no result of sori bench")), "{text}");
        }
        let mut run = example::run();
        run.latencies[0].packed.hdr = "HISTFAAA".into();
        assert!(Run::parse(&run.json()).is_err_and(|why| why.contains("histogram")));
        assert!(Run::read(Path::new("nowhere.json")).is_err_and(|why| why.contains("nowhere.json")));
    }

    /// The document names every field of the outermost object, and of the parts that people compute with.
    #[test]
    fn the_document_knows_every_field() {
        let document = include_str!("../../../docs/bench-result.md");
        let json: Value = serde_json::from_str(&example::run().json()).expect("JSON");
        for part in ["", "/completeness", "/latencies/0", "/series/intervals/3", "/series/intervals/3/sample", "/generator"] {
            let object = json.pointer(part).and_then(Value::as_object).expect("it is one");
            for field in object.keys() {
                assert!(document.contains(&format!("`{field}`")), "{part}/{field}");
            }
        }
    }
}
