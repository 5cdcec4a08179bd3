//! Style and scripts, compiled in; browsers keep them as long as the program is the same.

use crate::client::Site;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/marquee.js");
/// Other contents, another tag.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    (STYLE, SCRIPT).hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
});

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route(
            "/assets/style.css",
            get(async |headers: HeaderMap| asset(&headers, "text/css", STYLE)),
        )
        .route(
            "/assets/marquee.js",
            get(async |headers: HeaderMap| asset(&headers, "text/javascript", SCRIPT)),
        )
}

fn asset(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let kept = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == TAG.as_str());
    let caching = [(header::ETAG, TAG.as_str()), (header::CACHE_CONTROL, "no-cache")];
    if kept {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, kind)], text).into_response()
}
