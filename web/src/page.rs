//! What all pages have in common.

use crate::client::Refused;
use crate::session::Visitor;
use crate::words::Words;
use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};

/// Nothing from elsewhere, nothing within the text of a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the frame around each page needs.
pub(crate) struct Frame {
    pub(crate) words: &'static Words,
    pub(crate) title: String,
    /// With a refusal of the last click, if there was one.
    pub(crate) refused: Option<Refused>,
}

impl Frame {
    pub(crate) fn new(visitor: &Visitor, title: impl Into<String>) -> Self {
        Self { words: Words::of(visitor.language), title: title.into(), refused: None }
    }
}

pub(crate) fn shown(template: &impl Template, status: StatusCode) -> Response {
    match template.render() {
        Ok(text) => {
            let no_store = [(header::CACHE_CONTROL, "no-store")];
            (status, no_store, Html(text)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page was not rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Where a click leads: a reload does not click again.
pub(crate) fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    frame: Frame,
}

/// A page for what cannot be shown.
pub(crate) fn refused(visitor: &Visitor, refused: Refused) -> Response {
    let status = refused.status();
    let mut frame = Frame::new(visitor, refused.title.clone());
    if status == StatusCode::NOT_FOUND {
        frame.words.not_found.clone_into(&mut frame.title);
    }
    frame.refused = Some(refused);
    shown(&RefusedPage { frame }, status)
}

pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
