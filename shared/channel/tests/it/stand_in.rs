//! Stand-ins for a provider's API on this machine.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;

/// A request that the server got.
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Answers = dyn Fn(&Seen) -> Response + Send + Sync;

#[derive(Clone)]
struct Server {
    answers: Arc<Answers>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

async fn handle(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let seen = Seen { method, uri: uri.to_string(), headers, body };
    let answer = (server.answers)(&seen);
    server.seen.lock().unwrap().push(seen);
    answer
}

/// A server that answers each request as it is told.
pub(crate) async fn serve(
    answers: impl Fn(&Seen) -> Response + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    let server = Server { answers: Arc::new(answers), seen: Arc::default() };
    let seen = server.seen.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(handle).with_state(server);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, seen)
}

/// Takes one connection, reads a request that ends with `end`, and does with it what
/// it is told.
pub(crate) fn raw_server(
    end: &'static str,
    then: impl FnOnce(TcpStream) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream, end);
        then(stream);
    });
    address
}

/// Reads until `end` has arrived.
pub(crate) fn read_request(stream: &mut TcpStream, end: &str) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&request).contains(end) {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0);
        request.extend_from_slice(&buffer[..count]);
    }
}
