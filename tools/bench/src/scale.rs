//! What a second worker process adds, where neither the payment company nor the machine is the
//! limit: each process may have so many calls under way, and each call takes its time.

use crate::config::{Gateway, Place, Scale};
use crate::fleet::Fleet;
use crate::report::Table;
use crate::siege::Siege;
use crate::statistics::{median, steady_rate};
use crate::system::set_gateway;

pub(crate) async fn run(place: &Place, asked: &Scale) -> anyhow::Result<Vec<Table>> {
    let fleet = Fleet::prepare(place, "scale").await?;
    set_gateway(&fleet.gateway, Gateway::Slow).await?;
    let program = fleet.marquee.clone();
    let _apis = [fleet.api(&program).await?, fleet.api(&program).await?];
    let calls = asked.calls.to_string();
    let columns = ["round", "1 worker, per s", "2 workers, per s", "efficiency"];
    let mut table = Table::new("A second worker", &columns);
    table.setting("calls at a time per worker", asked.calls);
    table.setting("bookings per round", asked.count);
    let siege = Siege::new(&fleet.api);
    let mut efficiencies = Vec::new();
    for round in 1..=asked.rounds {
        let mut rates = Vec::new();
        let mut workers = Vec::new();
        for n in 1..=2_usize {
            workers.push(fleet.worker(&program, &["--gateway-calls", &calls], &[]).await?);
            let count = asked.count * n;
            let booked = siege.run(count, 4 * asked.calls * n).await?;
            rates.push(steady_rate(booked.iter().map(|booked| booked.ticketed).collect()));
            eprintln!("round {round}: {n} workers, {:.1} per s", rates[n - 1]);
        }
        for worker in workers {
            worker.stop().await?;
        }
        let efficiency = rates[1] / (2.0 * rates[0]);
        efficiencies.push(efficiency);
        table.row([
            round.to_string(),
            format!("{:.1}", rates[0]),
            format!("{:.1}", rates[1]),
            format!("{efficiency:.2}"),
        ]);
    }
    table.note(format!("Median efficiency: {:.2}.", median(efficiencies)));
    Ok(vec![table])
}
