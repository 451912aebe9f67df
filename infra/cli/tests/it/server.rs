use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::program::carillon;

/// Time that a server may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// `carillon serve --json` on a data folder.
pub(crate) fn serve(folder: &Path, listen: &str) -> Command {
    let mut command = carillon();
    command.args(["serve", "--json", "--listen", listen, "--data"]).arg(folder);
    command
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    /// The JSON object that the server prints at its start.
    pub(crate) startup: Value,
    // The server can write to its standard output until it ends.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server and waits until it answers requests.
    pub(crate) fn start(serve: &mut Command) -> Self {
        let mut process = serve.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("its standard output"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let startup = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the server printed {line:?}: {error}"));
        Self { process, startup, _stdout: stdout }
    }

    pub(crate) fn url(&self) -> &str {
        self.startup["url"].as_str().expect("a URL")
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }

    /// Sends SIGTERM and checks that the server stops in time with exit code 0.
    pub(crate) fn terminate(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        for _ in 0..STOP_TIMEOUT.div_duration_f64(POLL_INTERVAL) as u32 {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        panic!("the server did not stop within {STOP_TIMEOUT:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if the server has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
