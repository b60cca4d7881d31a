//! The whole body of a request, within bounds.

use std::{future::Future, time::Duration};

use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sori_proto::Limits;

/// A body, or why there is none. It may be on its way, and is read when it is awaited.
pub(crate) trait Coming: Future<Output = Result<Bytes, StatusCode>> + Send {}

impl<F: Future<Output = Result<Bytes, StatusCode>> + Send> Coming for F {}

/// One that is here.
pub(crate) fn here(body: Bytes, limits: &Limits) -> Result<Bytes, StatusCode> {
    if body.len() > limits.max_http_buffer_size as usize { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(body) }
}

/// A body of at most `max_http_buffer_size`. Whoever has not sent it within a heartbeat is gone.
pub(crate) async fn read<B>(body: B, limits: &Limits) -> Result<Bytes, StatusCode>
where
    B: Body + Send,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let patience = Duration::from_millis(u64::from(limits.ping_interval_ms) + u64::from(limits.ping_timeout_ms));
    let limited = Limited::new(body, limits.max_http_buffer_size as usize).collect();
    match tokio::time::timeout(patience, limited).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
