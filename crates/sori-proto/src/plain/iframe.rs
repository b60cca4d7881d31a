//! The iframe form of streaming, once called "htmlfile": a page that never ends, of scripts that call a function of its parent.

use super::{
    envelope::{self, Said},
    script,
};

/// The page's beginning. Browsers hold back the first kilobyte or so of a page, so that much of nothing comes first.
pub(super) fn begin(out: &mut Vec<u8>, callback: &str) {
    out.extend_from_slice(b"<!DOCTYPE html><meta charset=\"utf-8\"><title>stream</title><!--");
    out.resize(out.len() + PADDING_BYTES, b' ');
    let function = format!("--><script>var _=function(e){{parent.{callback}(e)}}</script>\n");
    out.extend_from_slice(function.as_bytes());
}

/// The same for everybody: `_` knows whose function it is.
pub(super) fn said(out: &mut Vec<u8>, said: &Said<'_>) {
    let mut json = Vec::with_capacity(said.args.json().len() + 64);
    envelope::write(&mut json, said);
    out.extend_from_slice(b"<script>_(");
    script::push_json(out, str::from_utf8(&json).expect("JSON is UTF-8"));
    out.extend_from_slice(b")</script>\n");
}

const PADDING_BYTES: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sio::OutArgs;

    #[test]
    fn data_never_ends_its_script() {
        let args = OutArgs::new("</script><!--\u{2029}").unwrap();
        let mut out = Vec::new();
        said(&mut out, &Said { cursor: None, event: Some("x"), args: &args, ack: None });
        let expected = "<script>_({\"event\":\"x\",\"data\":\"\\u003c/script>\\u003c!--\\u2029\"})</script>\n";
        assert_eq!(str::from_utf8(&out).unwrap(), expected);
    }
}
