//! Child processes that never outlive this one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often readiness is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(25);

/// A running server. Dropping kills it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` so that the kernel kills it when this process ends; what it prints is appended to `log`.
    /// `user` runs it as that user (this process must be root then).
    pub(crate) fn start(program: &Path, user: Option<&str>, log: &Path, arguments: impl FnOnce(&mut Command)) -> io::Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = user {
            command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups");
        }
        command.arg("--").arg(program);
        arguments(&mut command);
        let output = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(Self { child: spawn(command)?, log: log.to_owned() })
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// The process ended, or the time is over; the text names the log file and quotes its end.
    pub(crate) fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        loop {
            if ready() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.complaint(&format!("ended with {status} before it was ready")));
            }
            if Instant::now() > deadline {
                return Err(self.complaint(&format!("was not ready within {} s", limit.as_secs())));
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }

    /// Sends it a signal, for example `-INT`, and waits at most `limit` for its end.
    ///
    /// # Errors
    /// It did not end; the text names the log file and quotes its end.
    pub(crate) fn end_by(&mut self, signal: &str, limit: Duration) -> Result<(), String> {
        self.signal(signal)?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return Ok(());
            }
            std::thread::sleep(ASK_AGAIN);
        }
        Err(self.complaint(&format!("did not end within {} s of {signal}", limit.as_secs())))
    }

    /// Sends it a signal, for example `-STOP`.
    ///
    /// # Errors
    /// It took none; the text names the log file and quotes its end.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), String> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        if sent.is_ok_and(|status| status.success()) { Ok(()) } else { Err(self.complaint(&format!("took no {signal}"))) }
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    fn complaint(&self, what: &str) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        format!("the server {what}; its log {} ends with:\n{end}", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

type Request = (Command, SyncSender<io::Result<Child>>);

/// The kernel sends the death signal when the *thread* that started the child ends, and a test's
/// thread ends with the test. So one thread that lives as long as the process starts them all.
fn spawn(command: Command) -> io::Result<Child> {
    static KEEPER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        std::thread::Builder::new()
            .name("server-keeper".into())
            .spawn(move || {
                for (mut command, answer) in requests {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        Mutex::new(sender)
    });
    let (answer, child) = sync_channel(1);
    let gone = |_| io::Error::other("the thread that starts servers is gone");
    keeper.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer)).map_err(|_| gone(()))?;
    child.recv().map_err(|_| gone(()))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    #[test]
    fn a_server_outlives_the_thread_that_asked_for_it() {
        let folder = Folder::new("process").unwrap();
        let log = folder.path().join("log");
        let mut process = std::thread::spawn(move || {
            Process::start(Path::new("sleep"), None, &log, |command| {
                command.arg("60");
            })
            .unwrap()
        })
        .join()
        .unwrap();
        assert!(process.child.try_wait().unwrap().is_none(), "killed with the thread that asked for it");
        assert!(!process.kill().unwrap().success());
    }

    #[test]
    fn a_server_that_ends_early_is_reported_with_its_log() {
        let folder = Folder::new("process").unwrap();
        let log = folder.path().join("log");
        let mut process = Process::start(Path::new("sh"), None, &log, |command| {
            command.args(["-c", "echo no such port; exit 3"]);
        })
        .unwrap();
        let complaint = process.wait_until(Duration::from_secs(30), || false).unwrap_err();
        assert!(complaint.contains("exit status: 3") && complaint.contains("no such port"), "{complaint}");
        assert!(complaint.contains(&folder.path().display().to_string()), "{complaint}");
    }
}
