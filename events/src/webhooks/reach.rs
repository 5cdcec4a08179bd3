//! Which addresses a partner may have called: a public one, never something inside the house
//! (server-side request forgery).

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::lookup_host;

const URL_CHARS_MAX: usize = 2_000;

/// How far out calls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// HTTPS to public addresses.
    Public,
    /// Also into the house, and without TLS: for testers.
    Anywhere,
}

impl Reach {
    /// In words, for who has broken it.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Public => "https to a public host, without a user, a password or a fragment",
            Self::Anywhere => "http or https, without a user, a password or a fragment",
        }
    }

    /// The URL, when it may be called. A name in it is looked at when it is resolved.
    pub fn parse(self, url: &str) -> Option<Url> {
        let parsed = Url::parse(url).ok()?;
        let plain = parsed.username().is_empty() && parsed.password().is_none();
        let fits = parsed.as_str().len() <= URL_CHARS_MAX && plain && parsed.fragment().is_none();
        let allowed = match self {
            Self::Public => parsed.scheme() == "https" && !literal(&parsed).is_some_and(inside),
            Self::Anywhere => matches!(parsed.scheme(), "https" | "http"),
        };
        (fits && allowed && parsed.has_host()).then_some(parsed)
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = match reach {
                Self::Public => found.filter(|address| !inside(address.ip())).collect(),
                Self::Anywhere => found.collect(),
            };
            if allowed.is_empty() {
                return Err("no public address".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is no host on the public internet: the special-purpose registries
/// <https://www.iana.org/assignments/iana-ipv4-special-registry> and
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>.
fn inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => inside_v4(v4),
        IpAddr::V6(v6) => inside_v6(v6),
    }
}

fn inside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let by_name = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation();
    let shared = a == 100 && (64..128).contains(&b);
    let assignments = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    by_name || a == 0 || a >= 240 || shared || assignments || benchmarks
}

/// Only the global unicast block is public, and in it not what wraps an IPv4 address or tells of
/// nobody.
fn inside_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = (a & 0xe000) == 0x2000;
    let protocol = a == 0x2001 && b < 0x0200;
    let documentation = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    let six_to_four = a == 0x2002;
    !global || protocol || documentation || six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_called() {
        let inside = [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://198.18.0.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:db8::1]/",
            "http://example.com/",
            "ftp://example.com/",
            "https://user:secret@example.com/",
            "https://example.com/#here",
            "not a url",
            "https://",
        ];
        for url in inside {
            assert!(Reach::Public.parse(url).is_none(), "{url}");
        }
        for url in
            ["https://example.com/hook?x=1", "https://8.8.8.8:8443/", "https://[2606:4700::1]/"]
        {
            assert!(Reach::Public.parse(url).is_some(), "{url}");
        }
        assert!(Reach::Anywhere.parse("http://127.0.0.1:9000/").is_some());
        assert!(Reach::Anywhere.parse("file:///etc/passwd").is_none());
        let long = format!("https://example.com/{}", "x".repeat(URL_CHARS_MAX));
        assert!(Reach::Public.parse(&long).is_none());
    }

    #[tokio::test]
    async fn a_name_for_an_inside_address_is_not_resolved() {
        let resolve = |reach: Reach| reach.resolve("localhost".parse().expect("a name"));
        assert!(resolve(Reach::Public).await.is_err());
        assert!(resolve(Reach::Anywhere).await.is_ok());
    }
}
