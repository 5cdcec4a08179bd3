//! The description of this API (OpenAPI 3.1), made of what stands beside the handlers; and what all
//! operations have in common, said once.

use crate::problem::Document;
use axum::Router;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the document is, and the page for people that shows it.
const DOCUMENT: &str = "/openapi.json";
const PAGE: &str = "/docs";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Marquee",
        description = "Movie-ticket booking: reserve, pay, choose seats, get tickets; cancelling \
            undoes all of it. Whatever is refused is a problem document (RFC 9457) with a stable \
            `code`. What is somebody else's is answered like what does not exist: 404. Fields may \
            be added to answers at any time."
    ),
    components(schemas(Document))
)]
struct Described;

/// The routes as a router, and as a document.
pub(crate) fn described<S>(routes: OpenApiRouter<S>) -> (Router<S>, OpenApi)
where
    S: Clone + Send + Sync + 'static,
{
    let (router, operations) = routes.split_for_parts();
    let mut document = <Described as utoipa::OpenApi>::openapi();
    document.merge(operations);
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    for (path, item) in &mut document.paths.paths {
        for operation in operations_of(item) {
            complete(operation, path);
        }
    }
    (router, document)
}

/// The document, and its page; all of it comes from this process.
pub(crate) fn pages<S>(document: OpenApi) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let config = Config::from(DOCUMENT).validator_url("none");
    SwaggerUi::new(PAGE).url(DOCUMENT, document).config(config).into()
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    [get, put, post, patch, delete].into_iter().flatten()
}

/// What follows from the path and from how this API answers.
fn complete(operation: &mut Operation, path: &str) {
    let mut parts = path.split('/').skip(1);
    operation.tags = parts.next().map(|first| vec![first.to_owned()]);
    let parameters = operation.parameters.get_or_insert_default();
    for name in parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let text = Object::with_type(Type::String);
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(text));
        parameters.push(parameter.build().into());
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            response.description = meaning(status).to_owned();
        }
    }
    let document = Ref::from_schema_name("Problem");
    let problem = ResponseBuilder::new()
        .description("Refused, or failed.")
        .content("application/problem+json", ContentBuilder::new().schema(Some(document)).build());
    operation.responses.responses.insert("default".to_owned(), problem.into());
}

fn meaning(status: &str) -> &'static str {
    match status {
        "201" => "Made.",
        "202" => "Accepted; it goes on.",
        "204" => "Done; there is nothing to say.",
        "304" => "Unchanged since the ETag in If-None-Match.",
        _ => "As it is now.",
    }
}
