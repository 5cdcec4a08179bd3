//! What Temporal has recorded of a reservation, as files.

use crate::customer::{SOON, id};
use anyhow::Context;
use domain::ids::{CancellationId, ReservationId};
use serde_json::{Value, json};
use std::path::PathBuf;
use temporalio_client::{
    Client, ClientOptions, ConnectionOptions, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions, WorkflowHandle, WorkflowSignalOptions, WorkflowTerminateOptions,
};
use tokio::time::timeout;
use workflows::booking::{self, Booking};
use workflows::cancellation;

pub(crate) struct Recorder {
    client: Client,
    into: PathBuf,
}

impl Recorder {
    /// `temporal` is `host:port`.
    pub(crate) async fn connect(temporal: &str, into: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&into)?;
        let server: reqwest::Url = format!("http://{temporal}").parse()?;
        let server = ConnectionOptions::new(server).build();
        let client = Client::connect(server, ClientOptions::new("default").build()).await?;
        Ok(Self { client, into })
    }

    /// Writes the newest run of the booking and of its cancellation, when they have ended.
    pub(crate) async fn record(&self, name: &str, reservation: &Value) -> anyhow::Result<()> {
        self.write(name, self.booking(reservation)?).await?;
        let Some(cancellation) = reservation["cancellation"]["id"].as_str() else { return Ok(()) };
        let workflow = cancellation::workflow_id(&CancellationId::parse(cancellation)?);
        self.write(&format!("{name}-undo"), self.client.get_workflow_handle(workflow)).await
    }

    pub(crate) async fn wake(&self, reservation: &Value) -> anyhow::Result<()> {
        let options = WorkflowSignalOptions::default();
        Ok(self.booking(reservation)?.signal(Booking::wake, (), options).await?)
    }

    pub(crate) async fn terminate(&self, reservation: &Value) -> anyhow::Result<()> {
        let options = WorkflowTerminateOptions::builder().reason("to be replaced").build();
        Ok(self.booking(reservation)?.terminate(options).await?)
    }

    fn booking(&self, reservation: &Value) -> anyhow::Result<WorkflowHandle<Client, Booking>> {
        let workflow = booking::workflow_id(&ReservationId::parse(id(reservation))?);
        Ok(self.client.get_workflow_handle(workflow))
    }

    /// One event per line, without what is null, members by name: as the SDK reads it, and made for
    /// comparing.
    async fn write(&self, name: &str, run: WorkflowHandle<Client, Booking>) -> anyhow::Result<()> {
        let result = run.get_result(WorkflowGetResultOptions::default());
        match timeout(SOON, result).await.context("the run goes on")? {
            Err(error) if !error.is_workflow_outcome() => return Err(error.into()),
            _ => {}
        }
        let history = run.fetch_history(WorkflowFetchHistoryOptions::default()).to_json().await?;
        let mut history: Value = serde_json::from_slice(&history)?;
        drop_nulls(&mut history);
        let events = history["events"].as_array().context("a list of events")?;
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        let text = format!("{{\"events\":[\n{}\n]}}\n", lines.join(",\n"));
        Ok(std::fs::write(self.into.join(format!("{name}.json")), text)?)
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| *member != json!(null));
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
