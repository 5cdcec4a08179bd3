//! A delivery that comes when nobody waits for it any more.

use super::shared::Shared;
use domain::payment::{Answer, GatewayCall};
use gateway::{Gateway, Outcome};
use std::rc::Rc;
use std::time::Duration;

pub(super) async fn delivery(shared: Rc<Shared>, call: GatewayCall, after: Duration) {
    shared.wait(after).await;
    let Ok(Outcome::Known(answer)) = shared.gateway.deliver(&call).await else { return };
    record(&shared, &call, &answer).await;
}

/// As a callback of the gateway would.
async fn record(shared: &Shared, call: &GatewayCall, answer: &Answer) {
    let store = shared.store();
    let read = async || store.reservation(&call.reservation_id).await.ok().flatten();
    let before = read().await;
    let open = before.as_ref().and_then(|row| row.open_call.as_ref());
    let settled = open.is_none_or(|open| open.key != call.key);
    if let Err(error) = store.record_answer(&call.key, answer).await {
        shared.broken.borrow_mut().push(format!("late record: {error:?}"));
    }
    if settled {
        if read().await != before {
            shared.broken.borrow_mut().push(format!("a late answer to {} changed", call.key));
        }
        shared.reached("R12");
    }
}
