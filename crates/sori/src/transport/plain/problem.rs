//! Errors as `application/problem+json`: RFC 9457.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sori_proto::CloseReason;

use crate::{
    plain_peer::Shut,
    service::{Answer, with_type},
};

/// What was wrong with a request, and what to do about it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    /// More that a middleware says, as JSON.
    data: Option<Box<serde_json::value::RawValue>>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), data: None }
    }

    pub(super) fn bad(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn unknown_session() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no session of this namespace has this sid; it may have ended. Open one: POST without event",
        )
    }

    pub(super) fn unavailable(detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Whether the same request may be answered otherwise, later.
    pub(super) fn is_temporary(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// `{"title":"Not Found","status":404,"detail":…}`
    pub(super) fn answer(&self) -> Answer {
        let mut answer = with_type(self.status, "application/problem+json", self.json());
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.is_temporary() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        answer
    }

    pub(super) fn json(&self) -> String {
        #[derive(Serialize)]
        struct Json<'a> {
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a serde_json::value::RawValue>,
        }
        let json = Json {
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            data: self.data.as_deref(),
        };
        serde_json::to_string(&json).expect("it is text and a number")
    }
}

impl From<Shut> for Problem {
    fn from(shut: Shut) -> Self {
        match shut {
            Shut::NoNamespace => Self::new(StatusCode::NOT_FOUND, "Invalid namespace"),
            Shut::NoCallbacks => Self::new(
                StatusCode::FORBIDDEN,
                "this namespace does not answer with scripts; its server allows them with allow_callbacks()",
            ),
            Shut::Refused(error) => {
                let data = error.data_json().and_then(|json| serde_json::value::RawValue::from_string(json.to_owned()).ok());
                Self { status: StatusCode::FORBIDDEN, detail: error.to_string().into(), data }
            }
            Shut::Closed(CloseReason::ServerShuttingDown) => Self::unavailable("the server is closing"),
            Shut::Closed(reason) => Self::unavailable(reason.as_str()),
        }
    }
}

/// The answer to a page that may not speak to us.
pub(crate) fn foreign() -> Answer {
    Problem::new(StatusCode::FORBIDDEN, "pages of this origin may not connect; the server allows them in `cors`").answer()
}
