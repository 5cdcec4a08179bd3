//! A balancer as small as can be: each connection goes to the next process that says it is ready.

use crate::app::until;
use futures::future::join_all;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// As often as balancers do, or oftener; what `--drain` of the processes has to outlast.
const ASKS_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Balancer {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Vec<SocketAddr>>,
    ready: Mutex<Vec<SocketAddr>>,
}

impl Balancer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        tokio::spawn(ask_on(shared.clone()));
        let balancing = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, balancing.clone()));
            }
        });
        Self { address, shared }
    }

    /// Returns when it is used.
    pub(super) async fn add(&self, process: SocketAddr) {
        self.shared.known.lock().expect("no panic").push(process);
        let used = async || self.shared.ready.lock().expect("no panic").contains(&process);
        until("a ready process", used).await;
    }
}

async fn ask_on(shared: Arc<Shared>) {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    let http = http.expect("a client");
    loop {
        let known = shared.known.lock().expect("no panic").clone();
        let asked = known.into_iter().map(async |process| {
            let answer = http.get(format!("http://{process}/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status() == 200).then_some(process)
        });
        let ready = join_all(asked).await.into_iter().flatten().collect();
        *shared.ready.lock().expect("no panic") = ready;
        sleep(ASKS_EVERY).await;
    }
}

async fn forward(mut client: TcpStream, shared: Arc<Shared>) {
    let next = {
        let mut ready = shared.ready.lock().expect("no panic");
        if ready.is_empty() {
            return;
        }
        ready.rotate_left(1);
        ready[0]
    };
    if let Ok(mut process) = TcpStream::connect(next).await {
        copy_bidirectional(&mut client, &mut process).await.ok();
    }
}
