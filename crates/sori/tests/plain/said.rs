//! One envelope, whatever it came in.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// What the server said, its bytes as `{"$binary":…}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub id: Option<String>,
    /// None for an answer.
    pub event: Option<String>,
    pub args: Vec<Value>,
    pub ack: Option<u64>,
}

impl Said {
    /// Reads an envelope, and nothing that only looks like one.
    #[track_caller]
    pub fn read(json: &str) -> Self {
        let fail = |why: &str| -> ! { panic!("{why}: {json}") };
        if json.contains(['\n', '\r']) {
            fail("an envelope of more than one line");
        }
        let Ok(Value::Object(members)) = serde_json::from_str::<Value>(json) else { fail("not an object") };
        let text = |value: &Value| value.as_str().unwrap_or_else(|| fail("not text")).to_owned();
        let mut said = Self { id: None, event: None, args: Vec::new(), ack: None };
        for (key, value) in &members {
            match &**key {
                "id" => said.id = Some(text(value)),
                "event" => said.event = Some(text(value)),
                "data" => said.args = vec![value.clone()],
                "args" => match value {
                    Value::Array(args) if args.len() > 1 && !members.contains_key("data") => said.args = args.clone(),
                    _ => fail("args"),
                },
                "ack" => said.ack = Some(value.as_u64().unwrap_or_else(|| fail("ack"))),
                _ => fail("an unknown member"),
            }
        }
        if said.event.is_none() && said.ack.is_none() {
            fail("neither an event nor an answer");
        }
        said
    }

    pub fn is(&self, event: &str) -> bool {
        self.event.as_deref() == Some(event)
    }

    /// The one argument.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!(self.args.len(), 1, "{self:?}");
        &self.args[0]
    }

    /// The number of `["n", 17]`.
    pub fn number(&self) -> Option<u32> {
        self.is("n").then(|| self.args[0].as_u64().expect("a number") as u32)
    }
}

/// Bytes as an envelope holds them.
pub fn binary(bytes: &[u8]) -> Value {
    serde_json::json!({ "$binary": STANDARD.encode(bytes) })
}

/// The bytes of a `$binary`, if it is one.
pub fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    Some(STANDARD.decode(members.get("$binary")?.as_str()?).expect("base64"))
}
