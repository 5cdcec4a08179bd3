//! What an operator can do to workflow runs behind the system's back, over Temporal's own API.

use crate::system::System;
use anyhow::Context;
use std::time::Duration;
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Client, ClientOptions, ConnectionOptions, RetryOptions};
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DeleteWorkflowExecutionRequest, ListWorkflowExecutionsRequest,
    RequestCancelWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};
use tokio::time::{Instant, sleep, timeout};

const NAMESPACE: &str = "default";
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Other faults may have Temporal down for as long.
const FOUND_WITHIN: Duration = Duration::from_secs(20);
const WAKES_EACH: u32 = 30;

#[derive(Clone, Copy)]
pub(crate) enum Deed {
    Terminate,
    Delete,
    Cancel,
    /// Many wakes in a row.
    Wake,
}

/// Does this to some runs that are under way, and says to how many.
pub(crate) async fn interfere(system: &System, deed: Deed, runs_max: i32) -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut hit = 0;
    while hit == 0 && began.elapsed() < FOUND_WITHIN {
        let done = timeout(ANSWER_WITHIN * 5, once(system, deed, runs_max)).await;
        hit = done.ok().and_then(Result::ok).unwrap_or_default();
        sleep(Duration::from_millis(100)).await;
    }
    Ok(hit)
}

async fn once(system: &System, deed: Deed, runs_max: i32) -> anyhow::Result<u64> {
    let address = system.temporal().context("Temporal is nowhere")?;
    let retries = RetryOptions::builder().max_elapsed_time(Some(ANSWER_WITHIN)).max_retries(1);
    let url: reqwest::Url = format!("http://{address}").parse()?;
    let options = ConnectionOptions::new(url)
        .identity("chaos")
        .connect_timeout(ANSWER_WITHIN)
        .retry_options(retries.build())
        .build();
    let client = Client::connect(options, ClientOptions::new(NAMESPACE).build()).await?;
    let list = ListWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        page_size: runs_max,
        query: "ExecutionStatus = 'Running'".to_owned(),
        ..<_>::default()
    };
    let mut service = client.connection().workflow_service();
    let found = service.list_workflow_executions(list.into_request()).await?.into_inner();
    let mut hit = 0;
    for execution in found.executions.into_iter().filter_map(|info| info.execution) {
        hit += u64::from(carry_out(&client, deed, execution).await.is_ok());
    }
    Ok(hit)
}

async fn carry_out(client: &Client, deed: Deed, run: WorkflowExecution) -> anyhow::Result<()> {
    let mut service = client.connection().workflow_service();
    let (namespace, execution) = (NAMESPACE.to_owned(), Some(run));
    match deed {
        Deed::Terminate => {
            let request = TerminateWorkflowExecutionRequest {
                namespace,
                workflow_execution: execution,
                reason: "chaos".to_owned(),
                ..<_>::default()
            };
            service.terminate_workflow_execution(request.into_request()).await?;
        }
        Deed::Delete => {
            let request =
                DeleteWorkflowExecutionRequest { namespace, workflow_execution: execution };
            service.delete_workflow_execution(request.into_request()).await?;
        }
        Deed::Cancel => {
            let request = RequestCancelWorkflowExecutionRequest {
                namespace,
                workflow_execution: execution,
                reason: "chaos".to_owned(),
                ..<_>::default()
            };
            service.request_cancel_workflow_execution(request.into_request()).await?;
        }
        Deed::Wake => {
            for _ in 0..WAKES_EACH {
                let request = SignalWorkflowExecutionRequest {
                    namespace: namespace.clone(),
                    workflow_execution: execution.clone(),
                    signal_name: "wake".to_owned(),
                    ..<_>::default()
                };
                service.signal_workflow_execution(request.into_request()).await?;
            }
        }
    }
    Ok(())
}
