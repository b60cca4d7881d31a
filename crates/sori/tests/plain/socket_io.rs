//! A Socket.IO client of revision 5 in `/`: packets as text, attachments as messages behind them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::said::{Said, bytes_of};

/// Puts packets together with their attachments.
#[derive(Default)]
pub struct Assembler {
    waiting: Option<(Said, usize, Vec<Vec<u8>>)>,
}

impl Assembler {
    /// A message of text, without Engine.IO's `4`.
    pub fn text(&mut self, packet: &str) -> Option<Said> {
        assert!(self.waiting.is_none(), "an attachment is missing before {packet}");
        let (kind, mut rest) = packet.split_at(1);
        let mut count = 0;
        if matches!(kind, "5" | "6") {
            let (digits, after) = rest.split_once('-').expect("how many attachments");
            (count, rest) = (digits.parse().unwrap(), after);
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (id, json) = rest.split_at(digits);
        let ack = (!id.is_empty()).then(|| id.parse().unwrap());
        let said = match kind {
            "0" => {
                let data: Value = serde_json::from_str(json).unwrap();
                Said { id: None, event: Some("connect".into()), args: vec![data], ack: None }
            }
            "1" => Said { id: None, event: Some("disconnect".into()), args: Vec::new(), ack: None },
            "2" | "3" | "5" | "6" => {
                let Value::Array(mut args) = serde_json::from_str(json).unwrap() else { panic!("{packet}") };
                let event = matches!(kind, "2" | "5").then(|| args.remove(0).as_str().unwrap().to_owned());
                Said { id: None, event, args, ack }
            }
            other => panic!("a packet of type {other}: {packet}"),
        };
        match count {
            0 => Some(said),
            _ => {
                self.waiting = Some((said, count, Vec::new()));
                None
            }
        }
    }

    pub fn binary(&mut self, data: Vec<u8>) -> Option<Said> {
        let (_, count, have) = self.waiting.as_mut().expect("an attachment of nothing");
        have.push(data);
        if have.len() < *count {
            return None;
        }
        let (mut said, _, attachments) = self.waiting.take().unwrap();
        said.args.iter_mut().for_each(|arg| fill(arg, &attachments));
        Some(said)
    }
}

fn fill(value: &mut Value, attachments: &[Vec<u8>]) {
    match value {
        Value::Object(members) if members.get("_placeholder") == Some(&json!(true)) => {
            let num = members["num"].as_u64().unwrap() as usize;
            *value = crate::said::binary(&attachments[num]);
        }
        Value::Object(members) => members.values_mut().for_each(|value| fill(value, attachments)),
        Value::Array(items) => items.iter_mut().for_each(|value| fill(value, attachments)),
        _ => {}
    }
}

/// An event, or an answer when there is no name: the text without Engine.IO's `4`, and attachments.
pub fn packet(event: Option<&str>, args: &[Value], ack: Option<u64>) -> (String, Vec<Vec<u8>>) {
    let mut attachments = Vec::new();
    let args = args.iter().map(|arg| take_out(arg, &mut attachments));
    let list: Vec<Value> = event.map(|name| json!(name)).into_iter().chain(args).collect();
    let kind = match (event, attachments.len()) {
        (Some(_), 0) => "2".into(),
        (None, 0) => "3".into(),
        (Some(_), n) => format!("5{n}-"),
        (None, n) => format!("6{n}-"),
    };
    let id = ack.map(|id| id.to_string()).unwrap_or_default();
    (format!("{kind}{id}{}", Value::Array(list)), attachments)
}

fn take_out(value: &Value, attachments: &mut Vec<Vec<u8>>) -> Value {
    if let Some(bytes) = bytes_of(value) {
        attachments.push(bytes);
        return json!({ "_placeholder": true, "num": attachments.len() - 1 });
    }
    match value {
        Value::Array(items) => items.iter().map(|item| take_out(item, attachments)).collect(),
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), take_out(v, attachments))).collect(),
        other => other.clone(),
    }
}

/// A body of Engine.IO packets of revision 4.
pub fn payload(text: &str, attachments: &[Vec<u8>]) -> String {
    let binary = attachments.iter().map(|bytes| format!("b{}", STANDARD.encode(bytes)));
    std::iter::once(format!("4{text}")).chain(binary).collect::<Vec<_>>().join("\u{1e}")
}

/// Reads a body of Engine.IO packets: what was said, and whether a ping wants its pong.
pub fn read_payload(body: &str, assembler: &mut Assembler) -> (Vec<Said>, bool) {
    let (mut said, mut is_pinged) = (Vec::new(), false);
    for packet in body.split('\u{1e}') {
        match packet.split_at_checked(1) {
            Some(("4", text)) => said.extend(assembler.text(text)),
            Some(("b", base64)) => said.extend(assembler.binary(STANDARD.decode(base64).unwrap())),
            Some(("2", "")) => is_pinged = true,
            Some(("6", "")) => {}
            _ => panic!("{packet:?} in {body:?}"),
        }
    }
    (said, is_pinged)
}
