//! From which address somebody calls, also through proxies: what strangers are told apart by.

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Notes the address of the caller, who comes through so many proxies of ours.
pub async fn note(State(proxies): State<usize>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(ConnectInfo(peer)) = peer {
        let address = forwarded_for(request.headers(), proxies).unwrap_or(peer.ip());
        request.extensions_mut().insert(ConnectInfo(network(address)));
    }
    next.run(request).await
}

/// Each proxy adds at the right from whom it has the request; what stands further left anybody may
/// have written. Nothing where there are fewer entries than proxies.
fn forwarded_for(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let lines = headers.get_all(FORWARDED_FOR).iter();
    let all: Vec<&[u8]> = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).collect();
    let entry = all.len().checked_sub(proxies).and_then(|place| all.get(place))?;
    let entry = str::from_utf8(entry).ok()?.trim();
    let with_port = || entry.parse().ok().map(|at: SocketAddr| at.ip());
    entry.parse().ok().or_else(with_port)
}

/// Whoever has one IPv6 address has its network of 2^64 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_what_our_proxies_added_counts() {
        let check = |lines: &[&'static str], proxies, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                let line = HeaderValue::from_bytes(line.as_bytes()).expect("a header");
                headers.append(FORWARDED_FOR, line);
            }
            let expected = expected.map(|it| it.parse::<IpAddr>().expect("an address"));
            assert_eq!(forwarded_for(&headers, proxies), expected, "{lines:?} {proxies}");
        };
        check(&["203.0.113.7"], 0, None);
        check(&["203.0.113.7"], 1, Some("203.0.113.7"));
        check(&["10.9.9.9, 203.0.113.7"], 1, Some("203.0.113.7"));
        check(&["10.9.9.9", "203.0.113.7"], 1, Some("203.0.113.7"));
        check(&["10.9.9.9, 203.0.113.7, 10.0.0.2"], 2, Some("203.0.113.7"));
        check(&["203.0.113.7"], 2, None);
        check(&["203.0.113.7:4711"], 1, Some("203.0.113.7"));
        check(&["[2001:db8::1]:4711"], 1, Some("2001:db8::1"));
        check(&["unknown"], 1, None);
        // What cannot be read is skipped alone.
        check(&["\u{e9}, 203.0.113.7"], 1, Some("203.0.113.7"));
        check(&[], 1, None);
    }

    #[test]
    fn one_network_is_one_stranger() {
        let same = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|it| network(it.parse().expect("an address")));
            one == other
        };
        assert!(same("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
        assert!(!same("2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(same("::ffff:203.0.113.7", "203.0.113.7"));
        assert!(!same("203.0.113.7", "203.0.113.8"));
    }
}
