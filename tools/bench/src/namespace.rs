//! Namespaces on a Temporal server.

use anyhow::Context;
use std::time::{Duration, Instant};
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{Client, ClientOptions, ConnectionOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1::RegisterNamespaceRequest;

const RETENTION: Duration = Duration::from_secs(24 * 3600);
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
const TRY_EVERY: Duration = Duration::from_millis(200);

/// Makes one, as soon as the server at `host:port` answers. One that is there already is as good.
pub(crate) async fn make(address: &str, namespace: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        match try_make(address, namespace).await {
            Ok(()) => return Ok(()),
            Err(error) if began.elapsed() > ANSWERS_WITHIN => {
                return Err(error)
                    .with_context(|| format!("no namespace {namespace} on {address}"));
            }
            Err(_) => tokio::time::sleep(TRY_EVERY).await,
        }
    }
}

async fn try_make(address: &str, namespace: &str) -> anyhow::Result<()> {
    let url: reqwest::Url = format!("http://{address}").parse()?;
    let options = ConnectionOptions::new(url).identity("bench").build();
    let client = Client::connect(options, ClientOptions::new(namespace).build()).await?;
    let request = RegisterNamespaceRequest {
        namespace: namespace.to_owned(),
        workflow_execution_retention_period: Some(RETENTION.try_into()?),
        ..<_>::default()
    };
    let mut service = client.connection().workflow_service();
    match service.register_namespace(request.into_request()).await {
        Err(status) if status.code() != Code::AlreadyExists => Err(status.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}
