//! The line that a run leaves.

use std::fmt::{self, Display};

use crate::{
    histogram::Histogram,
    measure::{Spent, cores_of_machine},
    options::Options,
};

pub struct Record(Vec<String>);

impl Record {
    pub fn of(options: &Options) -> Self {
        Self(Vec::new()).number("n", options.n as f64).number("size", options.size as f64)
    }

    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.0.push(format!("\"{name}\":\"{}\"", value.replace(['"', '\\', '\n'], "'")));
        self
    }

    pub fn number(mut self, name: &str, value: f64) -> Self {
        self.0.push(format!("\"{name}\":{}", short(value)));
        self
    }

    pub fn numbers(mut self, name: &str, values: &[f64]) -> Self {
        let values: Vec<String> = values.iter().copied().map(short).collect();
        self.0.push(format!("\"{name}\":[{}]", values.join(",")));
        self
    }

    /// The server's CPU time per operation, and how busy everybody was.
    pub fn spent(self, spent: &Spent, operations: u64) -> Self {
        let each = operations.max(1) as f64;
        self.number("us_per_op", spent.total_us / each)
            .number("user_us_per_op", spent.user_us / each)
            .number("system_us_per_op", spent.system_us / each)
            .number("per_s", operations as f64 / spent.wall_s)
            .number("server_util", spent.server_util)
            .number("generator_util", spent.own_util)
            .number("machine_busy_pct", spent.busy * 100.0)
            .number("machine_cores", cores_of_machine() as f64)
            .number("steal_pct", spent.stolen * 100.0)
            .numbers("threads", &spent.threads)
    }

    /// In µs, each name followed by `suffix`.
    pub fn latency(self, suffix: &str, latency: &Histogram) -> Self {
        let us = |ns: u64| ns as f64 / 1e3;
        self.number(&format!("p50_us{suffix}"), us(latency.quantile(0.5)))
            .number(&format!("p99_us{suffix}"), us(latency.quantile(0.99)))
            .number(&format!("max_us{suffix}"), us(latency.max()))
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.0.join(","))
    }
}

/// Three decimals say enough of everything that is measured.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_json() {
        let record = Record(Vec::new()).number("a", 2.0).number("b", 1.25).numbers("c", &[0.5, 100.0]).text("d", "say \"no\"");
        assert_eq!(record.to_string(), r#"{"a":2,"b":1.25,"c":[0.5,100],"d":"say 'no'"}"#);
    }
}
