//! Numbers as people read them.

use std::time::Duration;

/// 1234567 is 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count, and thousands in groups.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    match () {
        () if !value.is_finite() => "–".into(),
        () if magnitude >= 99.95 => format!("{}{}", if value < 0.0 { "-" } else { "" }, grouped(magnitude.round() as u64)),
        () if magnitude >= 9.995 => trimmed(format!("{value:.1}")),
        () if magnitude >= 0.995 || magnitude == 0.0 => trimmed(format!("{value:.2}")),
        () => trimmed(format!("{value:.3}")),
    }
}

/// 1 client, 2 clients.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// In the unit that suits it.
pub fn time(time: Duration) -> String {
    time_us(time.as_nanos() as f64 / 1e3)
}

/// Microseconds, in the unit that suits them.
pub fn time_us(us: f64) -> String {
    match us {
        us if us < 999.5 => format!("{} µs", number(us)),
        us if us < 999_500.0 => format!("{} ms", number(us / 1e3)),
        us if us < 120e6 => format!("{} s", number(us / 1e6)),
        us => format!("{} min", number(us / 60e6)),
    }
}

/// In KiB, MiB or GiB.
pub fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        bytes if bytes < 1_024.0 => format!("{} B", number(bytes)),
        bytes if bytes < 1_048_576.0 => format!("{} KiB", number(bytes / 1_024.0)),
        bytes if bytes < 1_073_741_824.0 => format!("{} MiB", number(bytes / 1_048_576.0)),
        bytes => format!("{} GiB", number(bytes / 1_073_741_824.0)),
    }
}

/// A share of 1. What is not all is never said to be 100 %, and what is not nothing never 0 %.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        percent if percent == 0.0 || percent == 100.0 => format!("{percent:.0} %"),
        percent if percent > 99.99 && percent < 100.0 => "99.99 %".into(),
        percent if percent > 99.0 && percent < 100.0 => format!("{:.2} %", (percent * 100.0).floor() / 100.0),
        percent if percent > 0.0 && percent < 0.01 => "0.01 %".into(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// Rows whose cells stand below each other: words to the left, numbers to the right.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cell = |at: usize| match at {
            0 => format!("{:<1$}", row[at], widths[at]),
            _ => format!("{:>1$}", row[at], widths[at]),
        };
        let cells: Vec<String> = (0..N).map(cell).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// For a window of this width: what is longer goes on below, further in.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / 16);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let words = line.trim_start();
        let indent = line.chars().count() - words.chars().count();
        if line.chars().count() <= width || indent + 20 > width {
            wrapped.push_str(line);
        } else {
            let mut at = indent;
            wrapped.push_str(&" ".repeat(indent));
            for (number, word) in words.split(' ').enumerate() {
                let length = word.chars().count();
                if number > 0 && at + 1 + length > width {
                    at = indent + if indent > 0 { 2 } else { 0 };
                    wrapped.push('\n');
                    wrapped.push_str(&" ".repeat(at));
                } else if number > 0 {
                    wrapped.push(' ');
                    at += 1;
                }
                wrapped.push_str(word);
                at += length;
            }
        }
        wrapped.push_str(end);
    }
    wrapped
}

fn trimmed(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let check = |value: f64, text: &str| assert_eq!(number(value), text);
        check(0.0, "0");
        check(0.0123, "0.012");
        check(1.5, "1.5");
        check(12.345, "12.3");
        check(99.96, "100");
        check(1_234_567.8, "1,234,568");
        check(-1_234.0, "-1,234");
        check(f64::NAN, "–");
        assert_eq!([grouped(0), grouped(999), grouped(1_000), grouped(1_000_000)], ["0", "999", "1,000", "1,000,000"]);
        assert_eq!([counted(1, "client", "clients"), counted(0, "client", "clients")], ["1 client", "0 clients"]);
    }

    #[test]
    fn what_is_too_long_goes_on_below() {
        assert_eq!(wrapped("a short line\n", 80), "a short line\n");
        assert_eq!(wrapped("  one two three four five six\nseven", 24), "  one two three four\n    five six\nseven");
        assert_eq!(wrapped("12345678901234567890123456789", 24), "12345678901234567890123456789");
    }

    #[test]
    fn numbers_stand_below_each_other() {
        let rows = [["", "of"], ["echo", "1,000"], ["connect", "5"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "            of\necho     1,000\nconnect      5\n");
    }

    #[test]
    fn units_suit() {
        let of = |us: u64| time(Duration::from_micros(us));
        assert_eq!([of(7), of(1_500), of(2_000_000), of(180_000_000)], ["7 µs", "1.5 ms", "2 s", "3 min"]);
        assert_eq!([bytes(5), bytes(1_536), bytes(3 << 20), bytes(5 << 30)], ["5 B", "1.5 KiB", "3 MiB", "5 GiB"]);
    }

    #[test]
    fn all_but_one_of_a_million_is_not_all() {
        let texts = [percent(1.0), percent(0.999_999), percent(0.995_678), percent(0.5), percent(0.000_001), percent(0.0)];
        assert_eq!(texts, ["100 %", "99.99 %", "99.56 %", "50.0 %", "0.01 %", "0 %"]);
    }
}
