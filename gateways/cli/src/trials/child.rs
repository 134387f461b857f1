//! A role as a process of ours: killed, stopped, started again. Nothing but its own processes is ever touched.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Between two looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Lines of its messages that a complaint quotes.
const QUOTED: usize = 15;

type Make = Box<dyn Fn() -> Command + Send>;

/// A process that can be started again. Dropping kills it.
pub struct Child {
    name: String,
    make: Make,
    messages: PathBuf,
    process: Option<std::process::Child>,
}

impl Child {
    /// Starts what `make` describes; what it says goes to `NAME.messages` in `folder`. In a process group of its
    /// own: Ctrl-C is for whoever started it.
    ///
    /// # Errors
    /// When it cannot be started or the file cannot be written.
    pub fn start(name: impl Into<String>, folder: &Path, make: impl Fn() -> Command + Send + 'static) -> io::Result<Self> {
        let name = name.into();
        let messages = folder.join(format!("{name}.messages"));
        let mut child = Self { name, make: Box::new(make), messages, process: None };
        child.restart()?;
        Ok(child)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SIGKILL, if it runs, and its end.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Kills it if it runs, and starts it (again).
    ///
    /// # Errors
    /// As for [`Child::start`].
    pub fn restart(&mut self) -> io::Result<()> {
        self.restart_as(|_| {})
    }

    /// The same with another command line or environment for this one life.
    ///
    /// # Errors
    /// As for [`Child::start`].
    pub fn restart_as(&mut self, change: impl FnOnce(&mut Command)) -> io::Result<()> {
        self.kill()?;
        let messages = File::options().create(true).append(true).open(&self.messages)?;
        let mut command = (self.make)();
        change(&mut command);
        let process = command.stdin(Stdio::null()).stdout(messages.try_clone()?).stderr(messages).process_group(0).spawn()?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGSTOP: it stands still and does not know it.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> io::Result<()> {
        self.signal("-STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> io::Result<()> {
        self.signal("-CONT")
    }

    /// SIGTERM; waits at most `limit` for its end and kills it then.
    ///
    /// # Errors
    /// What it says at its end, when it did not end well and in time.
    pub fn end(&mut self, limit: Duration) -> io::Result<()> {
        if self.process.is_none() {
            return Ok(());
        }
        self.signal("-TERM")?;
        let asked = Instant::now();
        while asked.elapsed() < limit {
            if let Some(status) = self.try_wait()? {
                self.process = None;
                return if status.success() { Ok(()) } else { Err(self.complaint(&format!("ended with {status}"))) };
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        self.kill()?;
        Err(self.complaint(&format!("did not end within {} s", limit.as_secs())))
    }

    /// Why it ended by itself.
    ///
    /// # Errors
    /// It did; the text quotes what it said last.
    pub fn must_run(&mut self) -> io::Result<()> {
        match self.try_wait()? {
            None if self.process.is_some() => Ok(()),
            Some(status) => Err(self.complaint(&format!("ended by itself with {status}"))),
            None => Err(self.complaint("does not run")),
        }
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(std::process::Child::id)
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), std::process::Child::try_wait)
    }

    /// Through `kill`, short of a crate for one call.
    fn signal(&self, name: &str) -> io::Result<()> {
        let id = self.id().ok_or_else(|| io::Error::other(format!("{} does not run", self.name)))?;
        let done = Command::new("kill").args([name, &id.to_string()]).status()?;
        if done.success() { Ok(()) } else { Err(self.complaint(&format!("took no {name}"))) }
    }

    /// The last lines of what it said, `count` at most.
    pub fn said_last(&self, count: usize) -> String {
        let said = std::fs::read_to_string(&self.messages).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    fn complaint(&self, what: &str) -> io::Error {
        io::Error::other(format!("{} {what}; it said last:\n{}", self.name, self.said_last(QUOTED)))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &'static str) -> impl Fn() -> Command + Send + 'static {
        move || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        }
    }

    #[test]
    fn it_is_killed_and_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Child::start("sleeper", folder.path(), shell("exec sleep 60")).expect("it starts");
        let first = child.id();
        child.must_run().expect("it runs");
        child.pause().expect("stopped");
        child.restart().expect("also a stopped one is killed");
        assert_ne!(child.id(), first);
        child.kill().expect("killed");
        assert!(child.must_run().is_err() && child.pause().is_err());
    }

    #[test]
    fn who_ends_badly_is_quoted() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Child::start("grumbler", folder.path(), shell("echo no such place >&2; exit 3")).expect("it starts");
        let complaint = loop {
            if let Err(complaint) = child.must_run() {
                break complaint.to_string();
            }
            std::thread::sleep(LOOK_AGAIN);
        };
        assert!(complaint.contains("exit status: 3") && complaint.contains("no such place"), "{complaint}");
    }

    #[test]
    fn who_is_asked_ends_well() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
        let mut child = Child::start("obedient", folder.path(), shell(script)).expect("it starts");
        while std::fs::read_to_string(folder.path().join("obedient.messages")).unwrap_or_default().is_empty() {
            std::thread::sleep(LOOK_AGAIN);
        }
        child.end(Duration::from_secs(30)).expect("it ends well");
    }
}
