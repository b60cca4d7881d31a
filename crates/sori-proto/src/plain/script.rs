//! JSON inside of scripts, and the names of functions that may be called with it.

use std::io::Write;

/// Appends JSON so that nothing in it ends a script element or a line of JavaScript.
///
/// ```
/// let mut out = Vec::new();
/// sori_proto::plain::script::push_json(&mut out, "\"</script>\u{2028}\"");
/// assert_eq!(out, br#""\u003c/script>\u2028""#);
/// ```
pub fn push_json(out: &mut Vec<u8>, json: &str) {
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
