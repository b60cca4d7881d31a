//! JSON inside of scripts, and the names of functions that may be called with it.

use std::io::Write;

/// Appends JSON as an expression of JavaScript, in which nothing ends a script element or a line.
///
/// ```
/// use sori_proto::plain::script::push_json;
/// let script = |json| {
///     let mut out = Vec::new();
///     push_json(&mut out, json);
///     String::from_utf8(out).unwrap()
/// };
/// assert_eq!(script("\"</script>\u{2028}\""), r#""\u003c/script>\u2028""#);
/// // As a literal, this would be the object's prototype; and twice of it no JavaScript.
/// assert_eq!(script(r#"{"__proto__":1}"#), r#"JSON.parse("{\"__proto__\":1}")"#);
/// ```
pub fn push_json(out: &mut Vec<u8>, json: &str) {
    if !may_hold_prototype(json) {
        return push_escaped(out, json);
    }
    out.extend_from_slice(b"JSON.parse(");
    let string = serde_json::to_string(json).expect("a string has a form in JSON");
    push_escaped(out, &string);
    out.push(b')');
}

/// Whether a member could be called `__proto__`, however that is spelled. True now and then where none is.
fn may_hold_prototype(json: &str) -> bool {
    let is_text = json.starts_with('"');
    !is_text && (json.contains("__proto__") || SPELLED_OUT.iter().any(|escape| json.contains(escape)))
}

/// The letters of that name, as escapes.
const SPELLED_OUT: [&str; 7] = ["\\u005f", "\\u005F", "\\u006f", "\\u006F", "\\u0070", "\\u0072", "\\u0074"];

fn push_escaped(out: &mut Vec<u8>, json: &str) {
    // JavaScript ends a line at U+2028 and U+2029 even in a string; `<` could end a script element.
    let mut rest = json;
    while let Some(at) = rest.find(['<', '\u{2028}', '\u{2029}']) {
        let (before, special) = rest.split_at(at);
        let c = special.chars().next().expect("found above");
        write!(out, "{before}\\u{:04x}", u32::from(c)).expect("a Vec takes everything");
        rest = &special[c.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Whether a client may name this function: names of letters, digits, `_` and `$`, joined by dots, 100 bytes at most.
///
/// ```
/// use sori_proto::plain::script::is_callback;
/// assert!(is_callback("jQuery_17.done"));
/// assert!(!is_callback("alert(1)//") && !is_callback("") && !is_callback("a..b"));
/// ```
pub fn is_callback(name: &str) -> bool {
    let is_name = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
    };
    name.len() <= 100 && name.split('.').all(is_name)
}

/// Appends a JSONP answer. The comment keeps old plugins from taking the answer for something else (CVE-2014-4671).
pub fn jsonp(out: &mut Vec<u8>, callback: &str, json: &str) {
    out.extend_from_slice(b"/**/");
    out.extend_from_slice(callback.as_bytes());
    out.push(b'(');
    push_json(out, json);
    out.extend_from_slice(b");");
}
