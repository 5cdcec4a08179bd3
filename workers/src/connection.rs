//! Connections to Temporal, made in the background and kept trying: the API never waits for them.

use crate::temporal_plugins::plugins;
use anyhow::Context;
use std::time::Duration;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{Client, ClientOptions, ConnectionOptions, GrpcCompression, RetryOptions};
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::protos::temporal::api::operatorservice::v1::AddSearchAttributesRequest;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;
use tokio::sync::watch;
use tokio::time::timeout;
use workflows::booking::{DEADLINE_AT, RESERVATION_STATUS, SHOWTIME_ID};

/// A server, how to speak to it, and a namespace on it.
#[derive(Clone)]
pub struct Target {
    /// `host:port`.
    pub address: String,
    pub namespace: String,
    options: ConnectionOptions,
}

impl Target {
    /// `host:port`, in plain.
    pub fn plain(address: &str, namespace: &str) -> anyhow::Result<Self> {
        let url = url_of("http", address)?;
        Self::as_configured(ConnectionOptions::new(url).build(), address, namespace)
    }

    /// `host:port`, with the TLS, the API key and the headers of these options.
    pub fn as_configured(
        mut options: ConnectionOptions,
        address: &str,
        namespace: &str,
    ) -> anyhow::Result<Self> {
        let scheme = if options.tls_options.is_some() { "https" } else { "http" };
        options.target = url_of(scheme, address)?;
        Ok(Self { address: address.to_owned(), namespace: namespace.to_owned(), options })
    }
}

fn url_of(scheme: &str, address: &str) -> anyhow::Result<reqwest::Url> {
    let url = format!("{scheme}://{address}").parse();
    url.with_context(|| format!("{address} is no address of a Temporal server"))
}

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// A connected server is asked this often whether it is there.
pub const ASK_EVERY: Duration = Duration::from_secs(1);
const TRY_AGAIN_MAX: Duration = Duration::from_secs(2);

/// Tries until the server answers.
pub async fn connect(target: &Target, identity: &str) -> Client {
    let mut pause = Duration::from_millis(50);
    loop {
        match try_connect(target, identity).await {
            Ok(client) => return client,
            Err(error) => tracing::debug!(error = format!("{error:#}"), "no Temporal yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(TRY_AGAIN_MAX);
    }
}

/// Keeps a connection and says whether the server answers on it, for a process without a pump.
pub async fn watch_over(
    target: Target,
    connected: watch::Sender<Option<Client>>,
    up: watch::Sender<bool>,
) {
    let identity = format!("marquee-api@{}", std::process::id());
    let client = connect(&target, &identity).await;
    connected.send_replace(Some(client.clone()));
    loop {
        let answered = describe(&client, &target.namespace).await;
        let answers = answered.is_ok();
        if up.send_replace(answers) != answers {
            match answered {
                Ok(()) => tracing::info!("Temporal answers"),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "Temporal does not answer");
                }
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn try_connect(target: &Target, identity: &str) -> anyhow::Result<Client> {
    let retries = RetryOptions::builder().max_elapsed_time(Some(ANSWER_WITHIN)).max_retries(3);
    let mut options = target.options.clone();
    options.identity = identity.to_owned();
    options.connect_timeout = Some(CONNECT_WITHIN);
    // Loopback and data centres have more bandwidth than CPU to spare.
    options.grpc_compression = GrpcCompression::None;
    options.retry_options = retries.build();
    let [traces, log] = plugins();
    let in_namespace = ClientOptions::new(&target.namespace).plugin(traces).plugin(log).build();
    let client = Client::connect(options, in_namespace).await?;
    greet(&client, &target.namespace).await?;
    Ok(client)
}

/// Makes sure that the server answers and has what our workflows need; also one that has lost its
/// memory since.
pub async fn greet(client: &Client, namespace: &str) -> anyhow::Result<()> {
    describe(client, namespace).await?;
    register_search_attributes(client, namespace).await
}

/// Whether the server answers for this namespace. It closes each connection after five minutes, and
/// what that cuts off is asked again, on the next connection.
pub async fn describe(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let ask = async || {
        let request =
            DescribeNamespaceRequest { namespace: namespace.to_owned(), ..<_>::default() };
        let mut service = client.connection().workflow_service();
        service.describe_namespace(request.into_request()).await
    };
    let answered = async {
        match ask().await {
            Err(cut_off) if cut_off.code() == Code::Cancelled => ask().await,
            answered => answered,
        }
    };
    timeout(ANSWER_WITHIN, answered).await.context("Temporal does not answer")??;
    Ok(())
}

/// They have to exist before a workflow sets them; a repeat changes nothing.
async fn register_search_attributes(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let keyword = i32::from(IndexedValueType::Keyword);
    let datetime = i32::from(IndexedValueType::Datetime);
    let search_attributes = [
        (RESERVATION_STATUS.name(), keyword),
        (SHOWTIME_ID.name(), keyword),
        (DEADLINE_AT.name(), datetime),
    ];
    let request = AddSearchAttributesRequest {
        namespace: namespace.to_owned(),
        search_attributes: search_attributes.map(|(name, kind)| (name.to_owned(), kind)).into(),
    };
    let mut service = client.connection().operator_service();
    timeout(ANSWER_WITHIN, service.add_search_attributes(request.into_request()))
        .await
        .context("Temporal does not answer")??;
    Ok(())
}
