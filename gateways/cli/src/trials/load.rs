//! The load of a trial: `atelier demo --trial`, which notes what was acknowledged and plays what it began to its end.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Between two orders. About nine commands and twelve events come of each.
const PACE_MS: u64 = 300;
/// Never reached: a trial ends before.
const ORDERS_MAX: u32 = 100_000;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// People who order, sell, make and deliver, until told that it is enough. Dropping kills the process.
pub struct Load {
    process: Child,
    said: PathBuf,
    /// One acknowledged command a line: `order_id`, `version`, `status`.
    pub acks: PathBuf,
}

impl Load {
    /// Starts it against the gateway at `url`. `command` is the program with the environment of the roles; files
    /// called `name` go to `folder`.
    ///
    /// # Errors
    /// When it cannot be started or the folder cannot be written.
    pub fn start(mut command: Command, url: &str, seed: u64, folder: &Path, name: &str) -> io::Result<Self> {
        let (said, acks) = (folder.join(format!("{name}.said")), folder.join(format!("{name}.acks.jsonl")));
        let output = File::create(&said)?;
        command.args(["demo", "--trial", "--url", url, "--customers", "4"]);
        command.args(["--orders", &ORDERS_MAX.to_string(), "--pace-ms", &PACE_MS.to_string(), "--seed", &seed.to_string()]);
        command.arg("--acks").arg(&acks);
        // It is told that it is enough by the end of its input, which also comes when we die.
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output).process_group(0);
        Ok(Self { process: command.spawn()?, said, acks })
    }

    /// Whether it is still at it.
    ///
    /// # Errors
    /// It ended by itself; the text quotes it.
    pub fn must_run(&mut self) -> io::Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("the load ended early with {status}: {}", self.quote()))),
        }
    }

    /// No more orders; waits at most `limit` until all that were placed have ended.
    ///
    /// # Errors
    /// They did not, or somebody met with what should not happen.
    pub fn finish(mut self, limit: Duration) -> io::Result<PathBuf> {
        drop(self.process.stdin.take());
        let asked = Instant::now();
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(self.acks.clone()),
                Some(status) => return Err(io::Error::other(format!("the load ended with {status}: {}", self.quote()))),
                None if asked.elapsed() > limit => {
                    let text = format!("the load has orders that did not end within {} s: {}", limit.as_secs(), self.quote());
                    return Err(io::Error::other(text));
                }
                None => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Its troubles and its last line.
    fn quote(&self) -> String {
        let said = std::fs::read_to_string(&self.said).unwrap_or_default();
        let telling = said.lines().filter(|line| ["trouble:", "atelier:", "not all"].iter().any(|word| line.starts_with(word)));
        let last = said.lines().rfind(|line| line.contains("ended")).unwrap_or_default();
        telling.chain([last]).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
