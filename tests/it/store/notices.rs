//! Notices: which events have one, when it is sent, by whom, and what follows when it fails.

use super::fixture::catalogue::EVENING;
use super::fixture::{Fixture, together};
use domain::notice::{COPIES_MAX, PASSING_FOR};
use domain::refusal::Refusal;
use domain::reservation::{PlanSeats, Reservation};
use domain::words::{Channel, NoticeKind, NoticeState};
use std::time::Duration;
use store::notices::{Copied, DueNotice, Notice, SENT_WITHIN, Sending};
use store::reserve::{Contact, NewReservation};

on_both!(
    each_status_has_one_notice,
    the_newest_come_first,
    nobody_without_a_phone_is_written_to,
    what_is_left_at_once_is_not_told,
    a_plan_is_told_when_it_has_come_somewhere,
    of_eight_senders_one_sends,
    who_dies_while_sending_leaves_it_to_others,
    a_text_follows_when_alimtalk_fails,
    a_late_failure_owes_no_text_when_there_is_news,
    a_company_that_is_away_is_asked_again_for_a_while,
    copies_are_limited,
);

impl Fixture {
    async fn reserved_by_phone(&self) -> Reservation {
        let contact = Contact { phone: Some("010-1234-5678".to_owned()), ..Contact::default() };
        self.reserve(&NewReservation { contact, ..self.wish(EVENING, 1).await }).await
    }

    /// Writes the notices of all events so far, some of them twice.
    async fn noticed(&self) {
        while !self.store.relay().await.expect("it answers").is_empty() {}
        let end = self.store.feed_end().await.expect("it answers");
        self.store.write_notices(1, end).await.expect("it answers");
    }

    async fn due(&self) -> Vec<DueNotice> {
        self.store.take_due_notices(100).await.expect("it answers")
    }

    async fn one_due(&self) -> DueNotice {
        let mut due = self.due().await;
        assert_eq!(due.len(), 1);
        due.remove(0)
    }

    async fn became(&self, due: &DueNotice, sending: Sending) {
        self.store.notice_sent(due, &sending).await.expect("it answers");
    }

    /// The oldest first.
    async fn notices(&self, row: &Reservation) -> Vec<Notice> {
        let mut all = self.store.notices(&row.customer_id, None, 100).await.expect("it answers");
        all.reverse();
        all
    }

    async fn told(&self, row: &Reservation) -> Vec<(NoticeKind, NoticeState)> {
        self.notices(row).await.iter().map(|notice| (notice.kind, notice.state)).collect()
    }
}

fn taken() -> Sending {
    Sending::Taken { receipt: Some("M1".to_owned()) }
}

fn refused() -> Sending {
    Sending::Refused { why: "BUSY".to_owned(), pause: Duration::ZERO }
}

fn failed() -> Sending {
    Sending::Failed { why: "3104".to_owned() }
}

async fn each_status_has_one_notice(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.noticed().await;
    f.noticed().await;
    let due = f.one_due().await;
    assert_eq!((due.notice.kind, due.notice.channel), (NoticeKind::Reserved, Channel::AlimTalk));
    assert_eq!(due.facts.phone.as_deref(), Some("010-1234-5678"));
    assert_eq!(due.facts.deadline_at, row.deadline_at);
    assert!(f.due().await.is_empty(), "it is being sent");
    f.became(&due, taken()).await;
    assert_eq!(f.told(&row).await, [(NoticeKind::Reserved, NoticeState::Sent)]);
    f.advance(Duration::from_secs(3));
    let asked = f.one_due().await;
    assert_eq!(asked.receipt.as_deref(), Some("M1"));
    f.became(&asked, Sending::Delivered).await;
    f.paid(&row).await;
    f.noticed().await;
    let told = f.told(&row).await;
    assert_eq!(told[0], (NoticeKind::Reserved, NoticeState::Delivered));
    assert_eq!(told[1], (NoticeKind::PaymentPending, NoticeState::Pending));
    assert!(f.due().await.is_empty(), "it is mostly over in a moment");
    f.advance(PASSING_FOR);
    assert_eq!(f.one_due().await.notice.kind, NoticeKind::PaymentPending);
}

/// Also of those that were written at the same time, page by page.
async fn the_newest_come_first(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.paid(&row).await;
    f.noticed().await;
    let tenth = "update notice set seq = seq + 8, \
                 notice_id = reservation_id || '-' || (seq + 8) || '-ALIMTALK-0'";
    f.run(tenth.to_owned()).await;
    let page = async |before| {
        let page = f.store.notices(&row.customer_id, before, 1).await.expect("it answers");
        page.into_iter().next()
    };
    let newest = page(None).await.expect("two");
    assert_eq!(newest.kind, NoticeKind::PaymentPending);
    let oldest = page(Some(&newest.id)).await.expect("two");
    assert_eq!(oldest.kind, NoticeKind::Reserved);
    assert!(page(Some(&oldest.id)).await.is_none());
}

async fn nobody_without_a_phone_is_written_to(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    f.noticed().await;
    assert!(f.due().await.is_empty());
    let notices = f.notices(&row).await;
    assert_eq!(notices[0].state, NoticeState::Skipped);
    assert_eq!(notices[0].reason.as_deref(), Some("NO_PHONE"));
}

async fn what_is_left_at_once_is_not_told(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.paid(&row).await;
    f.noticed().await;
    f.advance(PASSING_FOR);
    assert_eq!(f.one_due().await.notice.kind, NoticeKind::PaymentPending);
    let notices = f.notices(&row).await;
    assert_eq!(notices[0].state, NoticeState::Skipped);
    assert_eq!(notices[0].reason.as_deref(), Some("OVERTAKEN"));
}

async fn a_plan_is_told_when_it_has_come_somewhere(f: &Fixture) {
    let row = f.planned(1, PlanSeats::Best).await;
    f.run(format!(
        "insert into contact (reservation_id, phone, language) values ('{}', '01012345678', 'en')",
        row.id
    ))
    .await;
    f.noticed().await;
    assert!(f.due().await.is_empty(), "it goes on by itself");
    f.advance(PASSING_FOR);
    assert_eq!(f.one_due().await.notice.kind, NoticeKind::Reserved);
}

async fn of_eight_senders_one_sends(f: &Fixture) {
    for _ in 0..5 {
        f.reserved_by_phone().await;
    }
    f.noticed().await;
    let taken = together((0..8).map(|_| {
        let store = f.store.clone();
        async move { store.take_due_notices(100).await.expect("it answers").len() }
    }));
    assert_eq!(taken.await.iter().sum::<usize>(), 5);
}

async fn who_dies_while_sending_leaves_it_to_others(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.noticed().await;
    let lost = f.one_due().await;
    assert_eq!(f.told(&row).await, [(NoticeKind::Reserved, NoticeState::Sending)]);
    f.advance(SENT_WITHIN);
    let again = f.one_due().await;
    assert_eq!(again.notice.state, NoticeState::Sending, "whether it was sent is not known");
    assert_eq!(again.tries, lost.tries + 1);
    f.became(&lost, failed()).await;
    assert_eq!(f.told(&row).await[0].1, NoticeState::Sending, "it has no say any more");
    f.became(&again, Sending::Unknown).await;
    assert_eq!(f.told(&row).await, [(NoticeKind::Reserved, NoticeState::Unknown)]);
    f.advance(Duration::from_secs(3_600));
    assert!(f.due().await.is_empty());
}

async fn a_text_follows_when_alimtalk_fails(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.noticed().await;
    f.became(&f.one_due().await, taken()).await;
    f.advance(Duration::from_secs(3));
    f.became(&f.one_due().await, failed()).await;
    let text = f.one_due().await;
    assert_eq!((text.notice.kind, text.notice.channel), (NoticeKind::Reserved, Channel::Sms));
    f.became(&text, failed()).await;
    let notices = f.notices(&row).await;
    let states: Vec<_> = notices.iter().map(|it| (it.channel, it.state)).collect();
    let both = [(Channel::AlimTalk, NoticeState::Failed), (Channel::Sms, NoticeState::Failed)];
    assert_eq!(states, both, "and nothing comes after that");
    assert_eq!(notices[1].reason.as_deref(), Some("3104"));
    assert!(f.due().await.is_empty());
}

async fn a_late_failure_owes_no_text_when_there_is_news(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.noticed().await;
    let first = f.one_due().await;
    f.paid(&row).await;
    f.noticed().await;
    f.became(&first, failed()).await;
    let told = f.told(&row).await;
    assert_eq!(told.len(), 2, "no text about what is over");
    assert_eq!(told[0].1, NoticeState::Failed);
}

async fn a_company_that_is_away_is_asked_again_for_a_while(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.noticed().await;
    for pause in [2, 8, 30] {
        f.became(&f.one_due().await, refused()).await;
        assert!(f.due().await.is_empty());
        f.advance(Duration::from_secs(pause));
    }
    let waits = f.store.backlog().await.expect("it answers").notice;
    assert_eq!(waits, Duration::from_secs(2 + 8 + 30), "as those who operate it see");
    let longer = Duration::from_secs(3_600);
    f.became(&f.one_due().await, refused()).await;
    assert_eq!(f.notices(&row).await[0].state, NoticeState::Failed);
    let text = f.one_due().await;
    assert_eq!(text.notice.channel, Channel::Sms);
    f.became(&text, Sending::Refused { why: "BUSY".to_owned(), pause: longer }).await;
    f.advance(Duration::from_secs(3_599));
    assert!(f.due().await.is_empty(), "as long as it asked for");
    f.advance(Duration::from_secs(1));
    f.became(&f.one_due().await, taken()).await;
    assert_eq!(f.notices(&row).await[1].state, NoticeState::Sent);
    assert_eq!(f.store.backlog().await.expect("it answers").notice, Duration::ZERO);
}

async fn copies_are_limited(f: &Fixture) {
    let row = f.reserved_by_phone().await;
    f.noticed().await;
    let first = f.one_due().await;
    let copy = async || f.store.copy_notice(&row.customer_id, &first.notice.id).await;
    let copy = async || copy().await.expect("it answers");
    assert!(matches!(copy().await, Copied::Refused(Refusal::WrongState)), "it is under way");
    f.became(&first, taken()).await;
    let stranger = f.customer();
    let of_others = f.store.copy_notice(&stranger, &first.notice.id).await.expect("it answers");
    assert!(matches!(of_others, Copied::NotFound));
    for n in 1..=COPIES_MAX {
        let Copied::Done(copied) = copy().await else { panic!("copy {n} is allowed") };
        assert_eq!((copied.copy, copied.kind), (n, NoticeKind::Reserved));
        let due = f.one_due().await;
        assert_eq!(due.notice.id, copied.id);
        f.became(&due, Sending::Taken { receipt: None }).await;
    }
    assert!(matches!(copy().await, Copied::Refused(Refusal::LimitExceeded)));
    f.paid(&row).await;
    f.noticed().await;
    assert!(matches!(copy().await, Copied::Refused(Refusal::WrongState)), "it is old news");
}
