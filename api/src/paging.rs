//! Lists come in pages: at most `limit` items, and a cursor to go on from.

use crate::problem::Problem;
use crate::query::Query;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;

/// Which page of a list is asked for.
pub(crate) struct Paging {
    limit: u32,
    cursor: Option<String>,
    headers: HeaderMap,
    uri: Uri,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many at most; 20 unless told.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Where to go on: `nextCursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9._-]{1,200}$")]
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(PageQuery { limit, cursor }) = Query::from_request_parts(parts, state).await?;
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::malformed(format!("limit: 1 to {LIMIT_MAX}")));
        }
        Ok(Self { limit, cursor, headers: parts.headers.clone(), uri: parts.uri.clone() })
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

impl Paging {
    /// One more than the page holds is asked of the store, to know whether there is more.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The id to go on from.
    pub(crate) fn after<T>(&self) -> Result<Option<T>, Problem>
    where
        T: TryFrom<String>,
    {
        let Some(cursor) = self.cursor.clone() else { return Ok(None) };
        T::try_from(cursor).map(Some).map_err(|_| Problem::malformed("cursor: not one of ours"))
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Cuts what the store gave to the page, whose cursor is made of its last item; with a Link
    /// header (RFC 8288), and 304 when the caller has it already.
    pub(crate) fn answer<S, T: Serialize>(
        &self,
        mut found: Vec<S>,
        cursor: impl Fn(&S) -> String,
        shown: impl FnMut(S) -> T,
    ) -> Response {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = if more { found.last().map(cursor) } else { None };
        let link = next_cursor.as_deref().and_then(|cursor| self.link(cursor));
        let page = Page { items: found.into_iter().map(shown).collect(), next_cursor };
        let mut response = crate::etag::answer(&self.headers, &page);
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    fn link(&self, cursor: &str) -> Option<HeaderValue> {
        let others = self.uri.query().unwrap_or_default().split('&');
        let mut query: Vec<&str> =
            others.filter(|part| !part.is_empty() && !part.starts_with("cursor=")).collect();
        let cursor = format!("cursor={cursor}");
        query.push(&cursor);
        let link = format!("<{}?{}>; rel=\"next\"", self.uri.path(), query.join("&"));
        HeaderValue::from_str(&link).ok()
    }
}
