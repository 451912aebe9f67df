use std::net::TcpListener;
use std::path::Path;

use serde_json::json;
use whatsapp_simulator::{Config, Simulator};

use super::client::{Client, KEY};
use crate::server::{Server, serve};

pub(super) const APP_SECRET: &str = "simulator-app-secret";

/// The program on a folder of its own with one connection, and the simulator that it sends to.
pub(super) struct Program {
    pub(super) simulator: Simulator,
    folder: tempfile::TempDir,
    port: u16,
    server: Server,
    pub(super) client: Client,
    pub(super) connection: String,
}

impl Program {
    pub(super) async fn start(config: Config, throughput: u32) -> Self {
        let simulator = Simulator::start(config).await.expect("the simulator starts");
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let client = Client::new(port);
        simulator.set_webhook(&format!("{}/webhooks/whatsapp", client.url), "verify");
        let server = start_server(folder.path(), port, &simulator);
        let request = json!({
            "name": "Main", "throughput_mps": throughput,
            "provider": {"type": "whatsapp_cloud", "whatsapp_cloud": {
                "phone_number_id": "800000000000001", "waba_id": "900000000000001",
            }},
            "credentials": {
                "access_token": "token", "app_secret": APP_SECRET, "verify_token": "verify",
            },
        });
        let created = client.post_until_done("/v1/connections", "connection", &request).await;
        let connection = created["id"].as_str().expect("an id").to_owned();
        Self { simulator, folder, port, server, client, connection }
    }

    /// Sends SIGKILL and starts the program again on the same folder.
    pub(super) fn kill_and_restart(&mut self) {
        self.server.kill();
        self.server = start_server(self.folder.path(), self.port, &self.simulator);
    }

    /// Ends the program and returns the simulator.
    pub(super) fn end(self) -> Simulator {
        self.simulator
    }
}

fn start_server(folder: &Path, port: u16, simulator: &Simulator) -> Server {
    Server::start(
        serve(folder, &format!("127.0.0.1:{port}"))
            .args(["--graph-url", &simulator.url()])
            .env("CARILLON_ADMIN_KEY", KEY)
            .env("CARILLON_LOG", "error"),
    )
}
