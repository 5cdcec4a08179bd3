//! The cheapest way to pick seats: walk along them once, leaving or taking each.

/// What one seat does to the walk: the next state, and what it costs.
pub(super) type Step = Option<(usize, i64)>;

/// The seats (by index) taken on the cheapest walk from state 0 to `goal`, with their cost.
///
/// There are `states` states; `step` is asked for the seat, the state before it, and whether it is
/// taken, and answers `None` where that is not allowed. Exact, because the cost of what follows
/// depends on the state alone.
pub(super) fn cheapest(
    seats: usize,
    states: usize,
    goal: usize,
    step: impl Fn(usize, usize, bool) -> Step,
) -> Option<(i64, Vec<usize>)> {
    const NEVER: i64 = i64::MAX;
    let mut costs = vec![NEVER; states];
    costs[0] = 0;
    // For every seat and state after it: the state before it, and whether the seat was taken.
    let mut came_from = vec![(0, false); seats * states];
    for seat in 0..seats {
        let mut next = vec![NEVER; states];
        for (state, cost) in costs.iter().enumerate().filter(|(_, cost)| **cost != NEVER) {
            for taken in [false, true] {
                let Some((to, more)) = step(seat, state, taken) else { continue };
                if cost + more < next[to] {
                    next[to] = cost + more;
                    came_from[seat * states + to] = (state, taken);
                }
            }
        }
        costs = next;
    }
    if costs[goal] == NEVER {
        return None;
    }

    let mut picked = Vec::new();
    let mut state = goal;
    for seat in (0..seats).rev() {
        let (before, taken) = came_from[seat * states + state];
        if taken {
            picked.push(seat);
        }
        state = before;
    }
    picked.reverse();
    Some((costs[goal], picked))
}
