//! Rust as tokens, and the paths it names. Enough of the grammar to trust a rule, and no more.

pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// A path as it is written, `crate::rooms::Target` or `tokio`.
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

/// Without comments, strings and numbers. `::` is one token, every other sign its own.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < source.len() {
        let rest = &source[at..];
        let length = token_length(rest);
        let text = &rest[..length];
        if is_word(text) || is_sign(text) {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    tokens
}

/// The same without each item under `#[cfg(test)]`.
pub fn without_tests(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut depth = None;
    for token in tokens {
        match &mut depth {
            None => {
                kept.push(token);
                if kept.len() >= CFG_TEST.len() && kept[kept.len() - CFG_TEST.len()..].iter().map(|t| t.text).eq(CFG_TEST) {
                    kept.truncate(kept.len() - CFG_TEST.len());
                    depth = Some(0);
                }
            }
            Some(open) => {
                match token.text {
                    "{" | "(" | "[" => *open += 1,
                    "}" | ")" | "]" => *open -= 1,
                    _ => {}
                }
                if *open == 0 && matches!(token.text, "}" | ";") {
                    depth = None;
                }
            }
        }
    }
    kept
}

/// Every path of two segments or more, and every one that `use` brings in, each arm of its tree by itself.
pub fn named(tokens: &[Token<'_>]) -> Vec<Named> {
    let mut named = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].text == "use" && tokens.get(at + 1).is_some_and(|next| next.text != "<") {
            at = use_tree(tokens, at + 1, &[], &mut named);
        } else if is_word(tokens[at].text) && !follows_path(tokens, at) {
            let (segments, next) = path(tokens, at);
            if segments.len() > 1 {
                named.push(Named { segments, line: tokens[at].line });
            }
            at = next.max(at + 1);
        } else {
            at += 1;
        }
    }
    named
}

/// Reads `a::b::{c, d::e}`, and returns where it ends.
fn use_tree(tokens: &[Token<'_>], at: usize, before: &[String], named: &mut Vec<Named>) -> usize {
    let start = if tokens.get(at).is_some_and(|token| token.text == "::") { at + 1 } else { at };
    let (segments, mut at) = path(tokens, start);
    let line = tokens.get(start).map_or(0, |token| token.line);
    let whole: Vec<String> =
        before.iter().cloned().chain(segments.into_iter().filter(|segment| segment != "self" || before.is_empty())).collect();
    match tokens.get(at).map(|token| token.text) {
        Some("::") if tokens.get(at + 1).is_some_and(|token| token.text == "{") => {
            at += 2;
            while at < tokens.len() && tokens[at].text != "}" {
                at = if tokens[at].text == "," { at + 1 } else { use_tree(tokens, at, &whole, named) };
            }
            at + 1
        }
        Some("{") if whole.len() == before.len() => {
            // `use {a, b};`
            at += 1;
            while at < tokens.len() && tokens[at].text != "}" {
                at = if tokens[at].text == "," { at + 1 } else { use_tree(tokens, at, &whole, named) };
            }
            at + 1
        }
        _ => {
            named.push(Named { segments: whole, line });
            // `as name`, `::*`
            while at < tokens.len() && !matches!(tokens[at].text, "," | "}" | ";") {
                at += 1;
            }
            at
        }
    }
}

fn path(tokens: &[Token<'_>], mut at: usize) -> (Vec<String>, usize) {
    let mut segments = Vec::new();
    while let Some(token) = tokens.get(at).filter(|token| is_word(token.text)) {
        segments.push(token.text.to_owned());
        let goes_on = tokens.get(at + 1).is_some_and(|token| token.text == "::")
            && tokens.get(at + 2).is_some_and(|token| is_word(token.text));
        if !goes_on {
            return (segments, at + 1);
        }
        at += 2;
    }
    (segments, at)
}

fn follows_path(tokens: &[Token<'_>], at: usize) -> bool {
    at > 0 && tokens[at - 1].text == "::"
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && !text.contains(['"', '\''])
}

fn is_sign(text: &str) -> bool {
    text == "::" || (text.len() == 1 && text.starts_with(|c: char| c.is_ascii_punctuation()))
}

/// How long the token at the beginning of `rest` is; a comment, a string or a space is one too.
fn token_length(rest: &str) -> usize {
    let first = rest.chars().next().expect("there is something left");
    match first {
        '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        '/' if rest.starts_with("/*") => block_comment_length(rest),
        '"' => string_length(rest),
        '\'' => char_or_lifetime_length(rest),
        ':' if rest.starts_with("::") => 2,
        _ if first.is_alphabetic() || first == '_' => {
            let word = word_length(rest);
            match &rest[..word] {
                "r" | "br" | "cr" if rest[word..].starts_with(['"', '#']) => raw_string_length(rest, word),
                "b" | "c" if rest[word..].starts_with('"') => word + string_length(&rest[word..]),
                "b" if rest[word..].starts_with('\'') => word + char_or_lifetime_length(&rest[word..]),
                _ => word,
            }
        }
        _ if first.is_ascii_digit() => word_length(rest),
        _ => first.len_utf8(),
    }
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

/// `r#"…"#`; `r#type` is a word.
fn raw_string_length(rest: &str, prefix: usize) -> usize {
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    if !rest[prefix + hashes..].starts_with('"') {
        return prefix + hashes + word_length(&rest[prefix + hashes..]);
    }
    let open = prefix + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len())
}

/// `'a'`, `'\n'`, `'\u{1f}'`, or the lifetime `'a`.
fn char_or_lifetime_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            let after = escaped + rest[escaped..].chars().next().map_or(0, char::len_utf8);
            rest[after..].find('\'').map_or(rest.len(), |at| after + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1 + word_length(&rest[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let found: Vec<String> = named(&without_tests(tokens(source))).iter().map(|named| named.segments.join("::")).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn each_arm_of_a_use_tree_is_named() {
        check("use std::{io, net::{IpAddr, self}};", &["std::io", "std::net::IpAddr", "std::net"]);
        check("pub use crate::rooms::*; use tokio as t;", &["crate::rooms", "tokio"]);
        check("use super::{Error as E, a::B};", &["super::Error", "super::a::B"]);
    }

    #[test]
    fn paths_in_code_are_named_whole() {
        check("fn f() -> tokio::io::Result<()> { std::thread::sleep(x) }", &["tokio::io::Result", "std::thread::sleep"]);
        check("let v = Vec::<u8>::new(); a.b(c)", &[]);
    }

    #[test]
    fn comments_strings_and_tests_name_nothing() {
        check("// tokio::net\n/* a::b /* c::d */ e::f */ \"g::h\" r#\"i::\"j\"# b'\\'' 'k' '\\u{1f}' x::y", &["x::y"]);
        check("fn f<'a>(x: &'a str) { g::h() }", &["g::h"]);
        check("#[cfg(test)] mod tests { use a::b; fn f() { c::d(); } } use e::f;", &["e::f"]);
        check("#[cfg(test)] mod tests; use e::f;", &["e::f"]);
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let tokens = tokens("a\n\"x\ny\"\n/* \n */ b");
        assert_eq!(tokens.iter().map(|token| (token.text, token.line)).collect::<Vec<_>>(), [("a", 1), ("b", 5)]);
    }
}
