//! Notices: one row per event that changes a reservation's status and per channel that it was tried
//! on. A row is written when the sink comes to its event; who sends it takes it by a conditional
//! update, so that any number may.

use crate::row::{int, json, number, text, time, time_or_null, word, word_or_null};
use crate::writer::{Tx, left};
use crate::{Store, StoreError};
use domain::ids::{CustomerId, NoticeId, ReservationId};
use domain::notice::{
    COPIES_MAX, NOT_URGENT, PASSING, PASSING_FOR, ask_again_after, by_day, try_again_after,
};
use domain::refusal::Refusal;
use domain::time::Time;
use domain::won::Won;
use domain::words::{Channel, Language, NoticeKind, NoticeState, StatusReason};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::time::Duration;

/// Who took a notice to send it and was not heard of for so long is taken for dead.
pub const SENT_WITHIN: Duration = Duration::from_secs(30);

/// A notice as its customer sees it.
#[derive(Debug, Clone)]
pub struct Notice {
    pub id: NoticeId,
    pub reservation_id: ReservationId,
    /// The place of its event in the reservation's timeline.
    pub seq: i64,
    pub channel: Channel,
    pub copy: i64,
    pub kind: NoticeKind,
    pub state: NoticeState,
    pub reason: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// A notice that has to be attended, and what its message is made of.
#[derive(Clone)]
pub struct DueNotice {
    pub notice: Notice,
    /// Of sending or, when it was sent, of asking for it; without this one.
    pub tries: u32,
    pub receipt: Option<String>,
    pub facts: Facts,
}

/// What a message is made of. Personal data: never logged.
#[derive(Clone)]
pub struct Facts {
    /// Missing: the customer was erased meanwhile.
    pub phone: Option<String>,
    pub name: Option<String>,
    pub language: Language,
    pub code: String,
    pub movie_title: String,
    pub theater_name: String,
    pub auditorium_name: String,
    pub starts_at: Time,
    pub seat_numbers: Vec<String>,
    pub amount: Won,
    pub refunded: Won,
    pub reason: Option<StatusReason>,
    pub deadline_at: Option<Time>,
}

/// What became of a notice that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// The company has it; without a receipt it cannot be asked what became of it.
    Taken {
        receipt: Option<String>,
    },
    /// It has not, and is asked again, not before this pause.
    Refused {
        why: String,
        pause: Duration,
    },
    /// It never will.
    Failed {
        why: String,
    },
    /// Nobody knows, and asking again could send it twice.
    Unknown,
    Delivered,
    /// It is not known yet whether it has arrived.
    UnderWay,
    /// There is nobody to send it to.
    Unwanted,
}

/// What became of the wish for a copy.
#[derive(Debug, Clone)]
pub enum Copied {
    Done(Notice),
    Refused(Refusal),
    NotFound,
}

macro_rules! columns {
    () => {
        "n.notice_id, n.reservation_id, n.seq, n.channel, n.copy, n.kind, n.state, n.reason, \
         n.created_at, n.updated_at"
    };
}

impl Store {
    /// Writes the notices of the feed's events from `first` to `last`; a second time changes nothing.
    /// What waits for these reservations is overtaken: the newest notice tells what is true.
    pub async fn write_notices(&self, first: i64, last: i64) -> Result<(), StoreError> {
        let now = self.now();
        let [pending, approved, selected, cancelling] = PASSING.map(NoticeKind::as_str);
        let mut tx = self.begin().await?;
        let written = sqlx::query(
            "insert into notice (notice_id, reservation_id, customer_id, seq, channel, copy, kind, \
             state, reason, tries, attend_at, created_at, updated_at) \
             select t.reservation_id || '-' || t.seq || '-ALIMTALK-0', t.reservation_id, \
             r.customer_id, t.seq, 'ALIMTALK', 0, case \
               when t.type = 'PaymentDeclined' and t.status = 'RESERVED' then 'PAYMENT_DECLINED' \
               when t.type = 'RefundDelayed' then 'REFUND_DELAYED' else t.status end, \
             case when c.phone is null then 'SKIPPED' else 'PENDING' end, \
             case when c.phone is null then 'NO_PHONE' end, 0, \
             case when c.phone is null then null when t.status = $4 then cast($5 as bigint) \
               when t.status in ($6, $7, $8, $9) then cast($10 as bigint) \
               when t.status = 'RESERVED' and r.plan is not null then cast($10 as bigint) \
               else cast($3 as bigint) end, \
             cast($3 as bigint), cast($3 as bigint) \
             from timeline t join reservation r on r.reservation_id = t.reservation_id \
             left join contact c on c.reservation_id = t.reservation_id \
             left join timeline p on p.reservation_id = t.reservation_id and p.seq = t.seq - 1 \
             where t.position between $1 and $2 and (p.status is null or p.status <> t.status \
               or t.type = 'RefundDelayed') \
             on conflict (notice_id) do nothing",
        )
        .bind(first)
        .bind(last)
        .bind(now.as_millis())
        .bind(NOT_URGENT.as_str())
        .bind(by_day(now).as_millis())
        .bind(pending)
        .bind(approved)
        .bind(selected)
        .bind(cancelling)
        .bind(now.plus(PASSING_FOR).as_millis())
        .execute(&mut *tx)
        .await?;
        if written.rows_affected() == 0 {
            return left(tx, ()).await;
        }
        sqlx::query(
            "update notice set state = 'SKIPPED', reason = 'OVERTAKEN', attend_at = null, \
             updated_at = $3 where state = 'PENDING' and reservation_id in \
             (select reservation_id from timeline where position between $1 and $2) and exists \
             (select 1 from notice newer where newer.reservation_id = notice.reservation_id \
             and newer.seq > notice.seq)",
        )
        .bind(first)
        .bind(last)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes due notices, the longest due first: no other sender gets them for `SENT_WITHIN`.
    pub async fn take_due_notices(&self, limit: i64) -> Result<Vec<DueNotice>, StoreError> {
        let now = self.now();
        if !self.any_due("select 1 from notice where attend_at <= $1 limit 1", now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let sql = self.engine.locking(
            "select notice_id from notice where attend_at <= $1 order by attend_at limit $2",
            "select notice_id from notice where attend_at <= $1 order by attend_at limit $2 \
             for update skip locked",
        );
        let due: Vec<String> =
            sqlx::query_scalar(sql).bind(now.as_millis()).bind(limit).fetch_all(&mut *tx).await?;
        let mut taken = Vec::new();
        for id in due {
            let found = sqlx::query(concat!(
                "select ",
                columns!(),
                ", n.tries, n.receipt, c.phone, c.name, c.language, r.code, r.movie_title, \
                 r.theater_name, r.auditorium_name, r.starts_at, r.seat_numbers, r.amount, \
                 r.refunded, r.status_reason, r.deadline_at \
                 from notice n join reservation r on r.reservation_id = n.reservation_id \
                 left join contact c on c.reservation_id = n.reservation_id where n.notice_id = $1"
            ))
            .bind(id.as_str())
            .fetch_one(&mut *tx)
            .await?;
            let due = due_notice(&found)?;
            let state = match due.notice.state {
                NoticeState::Pending => NoticeState::Sending,
                same => same,
            };
            let since = if state == due.notice.state { due.notice.updated_at } else { now };
            sqlx::query(
                "update notice set state = $2, tries = tries + 1, attend_at = $3, updated_at = $4 \
                 where notice_id = $1",
            )
            .bind(id)
            .bind(state.as_str())
            .bind(now.plus(SENT_WITHIN).as_millis())
            .bind(since.as_millis())
            .execute(&mut *tx)
            .await?;
            taken.push(due);
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// Writes down what became of a notice that was taken. Where AlimTalk has failed, an SMS is owed,
    /// unless there is something newer to tell. Nothing happens when somebody else was faster.
    pub async fn notice_sent(&self, due: &DueNotice, sending: &Sending) -> Result<(), StoreError> {
        let now = self.now();
        let Ended { state, tries, attend_at, reason, receipt } = Ended::of(due, sending, now);
        let notice = &due.notice;
        let mut tx = self.begin().await?;
        let moved = sqlx::query(
            "update notice set state = $4, tries = $5, attend_at = $6, reason = $7, receipt = $8, \
             updated_at = $9 where notice_id = $1 and state = $2 and tries = $3",
        )
        .bind(notice.id.as_str())
        .bind(taken_as(notice.state).as_str())
        .bind(i64::from(due.tries) + 1)
        .bind(state.as_str())
        .bind(i64::from(tries))
        .bind(attend_at.map(Time::as_millis))
        .bind(reason)
        .bind(receipt)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        let failed = state == NoticeState::Failed && notice.channel == Channel::AlimTalk;
        if moved.rows_affected() == 1 && failed {
            owe_sms(&mut tx, notice, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// A customer's notices, newest first, from after this one.
    pub async fn notices(
        &self,
        customer: &CustomerId,
        before: Option<&NoticeId>,
        limit: i64,
    ) -> Result<Vec<Notice>, StoreError> {
        sqlx::query(concat!(
            "select ",
            columns!(),
            " from notice n \
             left join notice b on b.notice_id = $2 and b.customer_id = $1 \
             where n.customer_id = $1 and ($2 is null or (n.created_at, n.seq, n.notice_id) < \
               (b.created_at, b.seq, b.notice_id)) \
             order by n.created_at desc, n.seq desc, n.notice_id desc limit $3"
        ))
        .bind(customer.as_str())
        .bind(before.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(notice)
        .collect()
    }

    /// The customer wants the newest notice of a reservation once more.
    pub async fn copy_notice(
        &self,
        customer: &CustomerId,
        id: &NoticeId,
    ) -> Result<Copied, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let found = sqlx::query(concat!(
            "select ",
            columns!(),
            ", (select max(s.seq) from notice s where s.reservation_id = n.reservation_id) as newest, \
             (select max(s.copy) from notice s where s.reservation_id = n.reservation_id \
               and s.seq = n.seq) as copies, \
             (select count(*) from notice s where s.reservation_id = n.reservation_id \
               and s.seq = n.seq and s.state in ('PENDING', 'SENDING')) as under_way, \
             (select count(*) from contact c where c.reservation_id = n.reservation_id \
               and c.phone is not null) as phones \
             from notice n where n.notice_id = $1 and n.customer_id = $2"
        ))
        .bind(id.as_str())
        .bind(customer.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(found) = found else { return left(tx, Copied::NotFound).await };
        let of = notice(&found)?;
        let copy = int(&found, "copies")? + 1;
        let stands = int(&found, "newest")? == of.seq && int(&found, "phones")? == 1;
        if !stands || int(&found, "under_way")? > 0 {
            return left(tx, Copied::Refused(Refusal::WrongState)).await;
        }
        if copy > COPIES_MAX {
            return left(tx, Copied::Refused(Refusal::LimitExceeded)).await;
        }
        let copied = Notice {
            channel: Channel::AlimTalk,
            copy,
            state: NoticeState::Pending,
            reason: None,
            created_at: now,
            updated_at: now,
            ..of
        };
        let copied = insert(&mut tx, copied, customer).await?;
        tx.commit().await?;
        Ok(Copied::Done(copied))
    }
}

/// How a notice stands after it was tried.
struct Ended {
    state: NoticeState,
    tries: u32,
    attend_at: Option<Time>,
    reason: Option<String>,
    receipt: Option<String>,
}

impl Ended {
    fn of(due: &DueNotice, sending: &Sending, now: Time) -> Self {
        let (tries, receipt) = (due.tries + 1, due.receipt.clone());
        let end = |state, reason: Option<&str>| Self {
            state,
            tries,
            attend_at: None,
            reason: reason.map(str::to_owned),
            receipt: receipt.clone(),
        };
        match sending {
            Sending::Taken { receipt } => Self {
                tries: 0,
                attend_at: receipt.as_ref().and(ask_again_after(0)).map(|pause| now.plus(pause)),
                receipt: receipt.clone(),
                ..end(NoticeState::Sent, None)
            },
            Sending::Refused { why, pause } => match try_again_after(due.notice.channel, tries) {
                Some(again) => Self {
                    attend_at: Some(now.plus(again.max(*pause))),
                    ..end(NoticeState::Pending, Some(why))
                },
                None => end(NoticeState::Failed, Some(why)),
            },
            Sending::UnderWay => Self {
                attend_at: ask_again_after(tries).map(|pause| now.plus(pause)),
                ..end(NoticeState::Sent, None)
            },
            Sending::Failed { why } => end(NoticeState::Failed, Some(why)),
            Sending::Unknown => end(NoticeState::Unknown, Some("NO_ANSWER")),
            Sending::Delivered => end(NoticeState::Delivered, None),
            Sending::Unwanted => end(NoticeState::Skipped, Some("NO_PHONE")),
        }
    }
}

fn taken_as(state: NoticeState) -> NoticeState {
    match state {
        NoticeState::Pending => NoticeState::Sending,
        same => same,
    }
}

async fn owe_sms(tx: &mut Tx, failed: &Notice, now: Time) -> Result<(), StoreError> {
    sqlx::query(
        "insert into notice (notice_id, reservation_id, customer_id, seq, channel, copy, kind, \
         state, tries, attend_at, created_at, updated_at) \
         select n.reservation_id || '-' || n.seq || '-SMS-' || n.copy, n.reservation_id, \
         n.customer_id, n.seq, 'SMS', n.copy, n.kind, 'PENDING', 0, cast($2 as bigint), \
         cast($2 as bigint), cast($2 as bigint) from notice n where n.notice_id = $1 \
         and not exists (select 1 from notice newer where newer.reservation_id = n.reservation_id \
         and newer.seq > n.seq) on conflict (notice_id) do nothing",
    )
    .bind(failed.id.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whoever asks for the same copy at the same time gets the one that is there.
async fn insert(tx: &mut Tx, copy: Notice, customer: &CustomerId) -> Result<Notice, StoreError> {
    let id = format!("{}-{}-{}-{}", copy.reservation_id, copy.seq, copy.channel, copy.copy);
    sqlx::query(
        "insert into notice (notice_id, reservation_id, customer_id, seq, channel, copy, kind, \
         state, tries, attend_at, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9, $9) on conflict (notice_id) do nothing",
    )
    .bind(id.as_str())
    .bind(copy.reservation_id.as_str())
    .bind(customer.as_str())
    .bind(copy.seq)
    .bind(copy.channel.as_str())
    .bind(copy.copy)
    .bind(copy.kind.as_str())
    .bind(copy.state.as_str())
    .bind(copy.created_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(Notice {
        id: NoticeId::parse(id).map_err(|why| crate::row::broken("notice_id", why))?,
        ..copy
    })
}

fn notice(row: &AnyRow) -> Result<Notice, StoreError> {
    Ok(Notice {
        id: word(row, "notice_id")?,
        reservation_id: word(row, "reservation_id")?,
        seq: int(row, "seq")?,
        channel: word(row, "channel")?,
        copy: int(row, "copy")?,
        kind: word(row, "kind")?,
        state: word(row, "state")?,
        reason: row.try_get("reason")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn due_notice(row: &AnyRow) -> Result<DueNotice, StoreError> {
    Ok(DueNotice {
        notice: notice(row)?,
        tries: number(row, "tries")?,
        receipt: row.try_get("receipt")?,
        facts: Facts {
            phone: row.try_get("phone")?,
            name: row.try_get("name")?,
            language: word_or_null(row, "language")?.unwrap_or_default(),
            code: text(row, "code")?,
            movie_title: text(row, "movie_title")?,
            theater_name: text(row, "theater_name")?,
            auditorium_name: text(row, "auditorium_name")?,
            starts_at: time(row, "starts_at")?,
            seat_numbers: json(row, "seat_numbers")?,
            amount: number(row, "amount")?,
            refunded: number(row, "refunded")?,
            reason: word_or_null(row, "status_reason")?,
            deadline_at: time_or_null(row, "deadline_at")?,
        },
    })
}
