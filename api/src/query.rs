//! Query parameters; what is wrong with them is said in a problem document.

use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// Parsed query parameters. Unknown ones are ignored.
pub(crate) struct Query<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parsed = axum::extract::Query::from_request_parts(parts, state).await;
        let axum::extract::Query(value) =
            parsed.map_err(|error| Problem::malformed(error.body_text()))?;
        Ok(Self(value))
    }
}
