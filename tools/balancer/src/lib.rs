//! A balancer as small as can be: each connection goes to the next process that says it is ready.

use anyhow::ensure;
use futures::future::join_all;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// As often as balancers do, or oftener; what `--drain` of the processes has to outlast.
const ASKS_EVERY: Duration = Duration::from_millis(100);
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
const READY_WITHIN: Duration = Duration::from_secs(60);

/// On a port of loopback, until this process ends.
pub struct Balancer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Vec<SocketAddr>>,
    ready: Mutex<Vec<SocketAddr>>,
}

impl Balancer {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWERS_WITHIN).build()?;
        tokio::spawn(ask_on(shared.clone(), http));
        let balancing = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, balancing.clone()));
            }
        });
        Ok(Self { address, shared })
    }

    /// Returns when the process is used.
    pub async fn add(&self, process: SocketAddr) -> anyhow::Result<()> {
        let began = Instant::now();
        lock(&self.shared.known).push(process);
        while !lock(&self.shared.ready).contains(&process) {
            ensure!(began.elapsed() < READY_WITHIN, "{process} is not ready");
            sleep(ASKS_EVERY / 4).await;
        }
        Ok(())
    }
}

async fn ask_on(shared: Arc<Shared>, http: reqwest::Client) {
    loop {
        let known = lock(&shared.known).clone();
        let asked = known.into_iter().map(async |process| {
            let answer = http.get(format!("http://{process}/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status() == 200).then_some(process)
        });
        let ready = join_all(asked).await.into_iter().flatten().collect();
        *lock(&shared.ready) = ready;
        sleep(ASKS_EVERY).await;
    }
}

async fn forward(mut client: TcpStream, shared: Arc<Shared>) {
    let next = {
        let mut ready = lock(&shared.ready);
        if ready.is_empty() {
            return;
        }
        ready.rotate_left(1);
        ready[0]
    };
    if let Ok(mut process) = TcpStream::connect(next).await {
        client.set_nodelay(true).ok();
        process.set_nodelay(true).ok();
        copy_bidirectional(&mut client, &mut process).await.ok();
    }
}

fn lock(list: &Mutex<Vec<SocketAddr>>) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
