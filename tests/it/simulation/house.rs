//! The house: it may give its showtime up, whoever is in the middle of what (T22).

use super::shared::Shared;
use super::stage::Queue;
use super::theater::showtime_id;
use domain::ids::CustomerId;
use domain::person::Person;
use domain::words::Role;
use std::rc::Rc;
use std::time::Duration;

pub(super) async fn gives_up(shared: Rc<Shared>, after: Duration) {
    shared.wait(after).await;
    shared.step(Queue::Booking, "give the showtime up").await;
    let staff = Person { id: CustomerId::parse("manager").expect("plain"), role: Role::Staff };
    let given_up = shared.store().cancel_showtime(&staff, &showtime_id(), "projector").await;
    if let Err(error) = given_up {
        shared.broken.borrow_mut().push(format!("give up: {error:?}"));
    }
}
