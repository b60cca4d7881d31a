//! What a file holds, whatever its language: how long it is, and what never enters it.

use std::fs;

use super::{
    Findings,
    rules::{LENGTHS, Length, STRINGS, Strings},
};
use crate::house::House;

pub fn check(house: &House, files: &[String]) -> Vec<Findings> {
    // What is not UTF-8 is no text.
    let texts: Vec<(&str, String)> =
        files.iter().filter_map(|file| Some((file.as_str(), fs::read_to_string(house.root.join(file)).ok()?))).collect();
    let lengths = LENGTHS.iter().map(|rule| (rule.why, lengths_of(rule, &texts)));
    let strings = STRINGS.iter().map(|rule| (rule.why, strings_of(rule, &texts)));
    lengths.chain(strings).collect()
}

fn lengths_of(rule: &Length, texts: &[(&str, String)]) -> Vec<String> {
    let asked = |file: &str| {
        let in_folder = rule.folder.is_empty() || file.rsplit('/').nth(1) == Some(rule.folder);
        in_folder && rule.ends.iter().any(|end| file.ends_with(end))
    };
    let long = texts.iter().filter(|(file, _)| asked(file)).map(|(file, text)| (file, text.lines().count()));
    long.filter(|(_, lines)| *lines > rule.lines_max).map(|(file, lines)| format!("{file} has {lines} lines")).collect()
}

fn strings_of(rule: &Strings, texts: &[(&str, String)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, text) in texts {
        for (number, line) in text.lines().enumerate() {
            if let Some(string) = rule.never.iter().find(|string| begins_a_word(line, string)) {
                findings.push(format!("{file}:{} holds {string}", number + 1));
            }
        }
    }
    findings
}

/// `/tmp/` is in `cd /tmp/x`, but not in `src/tmp/x`.
fn begins_a_word(line: &str, string: &str) -> bool {
    line.match_indices(string).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/})".contains(c)) || !string.starts_with('/') && before != Some('-')
    })
}

#[cfg(test)]
mod tests {
    use super::begins_a_word;

    #[test]
    fn a_path_counts_where_it_is_absolute() {
        assert!(begins_a_word("cd /tmp/x", "/tmp/"));
        assert!(begins_a_word("\"/tmp/x\"", "/tmp/"));
        assert!(!begins_a_word("src/tmp/x", "/tmp/"));
        assert!(!begins_a_word("{root}/tmp/x", "/tmp/"));
    }

    #[test]
    fn a_host_counts_behind_its_scheme() {
        assert!(begins_a_word("https://host.example/a", "host.example"));
        assert!(begins_a_word("\"resolved\": \"x", "\"resolved\""));
    }
}
