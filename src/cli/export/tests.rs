//! Exports over a wire that breaks: every byte arrives once, and what is not whole gets no name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::api::testing::{Shop, token};
use crate::cli::{Cli, Verb};
use crate::export::verify::{self, Outcome};
use crate::ledger::body::{Body, Object, RegistryBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::model::registry::Template;
use crate::writer::{Cx, Op, OpError, Priority};

/// Many entries of the brand, so that an export has many pieces.
struct Templates(usize);

impl Op for Templates {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let brand = "main".parse().expect("a slug");
        for n in 0..self.0 {
            let template = Template {
                id: format!("t{n}").parse().expect("a slug"),
                brand: "main".parse().expect("a slug"),
                program: None,
                locale: "en".to_owned(),
                body: format!("{n} you left something behind ").repeat(60),
            };
            let object = Object::Template(template);
            let body = RegistryBody { object, reason: String::new(), actor: "test".to_owned() };
            cx.emit(SELLER_CHAIN, Some(&brand), Public::default(), Body::Registry(body))?;
        }
        Ok(())
    }
}

/// Passes bytes on to `to`; each of the first `cuts` connections breaks after `after` bytes of answer.
async fn wire(to: u16, cuts: usize, after: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let n = count.fetch_add(1, Ordering::SeqCst);
            let far = TcpStream::connect(("127.0.0.1", to)).await.expect("the shop listens");
            let limit = if n < cuts { after } else { usize::MAX };
            tokio::spawn(pass(near, far, limit));
        }
    });
    (port, connections)
}

async fn pass(near: TcpStream, far: TcpStream, limit: usize) {
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
    let asked = tokio::spawn(async move { tokio::io::copy(&mut near_in, &mut far_out).await });
    let (mut passed, mut piece) = (0, vec![0; 16 << 10]);
    while passed < limit {
        let Ok(n @ 1..) = far_in.read(&mut piece).await else { break };
        passed += n;
        if near_out.write_all(&piece[..n]).await.is_err() {
            break;
        }
    }
    asked.abort();
}

/// Runs the verb on a thread of its own, as `main` does.
async fn export(port: u16, arguments: &str) -> Result<ExitCode, Failure> {
    let server = format!("http://127.0.0.1:{port}");
    let key = token("auditor");
    let arguments = format!("consentry export --server {server} --key {key} {arguments}");
    let ran = tokio::task::spawn_blocking(move || {
        match Cli::try_parse_from(arguments.split(' ')).expect("parses").verb {
            Verb::Export(args) => run(args, &Output::new(true)),
            _ => panic!("not an export"),
        }
    });
    ran.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_taken_up_again_and_the_file_is_whole() {
    let shop = Shop::open().await;
    shop.gateway.writer.call(Templates(200)).await.expect("taken");
    for _ in 0..2 {
        // A checkpoint is signed after a batch's answers; the second answer comes after the first one's.
        shop.clock.advance(crate::model::Span::seconds(2));
        shop.gateway.writer.call(Templates(0)).await.expect("taken");
    }
    assert_eq!(shop.gateway.books.checkpoint().size(), shop.gateway.books.stored().len());
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    for format in ["bundle", "csv", "jsonl"] {
        let (straight, broken) = (path(&format!("straight.{format}")), path(&format!("broken.{format}")));
        export(shop.port, &format!("--format {format} -o {straight}")).await.expect("exported");
        let read = |path: &str| std::fs::read(path).expect("a file");
        let quarter = read(&straight).len() / 4;
        let (port, connections) = wire(shop.port, 3, quarter).await;
        export(port, &format!("--format {format} -o {broken}")).await.expect("exported, with breaks");
        assert!(connections.load(Ordering::SeqCst) > 3, "{format}: the wire broke");
        assert!(read(&straight) == read(&broken), "{format}: equal byte for byte");
    }
    let file = std::fs::File::open(path("broken.bundle")).expect("a file");
    let report = verify::bundle(file, &[shop.gateway.books.verifier().clone()], None);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");

    // A wire that breaks for ever: no file, and no part of one.
    let (port, _) = wire(shop.port, usize::MAX, 4_000).await;
    let failure = export(port, &format!("--format csv -o {}", path("never"))).await.expect_err("gave up");
    assert_eq!(failure.code, 3);
    let refused = export(shop.port, &format!("--format csv --brand nobodys -o {}", path("never"))).await;
    assert!(refused.expect_err("no such brand").error.contains("nobodys"));
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).expect("lists").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 6, "{left:?}");
    shop.close().await;
}

#[test]
fn a_kept_checkpoint_says_how_many_entries_it_covers() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("kept");
    std::fs::write(&file, "gw.shop.example/log/shop/e1\n42\nAAAA\n").expect("written");
    assert_eq!(size_of(&file).expect("a checkpoint"), 42);
    std::fs::write(&file, "no\ncheckpoint\n").expect("written");
    assert!(size_of(&file).is_err() && size_of(&dir.path().join("gone")).is_err());
}
