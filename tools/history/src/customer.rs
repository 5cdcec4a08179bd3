//! What a customer, and a tester, does over HTTP.

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What is waited for comes within this time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Customer {
    api: String,
    gateway: String,
    http: reqwest::Client,
}

impl Customer {
    pub(crate) fn of(api: String, gateway: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
        Self { api, gateway: gateway.trim_end_matches('/').to_owned(), http }
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, &format!("{}{path}", self.api), &Value::Null).await
    }

    /// Any 2xx, and 402: a declined card is an answer.
    async fn ask(&self, method: Method, url: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.request(method, url).header("X-Customer-Id", "history").json(body);
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success() || status.as_u16() == 402, "{url}: {status} {text}");
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }

    async fn of_reservation(
        &self,
        method: Method,
        reservation: &Value,
        part: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let url = format!("{}/reservations/{}{part}", self.api, id(reservation));
        self.ask(method, &url, &body).await
    }

    /// For two adults, in three days; with a plan where one is given.
    pub(crate) async fn reserve(&self, plan: Value) -> anyhow::Result<Value> {
        let body = json!({
            "showtimeId": self.showtime().await?, "grade": "STANDARD", "plan": plan,
            "admissions": [{"type": "ADULT", "count": 2}],
        });
        self.ask(Method::POST, &format!("{}/reservations", self.api), &body).await
    }

    async fn showtime(&self) -> anyhow::Result<Value> {
        let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(3 * 24);
        let day = day.to_zoned(jiff::tz::TimeZone::UTC).date();
        let page = self.get(&format!("/showtimes?limit=1&date={day}")).await?;
        Ok(page["items"][0]["id"].clone())
    }

    pub(crate) async fn pay(&self, reservation: &Value) -> anyhow::Result<Value> {
        let body = json!({"method": "CARD", "amount": reservation["amount"]});
        self.of_reservation(Method::POST, reservation, "/payments", body).await
    }

    /// The ids of the best seats for two.
    pub(crate) async fn best_seats(&self) -> anyhow::Result<Value> {
        let showtime = self.showtime().await?;
        let showtime = showtime.as_str().context("a showtime in three days")?;
        let path = format!("/showtimes/{showtime}/best-seats?partySize=2&grade=STANDARD");
        Ok(self.get(&path).await?["items"][0]["seatIds"].clone())
    }

    pub(crate) async fn choose_seats(&self, reservation: &Value) -> anyhow::Result<Value> {
        let body = json!({"seatIds": self.best_seats().await?});
        self.of_reservation(Method::PUT, reservation, "/seats", body).await
    }

    pub(crate) async fn cancel(&self, reservation: &Value) -> anyhow::Result<Value> {
        let body = json!({"reason": "CUSTOMER_REQUEST"});
        self.of_reservation(Method::POST, reservation, "/cancellation", body).await
    }

    pub(crate) async fn read(&self, reservation: &Value) -> anyhow::Result<Value> {
        self.get(&format!("/reservations/{}", id(reservation))).await
    }

    /// Waits for a status, and answers with the reservation as it is then.
    pub(crate) async fn until(&self, reservation: &Value, status: &str) -> anyhow::Result<Value> {
        until(status, async || {
            let now = self.read(reservation).await?;
            Ok((now["status"] == status).then_some(now))
        })
        .await
    }

    /// Waits until the first payment attempt was delivered to the gateway.
    pub(crate) async fn until_sent(&self, reservation: &Value) -> anyhow::Result<()> {
        let url = format!("{}/deliveries?orderId={}-1", self.gateway, id(reservation));
        until("the delivery", async || {
            let page = self.ask(Method::GET, &url, &Value::Null).await?;
            Ok((page["items"] != json!([])).then_some(()))
        })
        .await
    }

    /// Scripts a fault of the gateway for one reservation.
    pub(crate) async fn fault(&self, reservation: &Value, mut rule: Value) -> anyhow::Result<()> {
        rule["orders"] = json!(id(reservation));
        self.ask(Method::POST, &format!("{}/faults/rules", self.gateway), &rule).await.map(drop)
    }

    pub(crate) async fn gateway_is_fast(&self) -> anyhow::Result<()> {
        let script = json!({"approveMillis": [20, 60]});
        self.ask(Method::PUT, &format!("{}/faults", self.gateway), &script).await.map(drop)
    }

    /// Stops the ticket worker, or lets it run again.
    pub(crate) async fn tickets_down(&self, down: bool) -> anyhow::Result<()> {
        let url = format!("{}/admin/faults/ticket", self.api);
        self.ask(Method::PUT, &url, &json!({"down": down})).await.map(drop)
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(
    what: &str,
    mut answer: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    while began.elapsed() < SOON {
        if let Some(answer) = answer().await? {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    bail!("waited for {what} in vain")
}

pub(crate) fn id(reservation: &Value) -> &str {
    reservation["id"].as_str().unwrap_or_default()
}
