//! Who may name whom.

use std::{collections::HashMap, fs};

use super::{
    Findings,
    rules::{NAMES, Names, WORDS, Words},
    source::{Named, Token, named, tokens, without_tests},
};
use crate::house::House;

pub fn check(house: &House, files: &[String]) -> Vec<Findings> {
    let sources: Vec<(&str, String)> = files
        .iter()
        .filter(|file| file.ends_with(".rs"))
        .filter_map(|file| Some((file.as_str(), fs::read_to_string(house.root.join(file)).ok()?)))
        .collect();
    let faces = faces(house, &sources);
    let names = NAMES.iter().map(|rule| (rule.why, names_of(rule, house, &sources, &faces)));
    let words = WORDS.iter().map(|rule| (rule.why, words_of(rule, &sources)));
    names.chain(words).collect()
}

fn names_of(rule: &Names, house: &House, sources: &[(&str, String)], faces: &HashMap<String, Vec<String>>) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, source) in sources.iter().filter(|(file, _)| within(file, rule.within) && !is_test(file)) {
        let here = module_of(house, file);
        let never = |path: &[String]| rule.never.iter().find(|never| begins_with(path, never));
        for Named { segments, line } in named(&without_tests(tokens(source))) {
            let path = resolved(&segments, &here);
            let path = path.get(..2).and_then(|face| faces.get(&face.join("::"))).unwrap_or(&path);
            if never(path).is_some() {
                findings.push(format!("{file}:{line} names {}", path.join("::")));
            }
        }
    }
    findings
}

fn words_of(rule: &Words, sources: &[(&str, String)]) -> Vec<String> {
    let mut findings = Vec::new();
    let asked = |file: &str| rule.within.is_empty() || within(file, rule.within);
    for (file, source) in sources.iter().filter(|(file, _)| asked(file)) {
        let tokens = if rule.tests_too { tokens(source) } else { without_tests(tokens(source)) };
        for words in rule.never {
            let said = |window: &&[Token<'_>]| window.iter().map(|token| token.text).eq(words.iter().copied());
            let places = tokens.windows(words.len()).filter(said);
            findings.extend(places.map(|window| format!("{file}:{} says {}", window[0].line, words.concat())));
        }
    }
    findings
}

/// What each crate of the workspace re-exports at its root, by that name: `sori::Namespace` is `sori::namespace::Namespace`.
fn faces(house: &House, sources: &[(&str, String)]) -> HashMap<String, Vec<String>> {
    let mut faces = HashMap::new();
    for (file, source) in sources.iter().filter(|(file, _)| file.ends_with("src/lib.rs")) {
        let here = module_of(house, file);
        let tokens = without_tests(tokens(source));
        let modules: Vec<&str> = tokens.windows(2).filter(|pair| pair[0].text == "mod").map(|pair| pair[1].text).collect();
        for Named { segments, .. } in named(&tokens) {
            if let [module, .., name] = segments.as_slice()
                && modules.contains(&module.as_str())
            {
                faces.insert(format!("{}::{name}", here[0]), [&here[..], &segments[..]].concat());
            }
        }
    }
    faces
}

/// `crate`, `self` and `super` by what they stand for here.
fn resolved(segments: &[String], here: &[String]) -> Vec<String> {
    let (mut base, mut rest) = match segments[0].as_str() {
        "crate" => (here[..1].to_vec(), &segments[1..]),
        "self" | "super" => (here.to_vec(), segments),
        _ => return segments.to_vec(),
    };
    while let [first, others @ ..] = rest {
        match first.as_str() {
            "self" => {}
            "super" => _ = base.pop(),
            _ => break,
        }
        rest = others;
    }
    base.extend_from_slice(rest);
    base
}

/// `crates/sori/src/transport/polling.rs` is `sori::transport::polling`.
fn module_of(house: &House, file: &str) -> Vec<String> {
    let package = house
        .packages
        .iter()
        .filter(|package| within(file, &[&format!("{}/", package.folder)]))
        .max_by_key(|package| package.folder.len());
    let Some(package) = package else { return vec!["crate".to_owned()] };
    let inside = file[package.folder.len() + 1..].trim_end_matches(".rs");
    let inside = inside.strip_prefix("src/").unwrap_or("");
    let modules = inside.split('/').filter(|name| !matches!(*name, "" | "lib" | "main" | "mod"));
    std::iter::once(package.name.replace('-', "_")).chain(modules.map(str::to_owned)).collect()
}

fn begins_with(path: &[String], prefix: &str) -> bool {
    let mut path = path.iter();
    prefix.split("::").all(|segment| path.next().is_some_and(|name| name == segment))
}

fn within(file: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| file.starts_with(folder))
}

fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}
