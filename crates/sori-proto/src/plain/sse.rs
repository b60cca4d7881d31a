//! Server-sent events: HTML Living Standard, 9.2.

use super::{
    SseData,
    envelope::{self, Said},
};

/// Appends one event. What `data:` alone cannot say, several arguments or an ack, it says as the whole envelope.
pub(super) fn said(out: &mut Vec<u8>, said: &Said<'_>, data: SseData) {
    // `id:` ends nothing here: cursors are letters, digits, `-` and `_`.
    if let Some(cursor) = said.cursor {
        field(out, "id", cursor);
    }
    let name = said.event.unwrap_or("ack");
    // An event without a name would be called `message`.
    let is_plain_name = !name.is_empty() && !name.contains(['\n', '\r', '\0']);
    // The standard's name for events without one.
    if name != "message" {
        match is_plain_name {
            true => field(out, "event", name),
            false => field(out, "event", &name.replace(['\n', '\r', '\0'], " ")),
        }
    }
    let needs_envelope = said.event.is_none() || said.ack.is_some() || said.args.len() > 1 || !is_plain_name;
    if needs_envelope || data == SseData::Envelope {
        out.extend_from_slice(b"data: ");
        envelope::write(out, said);
        out.extend_from_slice(b"\n\n");
        return;
    }
    let json = envelope::json(said.args);
    match data {
        SseData::Text if json.starts_with('"') => {
            let text: String = serde_json::from_str(&json).unwrap_or_default();
            lines(&text).for_each(|line| field(out, "data", line));
        }
        _ if json.is_empty() => out.extend_from_slice(b"data:\n"),
        _ => field(out, "data", &json),
    }
    out.push(b'\n');
}

pub(super) fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

/// Every line end that the standard knows: it would end the field.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else { return rest.take() };
        let after = if text[end..].starts_with("\r\n") { end + 2 } else { end + 1 };
        rest = Some(&text[after..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sio::OutArgs;

    #[track_caller]
    fn check<T: serde::Serialize + ?Sized>(event: &str, value: &T, ack: Option<u64>, data: SseData, expected: &str) {
        let args = OutArgs::new(value).unwrap();
        let mut out = Vec::new();
        said(&mut out, &Said { cursor: Some("e-1"), event: Some(event), args: &args, ack }, data);
        assert_eq!(str::from_utf8(&out).unwrap(), format!("id: e-1\n{expected}\n\n"));
    }

    #[test]
    fn data_is_the_argument() {
        check("msg", "hi", None, SseData::Json, "event: msg\ndata: \"hi\"");
        check("msg", &(1,), None, SseData::Json, "event: msg\ndata: 1");
        check("msg", &(), None, SseData::Json, "event: msg\ndata:");
        check("message", &true, None, SseData::Json, "data: true");
    }

    #[test]
    fn text_is_unquoted_and_no_line_end_makes_a_second_field() {
        check("msg", "hi", None, SseData::Text, "event: msg\ndata: hi");
        check("msg", "", None, SseData::Text, "event: msg\ndata: ");
        check("msg", "a\nid: 1\r\n\rb\n", None, SseData::Text, "event: msg\ndata: a\ndata: id: 1\ndata: \ndata: b\ndata: ");
        check("msg", "a\nb", None, SseData::Json, "event: msg\ndata: \"a\\nb\"");
        check("msg", &["x"][..], None, SseData::Text, "event: msg\ndata: [\"x\"]");
    }

    #[test]
    fn what_data_cannot_say_the_envelope_does() {
        let more = r#"data: {"id":"e-1","event":"msg","args":[1,2]}"#;
        check("msg", &(1, 2), None, SseData::Json, &format!("event: msg\n{more}"));
        let ask = r#"data: {"id":"e-1","event":"msg","data":1,"ack":7}"#;
        check("msg", &1, Some(7), SseData::Text, &format!("event: msg\n{ask}"));
        check("msg", &1, None, SseData::Envelope, "event: msg\ndata: {\"id\":\"e-1\",\"event\":\"msg\",\"data\":1}");
        check(
            "a\ndata: b\0",
            &1,
            None,
            SseData::Json,
            "event: a data: b \ndata: {\"id\":\"e-1\",\"event\":\"a\\ndata: b\\u0000\",\"data\":1}",
        );
        check("", &1, None, SseData::Json, "event: \ndata: {\"id\":\"e-1\",\"event\":\"\",\"data\":1}");
    }
}
