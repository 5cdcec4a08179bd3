//! Temporal and PostgreSQL behind mutual TLS: Marquee speaks to them with the right certificates, and
//! with no others. Temporal's dev server has no TLS of its own; what stands before it here is rustls.

use crate::app::{MARQUEE, until};
use crate::fleet::parts::Fleet;
use crate::postgres::{cluster, own_cluster};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Files of a certificate and of its key.
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(PartialEq)]
enum Lasts {
    Still,
    NoLonger,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(parameters, key).expect("a certificate"))
    }

    fn file(&self, folder: &Path, name: &str) -> PathBuf {
        written(folder, name, &self.0.pem())
    }

    fn signs(&self, folder: &Path, name: &str, lasts: Lasts) -> Identity {
        let subject = vec!["127.0.0.1".to_owned()];
        let mut parameters = CertificateParams::new(subject).expect("an address");
        parameters.distinguished_name.push(DnType::CommonName, name);
        if lasts == Lasts::NoLonger {
            parameters.not_before = date_time_ymd(2020, 1, 1);
            parameters.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.0).expect("a certificate");
        Identity {
            certificate: written(folder, &format!("{name}.pem"), &certificate.pem()),
            key: written(folder, &format!("{name}.key"), &key.serialize_pem()),
        }
    }
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("it is writable");
    path
}

/// Stands before a server, and lets in whoever has a certificate of the authority.
struct Door {
    address: SocketAddr,
    turned_away: Arc<AtomicU32>,
}

impl Door {
    async fn before(server: String, own: &Identity, authority: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).expect("a file")).expect("a root");
        let verifier = WebPkiClientVerifier::builder(roots.into()).build().expect("a verifier");
        let chain = vec![CertificateDer::from_pem_file(&own.certificate).expect("a file")];
        let key = PrivateKeyDer::from_pem_file(&own.key).expect("a file");
        let config = ServerConfig::builder().with_client_cert_verifier(verifier);
        let mut config = config.with_single_cert(chain, key).expect("they fit");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let turned_away = Arc::new(AtomicU32::new(0));
        let counted = turned_away.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, server, counted) =
                    (acceptor.clone(), server.clone(), counted.clone());
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else {
                        counted.fetch_add(1, Ordering::Relaxed);
                        return;
                    };
                    let mut server = TcpStream::connect(server).await.expect("the dev server");
                    copy_bidirectional(&mut client, &mut server).await.ok();
                });
            }
        });
        Self { address, turned_away }
    }

    fn turned_away(&self) -> u32 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

/// Certificates of an authority of ours and of another's.
struct Papers {
    /// With all the files.
    _folder: TempDir,
    our_root: PathBuf,
    their_root: PathBuf,
    server: Identity,
    good: Identity,
    expired: Identity,
    foreign: Identity,
}

impl Papers {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (ours, others) = (Authority::new("ours"), Authority::new("others"));
        let files = folder.path();
        Self {
            our_root: ours.file(files, "ours.ca"),
            their_root: others.file(files, "others.ca"),
            server: ours.signs(files, "server", Lasts::Still),
            good: ours.signs(files, "good", Lasts::Still),
            expired: ours.signs(files, "expired", Lasts::NoLonger),
            foreign: others.signs(files, "foreign", Lasts::Still),
            _folder: folder,
        }
    }

    /// Who must not come through: what is wrong, whom they believe, who they say they are.
    fn bad(&self) -> [(&'static str, &Path, Option<&Identity>); 4] {
        [
            ("expired", &self.our_root, Some(&self.expired)),
            ("foreign", &self.our_root, Some(&self.foreign)),
            ("nobody", &self.our_root, None),
            ("to a stranger", &self.their_root, Some(&self.good)),
        ]
    }
}

#[tokio::test]
async fn temporal_is_spoken_to_with_the_right_certificates_only() {
    let Some(cluster) = cluster() else { return };
    aws_lc_rs::default_provider().install_default().ok();
    let papers = Papers::new();
    let mut fleet = Fleet::on(&cluster.database()).await;
    let door = Door::before(fleet.temporal.address(), &papers.server, &papers.our_root).await;
    fleet.set("TEMPORAL_ADDRESS", door.address.to_string());
    let path = |path: &Path| path.display().to_string();
    let speaks = |fleet: &mut Fleet, root: &Path, who: Option<&Identity>| {
        fleet.set("TEMPORAL_TLS_SERVER_CA_CERT_PATH", path(root));
        let [certificate, key] = who
            .map_or([String::new(), String::new()], |who| [path(&who.certificate), path(&who.key)]);
        fleet.set("TEMPORAL_TLS_CLIENT_CERT_PATH", certificate);
        fleet.set("TEMPORAL_TLS_CLIENT_KEY_PATH", key);
    };
    for (what, root, who) in papers.bad() {
        speaks(&mut fleet, root, who);
        let before = door.turned_away();
        let worker = fleet.unready_worker().await;
        until(what, async || door.turned_away() > before + 1).await;
        assert_eq!(worker.ready().await, 503, "{what}");
    }

    speaks(&mut fleet, &papers.our_root, Some(&papers.good));
    let _parts = [fleet.api(), fleet.worker("booking,payment,ticket")];
    fleet.until_ready().await;
    let before = door.turned_away();
    fleet.customer("secured").ticketed(1).await;
    assert_eq!(door.turned_away(), before);
}

#[test]
fn postgresql_is_spoken_to_with_the_right_certificates_only() {
    let Some(cluster) = own_cluster() else { return };
    let papers = Papers::new();
    let database = cluster.database();
    let Identity { certificate, key } = &papers.server;
    cluster.demand_certificates(certificate, key, &papers.our_root);
    let migrates = |url: &str| {
        let mut migrate = Command::new(MARQUEE);
        let ended = migrate.arg("migrate").env("MARQUEE_DATABASE_URL", url).output();
        ended.expect("marquee runs").status.success()
    };
    let url = |root: &Path, who: Option<&Identity>| {
        let trusts = format!("{database}?sslmode=verify-full&sslrootcert={}", root.display());
        let shows = who.map(|Identity { certificate, key }| {
            format!("&sslcert={}&sslkey={}", certificate.display(), key.display())
        });
        trusts + &shows.unwrap_or_default()
    };
    for (what, root, who) in papers.bad() {
        assert!(!migrates(&url(root, who)), "{what}");
    }
    assert!(!migrates(&format!("{database}?sslmode=disable")), "in plain");
    assert!(migrates(&url(&papers.our_root, Some(&papers.good))));
}
