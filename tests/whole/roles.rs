//! Roles as processes: started, killed, started again.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing takes nearly so long; it bounds what would wait for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The program under test, built beside this one.
pub(crate) fn atelier() -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    let program = this.parent().and_then(Path::parent).expect("target/release/deps").join("atelier");
    assert!(program.exists(), "{} is missing: cargo build --release --workspace", program.display());
    program
}

/// What all roles of a house share.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) data: PathBuf,
    /// `ATELIER_…` variables.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl House {
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(atelier());
        command.args(args).stdin(Stdio::null()).current_dir(&self.data);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ATELIER_")) {
            command.env_remove(name);
        }
        // A 202 is right on a machine that has much to do, and not what the tests are about.
        command.env("ATELIER_DECIDE_WITHIN_S", "60");
        command.env("ATELIER_DATA", &self.data).envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// Runs to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Starts a role; its messages go to a file of its own in the data folder.
    pub(crate) fn start(&self, name: &str, args: &[&str]) -> Role {
        Role {
            child: Some(self.spawn(name, args)),
            house: self.clone(),
            name: name.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        }
    }

    fn spawn(&self, name: &str, args: &[&str]) -> Child {
        let messages =
            File::options().create(true).append(true).open(self.data.join(format!("{name}.stderr"))).expect("the folder is ours");
        self.command(args).stdout(Stdio::piped()).stderr(messages).spawn().expect("the program starts")
    }
}

/// A role that can be killed and comes back.
pub(crate) struct Role {
    child: Option<Child>,
    house: House,
    pub(crate) name: String,
    args: Vec<String>,
}

impl Role {
    /// SIGKILL, and up again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.child = Some(self.house.spawn(&self.name, &args));
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
        }
    }

    /// SIGTERM; waits for the end. Whether it ended well.
    pub(crate) fn end(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill exists");
        assert!(asked.success());
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("it is our child") {
                return status.success();
            }
            assert!(started.elapsed() < PATIENCE, "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("it is our child").is_none())
    }

    /// The URL it prints when it is ready.
    pub(crate) fn url(&mut self) -> String {
        let output = self.child.as_mut().and_then(|child| child.stdout.take()).expect("its output is asked for once");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("its output can be read");
        assert!(line.starts_with("http://"), "{} said {line:?}; its messages: {}", self.name, self.messages());
        line.trim().to_owned()
    }

    pub(crate) fn messages(&self) -> String {
        std::fs::read_to_string(self.house.data.join(format!("{}.stderr", self.name))).unwrap_or_default()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One HTTP request over a connection of its own: status and body. Small on purpose; the client under
/// test is curl's equal.
pub(crate) fn http(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    try_http(url, method, path, headers, body).expect("the gateway listens, takes the request and answers")
}

/// The same where the gateway may be dead.
pub(crate) fn try_http(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<(u16, String)> {
    try_http_within(PATIENCE, url, method, path, headers, body)
}

/// The same for a client that does not wait long for the next bytes.
pub(crate) fn try_http_within(
    patience: Duration,
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<(u16, String)> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("the answer has no status line"))?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}
