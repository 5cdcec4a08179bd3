//! What comes when everything seemed over: the gateway approves what it had declined or never heard
//! of, and staff takes up what is blocked.

use super::world::World;
use domain::audit::LedgerEntry;
use domain::cancellation::late::LateApproval;
use domain::ids::{CancellationId, CustomerId, PaymentAttemptId};
use domain::payment::{Answer, GatewayCall};
use domain::person::Person;
use domain::refund_account::{Reference, RefundAccount};
use domain::words::{AttemptStatus, Operation, Role};
use fastrand::Rng;
use sqlx::Row;
use store::Decision;
use store::blocked_refunds::WayOut;
use store::late_approvals::Found;

/// How we hear of an approval that nobody waits for.
#[derive(Debug, Clone, Copy)]
enum Word {
    Callback,
    Books,
    /// As an answer to our own key, which has one already.
    Contradiction,
}

impl World {
    /// T26, for some of the attempts that are over; how many there were.
    pub(super) async fn is_surprised(&mut self, rng: &mut Rng) -> u32 {
        let over = "select payment_attempt_id, status from payment_attempt \
                    where status in ('DECLINED', 'ABANDONED') order by payment_attempt_id";
        let rows = sqlx::query(over).fetch_all(&mut self.raw).await.expect("it reads");
        let mut surprises = 0;
        for row in rows {
            let id = PaymentAttemptId::parse(row.get::<String, _>(0)).expect("it was parsed");
            let status = AttemptStatus::parse(&row.get::<String, _>(1)).expect("it was parsed");
            if rng.bool() || !self.shared.gateway.is_untouched(&id) {
                continue;
            }
            let words = [Word::Callback, Word::Books, Word::Contradiction];
            let known = if status == AttemptStatus::Declined { 3 } else { 2 };
            self.surprise(&id, words[rng.usize(0..known)]).await;
            surprises += 1;
        }
        surprises
    }

    async fn surprise(&mut self, id: &PaymentAttemptId, word: Word) {
        let store = self.shared.store();
        let reservation = id.reservation().expect("it is ours");
        let row = store.reservation(&reservation).await.expect("it reads").expect("it is there");
        let approved = self.shared.gateway.approves_after_all(id, &row);
        self.trace.says(self.now(), format!("the gateway approves after all ({word:?})"));
        let (attempt_id, amount) = (id.clone(), row.amount);
        match word {
            Word::Callback => {
                let late = LateApproval { attempt_id, amount, back: Operation::Void };
                let found = store.approval_found(&late).await.expect("it answers");
                assert_eq!(found, Found::Undone);
            }
            Word::Books => {
                let operation = Operation::Approve;
                let (seq, at, key) = (1, self.now(), approved);
                let entry = LedgerEntry { seq, key, attempt_id, operation, amount, done: true, at };
                store.reconcile(&[entry]).await.expect("it answers");
            }
            Word::Contradiction => {
                let key = GatewayCall::key_of(id, Operation::Approve, None);
                let answer = Answer::Done { approval_ends_at: None };
                store.record_answer(&key, &answer).await.expect("it answers");
                self.reach.case("contradiction");
            }
        }
        let after = store.reservation(&reservation).await.expect("it reads").expect("it is there");
        assert_eq!(after.status, row.status, "it stays as it is");
        self.observe().await;
    }

    /// Staff has another account, or has paid outside; how often.
    pub(super) async fn staff_works(&mut self, rng: &mut Rng) -> u32 {
        let blocked = "select cancellation_id from cancellation where state = 'BLOCKED' \
                       order by cancellation_id";
        let rows = sqlx::query(blocked).fetch_all(&mut self.raw).await.expect("it reads");
        let mut deeds = 0;
        for row in rows {
            let id = CancellationId::parse(row.get::<String, _>(0)).expect("it was parsed");
            let (way, case) = match rng.u32(0..3) {
                0 => continue, // nobody has had the time
                1 => other_account(),
                _ => paid_outside(),
            };
            deeds += u32::from(self.unblocks(&id, &way, case).await);
        }
        deeds
    }

    /// Whether it did anything: a void has no account.
    pub(super) async fn unblocks(
        &mut self,
        id: &CancellationId,
        way: &WayOut,
        case: &'static str,
    ) -> bool {
        let staff = Person { id: CustomerId::parse("staff-1").expect("plain"), role: Role::Staff };
        let decided = self.shared.store().unblock_refund(&staff, id, way, None).await;
        let done = matches!(decided.expect("it answers"), Decision::Done(_));
        if done {
            self.reach.case(case);
            self.trace.says(self.now(), format!("staff: {case}"));
        }
        self.observe().await;
        done
    }
}

pub(super) fn other_account() -> (WayOut, &'static str) {
    let account = RefundAccount::parse("088", "110123456789", "a").expect("an account");
    (WayOut::Account(account), "refund to another account")
}

pub(super) fn paid_outside() -> (WayOut, &'static str) {
    (WayOut::Outside(Reference::parse("T-1").expect("plain")), "refund paid outside")
}
