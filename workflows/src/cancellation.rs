//! The cancellation and every other undo, in the one safe order: settle the open gateway call,
//! revoke the tickets, free the seats, return the money, close.

use crate::contract::{CancellationRef, Undos, on_our_store, returning_money, ticketing};
use domain::cancellation::OwesUndo;
use domain::ids::CancellationId;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult,
};

/// The id of a cancellation's workflow; there is one open at most.
pub fn workflow_id(cancellation: &CancellationId) -> String {
    format!("cancellation/{cancellation}")
}

#[workflow]
pub struct Cancellation {
    cancellation: CancellationRef,
    owes: Option<OwesUndo>,
}

#[workflow_methods]
impl Cancellation {
    #[init]
    fn new(_: &WorkflowContextView, cancellation: CancellationRef) -> Self {
        Self { cancellation, owes: None }
    }

    #[run(name = "cancellation")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let it = ctx.state(|undo| undo.cancellation.clone());
        let look = on_our_store("what is owed?");
        let mut owes = ctx.execute_local_activity(Undos::look_at_undo, it.clone(), look).await?;
        loop {
            ctx.state_mut(|undo| undo.owes = Some(owes));
            owes = match owes {
                OwesUndo::Settle => {
                    let options = returning_money("settle the open gateway call");
                    ctx.execute_activity(Undos::settle_call, it.clone(), options).await?
                }
                OwesUndo::Tickets => {
                    let options = ticketing("revoke tickets");
                    ctx.execute_activity(Undos::revoke_tickets, it.clone(), options).await?
                }
                OwesUndo::Seats => {
                    let options = on_our_store("free seats");
                    ctx.execute_local_activity(Undos::free_seats, it.clone(), options).await?
                }
                OwesUndo::Money => {
                    let options = returning_money("void or refund");
                    ctx.execute_activity(Undos::return_money, it.clone(), options).await?
                }
                OwesUndo::Close => {
                    let options = on_our_store("close");
                    ctx.execute_local_activity(Undos::close_cancellation, it.clone(), options)
                        .await?
                }
                OwesUndo::Nothing => return Ok(()),
            };
        }
    }

    /// Every step is retried until it succeeds, so there is nothing to look at again: a wake only
    /// makes sure that a run exists.
    #[signal]
    pub fn wake(&mut self, _: &mut SyncWorkflowContext<Self>) {}

    /// What was owed when this run last knew.
    #[query]
    pub fn status(&self, _: &WorkflowContextView) -> Option<OwesUndo> {
        self.owes
    }
}
