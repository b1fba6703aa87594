//! GraphQL: the native read and subscribe API.
//!
//! Reading order: [`query`] and [`subscription`] are the roots; [`types`] the objects below them, whose comments are
//! the reference documentation; [`paging`] the lists; `guard` stands in front of the schema and judges operations;
//! `endpoint`, `socket` and `page` bring them to HTTP, WebSocket and a browser.
//!
//! **Invariant:** no answer waits while it holds the views; what a page needs is copied out first.

mod endpoint;
pub mod errors;
mod guard;
pub mod limits;
mod log;
mod page;
pub mod paging;
pub mod query;
pub mod scalars;
mod socket;
pub mod subscription;
pub mod types;

use async_graphql::{Context, EmptyMutation, Error, SDLExportOptions, Schema};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Extension, Router};
use shipslog_domain::{Fingerprint, Fleet, Position, Timestamp};
use shipslog_gateway_core::log::LogReader;
use shipslog_gateway_core::refusals::Refusal;
use shipslog_gateway_core::{App, Follower};
use shipslog_projections::Views;
use tokio::sync::watch;

use self::errors::Code;
use self::limits::{
    CATCH_UP_TIME, COMPLEXITY_MAX, DEPTH_MAX, DIRECTIVES_MAX, NESTING_MAX, REQUEST_BYTES_MAX,
};
use self::query::Query;
use self::subscription::Subscription;
use crate::auth::Access;

/// The schema with everything that its resolvers need.
pub type FleetSchema = Schema<Query, EmptyMutation, Subscription>;

/// The routes: `/graphql` (POST, and the query page on GET), `/graphql/ws`, `/graphql/schema.graphql`. Web sockets
/// end when `stopping` turns true, or when the key that they were opened with may not be used any more.
pub(crate) fn routes<S>(app: &App, stopping: watch::Receiver<bool>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let schema = schema(app);
    let for_sockets = schema.clone();
    let post = move |headers: HeaderMap, body: Bytes| {
        let schema = schema.clone();
        async move { endpoint::post(schema, &headers, body).await }
    };
    let upgrade = move |Extension(access): Extension<Access>,
                        headers: HeaderMap,
                        upgrade: WebSocketUpgrade| {
        let (schema, stopping) = (for_sockets.clone(), stopping.clone());
        let ends = socket::Ends { stopping, access };
        async move { socket::upgrade(upgrade, &headers, schema, ends) }
    };
    Router::new()
        .route("/graphql", get(async || page::page()).post(post))
        .route("/graphql/ws", get(upgrade))
        .route("/graphql/schema.graphql", get(async || schema_file()))
        .route(
            "/graphql/assets/{name}",
            get(async |Path(name): Path<String>| page::asset(&name)),
        )
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
}

/// The schema over this service.
pub(crate) fn schema(app: &App) -> FleetSchema {
    builder().data(Source { app: app.clone() }).finish()
}

/// The schema as text.
#[must_use]
pub fn schema_text() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments();
    builder()
        .finish()
        .sdl_with_options(options.sorted_enum_items())
}

fn builder() -> async_graphql::SchemaBuilder<Query, EmptyMutation, Subscription> {
    Schema::build(Query, EmptyMutation, Subscription)
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_recursive_depth(NESTING_MAX)
        .limit_directives(DIRECTIVES_MAX)
}

fn schema_file() -> impl axum::response::IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], schema_text())
}

/// Where resolvers read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    app: App,
}

impl Source {
    /// One short look at the views.
    fn views<T>(&self, look: impl FnOnce(&Views) -> T) -> T {
        self.app.views().read(look)
    }

    /// One short look at the fleet itself.
    async fn fleet<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Fleet) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let looked = self.app.read(look).await;
        looked.map_err(|_| Code::Unavailable.error("the fleet cannot be read now; try again"))
    }

    /// What was refused to the holders of a certificate.
    fn refusals(&self, certificate: &Fingerprint) -> Vec<Refusal> {
        self.app.refusals().of(certificate)
    }

    fn log(&self) -> LogReader {
        self.app.log().clone()
    }

    fn now(&self) -> Timestamp {
        self.app.now()
    }

    fn head(&self) -> Position {
        self.app.head()
    }

    fn follow(&self, after: Position) -> Follower {
        self.app.follow(after)
    }

    /// Word of every change of the views.
    fn changes(&self) -> watch::Receiver<Position> {
        self.app.views().changes()
    }

    /// Waits until the views have applied `position`, which is in the log.
    async fn caught_up(&self, position: Position) -> Result<(), Error> {
        let waited = self.app.wait_for(position, CATCH_UP_TIME).await;
        waited.map_err(|_| Code::Unavailable.error("the views are behind the log; try again"))
    }
}

fn source<'a>(context: &Context<'a>) -> &'a Source {
    context.data_unchecked::<Source>()
}

#[cfg(test)]
mod tests;
