//! The stand-in for one company, and our adapter to it.

use domain::ids::{CancellationId, PaymentAttemptId, ReservationId};
use domain::payment::{Answer, Authorization, CallBody, GatewayCall, PaymentAttempt};
use domain::secret::Secret;
use domain::time::Time;
use domain::won::Won;
use domain::words::{AttemptStatus, CallState, Method, Operation};
use fake_gateway::faults::Faults;
use gateway::house::House;
use gateway::portone::PortOne;
use gateway::toss::Toss;
use gateway::{Gateway, Outcome};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(super) const AMOUNT: i64 = 28_000;

/// One company, with nothing in its books.
pub(super) struct Stand {
    pub(super) gateway: Arc<dyn Gateway>,
    company: &'static str,
    root: String,
    http: Client,
    _folder: TempDir,
}

/// The first attempt of a reservation, with what the customer authorised.
pub(super) struct Order {
    pub(super) id: String,
    pub(super) authorization: Option<Authorization>,
}

/// Runs the same test with each company.
pub(super) async fn each(test: impl AsyncFn(&Stand)) {
    for company in ["house", "toss", "portone"] {
        println!("with {company}");
        let (stop, stopped) = oneshot::channel::<()>();
        let (stand, served) = Stand::start(company, stopped).await;
        test(&stand).await;
        stop.send(()).expect("it runs");
        served.await.expect("no panic").expect("an orderly end");
    }
}

impl Stand {
    async fn start(
        company: &'static str,
        stopped: oneshot::Receiver<()>,
    ) -> (Self, JoinHandle<anyhow::Result<()>>) {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let root = format!("http://{}", listener.local_addr().expect("an address"));
        let faults = Faults { approve_millis: [0, 0], other_millis: [0, 0], ..<_>::default() };
        let journal = folder.path().join("journal.jsonl");
        let options = fake_gateway::Options { listener, journal, faults, callbacks: None };
        let served = tokio::spawn(fake_gateway::serve(options, async move { drop(stopped.await) }));
        let base = |path: &str| Url::parse(&format!("{root}/{path}")).expect("a URL");
        let secret = Secret::from("test_sk_contract".to_owned());
        let gateway: Arc<dyn Gateway> = match company {
            "house" => Arc::new(House::new(base("")).expect("a client")),
            "toss" => Arc::new(Toss::new(base("toss/"), secret).expect("a client")),
            _ => Arc::new(PortOne::new(base("portone/"), secret).expect("a client")),
        };
        let http = Client::builder().no_proxy().build().expect("a client");
        (Self { gateway, company, root, http, _folder: folder }, served)
    }

    /// What the customer does in the browser.
    pub(super) async fn authorized(&self, id: &str, amount: i64) -> Order {
        let url = format!("{}/widget/{}/authorizations", self.root, self.company);
        let wish = json!({"orderId": order_id(id), "amount": amount});
        let answer = self.http.post(url).json(&wish).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        let authorization = answer["authorization"].as_str().expect("an authorization").to_owned();
        Order { id: id.to_owned(), authorization: Some(Authorization(authorization)) }
    }

    /// An order whose money can be captured.
    pub(super) async fn approved(&self, id: &str) -> Order {
        let (order, outcome) = if self.gateway.charges_later() {
            let order = Order { id: id.to_owned(), authorization: None };
            let approve = order.call(Operation::Approve, AMOUNT, None);
            (order, self.deliver(&approve).await)
        } else {
            let order = self.authorized(id, AMOUNT).await;
            let outcome = self.read(&order, AMOUNT).await;
            (order, outcome)
        };
        let approved =
            matches!(outcome, Outcome::Known(Answer::Done { approval_ends_at: Some(_) }));
        assert!(approved, "{outcome:?}");
        order
    }

    /// What the adapter finds of the customer's authorisation.
    pub(super) async fn read(&self, order: &Order, amount: i64) -> Outcome {
        let attempt = order.attempt(amount);
        self.gateway.read_authorization(&attempt).await.expect("an answer")
    }

    pub(super) async fn deliver(&self, call: &GatewayCall) -> Outcome {
        self.gateway.deliver(call).await.expect("an answer")
    }

    pub(super) async fn inquire(&self, call: &GatewayCall) -> Outcome {
        self.gateway.inquire(call).await.expect("an answer")
    }

    /// Adds a rule to the script and returns its id.
    pub(super) async fn rule(&self, rule: Value) -> u64 {
        let url = format!("{}/faults/rules", self.root);
        let answer = self.http.post(url).json(&rule).send().await.expect("an answer");
        let rule: Value = answer.json().await.expect("JSON");
        rule["id"].as_u64().expect("an id")
    }

    pub(super) async fn remove_rule(&self, id: u64) {
        let url = format!("{}/faults/rules/{id}", self.root);
        let answer = self.http.delete(url).send().await.expect("an answer");
        assert!(answer.status().is_success());
    }

    /// The outcomes in the ledger of an order's calls for this operation.
    pub(super) async fn entries(&self, id: &str, operation: &str) -> Vec<String> {
        let url = format!("{}/ledger?orderId={}", self.root, order_id(id));
        let answer = self.http.get(url).send().await.expect("an answer");
        let page: Value = answer.json().await.expect("JSON");
        let items = page["items"].as_array().expect("items").iter();
        let of = items.filter(|item| item["operation"] == operation);
        of.map(|item| item["outcome"].as_str().expect("an outcome").to_owned()).collect()
    }
}

impl Order {
    pub(super) fn call(
        &self,
        operation: Operation,
        amount: i64,
        cancellation: Option<&str>,
    ) -> GatewayCall {
        let attempt_id = self.attempt_id();
        let cancellation_id = cancellation.map(|id| CancellationId::parse(id).expect("an id"));
        GatewayCall {
            key: GatewayCall::key_of(&attempt_id, operation, cancellation_id.as_ref()),
            reservation_id: self.reservation_id(),
            attempt_id,
            operation,
            cancellation_id,
            body: CallBody {
                amount: Won::parse(amount).expect("an amount"),
                method: Method::Card,
                authorization: self.authorization.clone(),
                account: None,
            },
            state: CallState::Sent,
            late: false,
            opened_at: Time::from_millis(0),
        }
    }

    fn attempt(&self, amount: i64) -> PaymentAttempt {
        PaymentAttempt {
            id: self.attempt_id(),
            reservation_id: self.reservation_id(),
            n: 1,
            method: Method::Card,
            amount: Won::parse(amount).expect("an amount"),
            authorization: self.authorization.clone(),
            status: AttemptStatus::Pending,
            approved_at: None,
            approval_ends_at: None,
            captured_at: None,
            refunded: Won::ZERO,
        }
    }

    fn reservation_id(&self) -> ReservationId {
        reservation_id(&self.id)
    }

    fn attempt_id(&self) -> PaymentAttemptId {
        order_id(&self.id)
    }
}

/// Keys have 16 characters at least, and begin with it.
fn reservation_id(id: &str) -> ReservationId {
    ReservationId::parse(format!("reservation-{id}")).expect("an id")
}

fn order_id(id: &str) -> PaymentAttemptId {
    PaymentAttemptId::nth(&reservation_id(id), 1)
}
