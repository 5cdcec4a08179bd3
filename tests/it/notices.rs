//! Notices as customers get them: over HTTP, with a stand-in for the companies that send them
//! (scenario 26).

use crate::app::{App, Customer, id, text, until};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// Somebody with a phone of their own.
struct Phone<'a> {
    app: &'a App,
    customer: Customer,
    number: String,
    reservation: Value,
}

impl<'a> Phone<'a> {
    async fn reserves(app: &'a App, language: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let customer = app.somebody();
        let number = format!("0107{:07}", NEXT.fetch_add(1, Ordering::Relaxed));
        let showtime = customer.own_showtime().await;
        let body = json!({
            "showtimeId": showtime["id"], "grade": "STANDARD",
            "admissions": [{"type": "ADULT", "count": 2}],
            "contact": {"name": "홍길동", "phone": number, "language": language},
        });
        let reservation = customer.post("/reservations", body).await.expect(201);
        Self { app, customer, number, reservation }
    }

    async fn ticketed(&self) {
        self.customer.pay(&self.reservation).await.expect(201);
        self.customer.choose_seats(&self.reservation).await.expect(200);
        self.customer.until(&self.reservation, "TICKETED").await;
    }

    /// What stands on the phone, the oldest first.
    async fn messages(&self) -> Vec<Value> {
        let outbox = self.customer.http.get(format!("{}outbox", stand_in(self.app)));
        let items = self.customer.send(outbox).await.expect(200)["items"].clone();
        let items = items.as_array().expect("items").iter();
        items.filter(|item| item["to"] == self.number.as_str()).cloned().collect()
    }

    /// Kind, channel and state, the oldest first.
    async fn notices(&self) -> Vec<[String; 3]> {
        let items = self.customer.get("/notifications").await.expect(200)["items"].clone();
        let mut items = items.as_array().expect("items").clone();
        items.reverse();
        let words =
            |item: &Value| ["kind", "channel", "state"].map(|it| text(&item[it]).to_owned());
        items.iter().map(words).collect()
    }

    async fn until_notice(&self, words: [&str; 3]) {
        until("a notice", async || self.notices().await.iter().any(|notice| *notice == words))
            .await;
    }
}

fn stand_in(app: &App) -> String {
    text(&app.run_file().expect("it runs")["notices"]).to_owned()
}

async fn script(app: &App, rules: Value) {
    let tester = app.customer("tester");
    let url = format!("{}faults", stand_in(app));
    tester.send(tester.http.put(url).json(&json!({ "rules": rules }))).await.expect(200);
}

#[tokio::test]
async fn a_customer_is_told_what_happens() {
    let app = App::start(&[]).await;
    let korean = Phone::reserves(&app, "ko").await;
    korean.until_notice(["RESERVED", "ALIMTALK", "DELIVERED"]).await;
    korean.ticketed().await;
    korean.until_notice(["TICKETED", "ALIMTALK", "DELIVERED"]).await;
    korean.customer.cancel(&korean.reservation).await.expect(200);
    korean.until_notice(["CANCELLED", "ALIMTALK", "DELIVERED"]).await;
    let messages = korean.messages().await;
    let first_lines: Vec<_> =
        messages.iter().map(|it| text(&it["text"]).lines().next().expect("a line")).collect();
    assert_eq!(first_lines, ["[마퀴] 예매 접수", "[마퀴] 발권 완료", "[마퀴] 취소 완료"]);
    let now = korean.customer.read(&korean.reservation).await;
    for message in &messages {
        let words = text(&message["text"]);
        assert!(words.contains("홍길동님"), "{words}");
        assert!(words.contains(text(&now["code"])), "{words}");
        assert!(!words.contains("#{"), "{words}");
    }
    // Less than a million, whichever show it was.
    let won = korean.reservation["amount"]["value"].as_u64().expect("won");
    let refunded = format!("{},{:03}원", won / 1000, won % 1000);
    assert!(text(&messages[2]["text"]).contains(&refunded), "{}", messages[2]["text"]);
    // What was over in a moment was not told, and says why.
    let overtaken = korean.notices().await.into_iter().filter(|[.., state]| state == "SKIPPED");
    assert!(overtaken.count() >= 3);

    let english = Phone::reserves(&app, "en").await;
    english.until_notice(["RESERVED", "ALIMTALK", "DELIVERED"]).await;
    let words = text(&english.messages().await[0]["text"]).to_owned();
    assert!(words.starts_with("[Marquee] Reserved\n\nDear 홍길동,"), "{words}");
    let others = app.somebody().get("/notifications").await.expect(200);
    assert_eq!(others["items"], json!([]), "nobody reads what others were told");
}

#[tokio::test]
async fn a_text_comes_where_alimtalk_does_not() {
    let app = App::start(&[]).await;
    let without = Phone::reserves(&app, "ko").await;
    let rule = json!({"fault": "NO_KAKAOTALK", "to": without.number});
    script(&app, json!([rule])).await;
    without.customer.pay(&without.reservation).await.expect(201);
    without.until_notice(["PAYMENT_APPROVED", "ALIMTALK", "FAILED"]).await;
    without.until_notice(["PAYMENT_APPROVED", "SMS", "DELIVERED"]).await;
    let messages = without.messages().await;
    let newest = messages.last().expect("some");
    assert_eq!((&newest["channel"], &newest["arrived"]), (&json!("SMS"), &json!(true)));

    // Nobody answers at all: bookings do not notice.
    script(&app, json!([{"fault": "DOWN"}])).await;
    let away = Phone::reserves(&app, "ko").await;
    away.ticketed().await;
    until("a try in vain", async || {
        let items = away.customer.get("/notifications").await.expect(200)["items"].clone();
        items[0]["reason"] == "BUSY"
    })
    .await;
    assert!(away.messages().await.is_empty());
    script(&app, json!([])).await;
    until("its message", async || !away.messages().await.is_empty()).await;
    let messages = away.messages().await;
    assert!(text(&messages[0]["text"]).starts_with("[마퀴] 발권 완료"), "{messages:?}");
    assert_eq!(messages.len(), 1, "what had been true before is not told any more");
}

#[tokio::test]
async fn what_may_have_been_sent_is_not_sent_twice() {
    for (company, becomes) in [("solapi", "UNKNOWN"), ("nhn", "SENT")] {
        let app = App::start(&["--notices", company]).await;
        script(&app, json!([{"fault": "LOSE_ANSWER", "calls": 1}])).await;
        let phone = Phone::reserves(&app, "ko").await;
        phone.until_notice(["RESERVED", "ALIMTALK", becomes]).await;
        assert_eq!(phone.messages().await.len(), 1, "{company}");
        phone.ticketed().await;
        phone.until_notice(["TICKETED", "ALIMTALK", "DELIVERED"]).await;
        assert_eq!(phone.messages().await.len(), 2, "{company}");
        if company == "nhn" {
            continue;
        }
        let newest = phone.customer.get("/notifications").await.expect(200)["items"][0].clone();
        let path = format!("/notifications/{}/copies", id(&newest));
        for copy in 1..=3 {
            let copied = phone.customer.post(&path, json!({})).await.expect(202);
            assert_eq!(copied["copy"], copy);
            let came = async || phone.messages().await.len() == 2 + copy;
            until("a copy", came).await;
            let sent = async || phone.customer.get("/notifications").await.expect(200);
            let sent = async || sent().await["items"][0]["state"] != "SENDING";
            until("it to be known as sent", sent).await;
        }
        let refused = phone.customer.post(&path, json!({})).await.expect(409);
        assert_eq!(refused["code"], "limit-exceeded");
        app.somebody().post(&path, json!({})).await.expect(404);
    }
}
