//! Request bodies are small and are read whole before anything is answered: an answer to a body that
//! was not read would break the connection for the request after it.

use crate::problem::Problem;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::time::timeout;

/// The largest request body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// What is too large is read on this far, so that its sender gets to see the answer.
const BODY_BYTES_SWALLOWED_MAX: usize = 4 * 1024 * 1024;
/// A body comes within this time.
const BODY_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let problem = match timeout(BODY_WITHIN, read(body)).await {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(problem)) => problem,
        Err(_) => Problem::malformed("the body did not come in time"),
    };
    let mut response = problem.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

async fn read(mut body: Body) -> Result<Vec<u8>, Problem> {
    let (mut kept, mut seen) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::malformed("the body could not be read"))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= BODY_BYTES_MAX {
            kept.extend_from_slice(&data);
        } else if seen > BODY_BYTES_SWALLOWED_MAX {
            break;
        }
    }
    if seen <= BODY_BYTES_MAX {
        return Ok(kept);
    }
    let detail = format!("a body has at most {BODY_BYTES_MAX} bytes");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail))
}
