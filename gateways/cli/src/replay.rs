//! `atelier replay`: the events of the past in the order of time, and of now with `--follow`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use atelier_http::Envelope;
use atelier_log::{Log, Partition, Record};
use atelier_schemas::{Event, Framed, Topic, partition_of};
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::cli::{Format, ReplayArgs};
use crate::publish::Events;
use crate::settings::Settings;
use crate::wiring::{self, Access};

const BATCH: usize = 1000;
const POLL: Duration = Duration::from_millis(200);

/// Writes what is asked for.
pub(crate) async fn run(settings: &Settings, args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let log = wiring::log(settings, Access::ReadOnly).await?;
    let out: Box<dyn Write + Send> = match &args.out {
        Some(path) => Box::new(File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?),
        None => Box::new(std::io::stdout()),
    };
    let envelope = match args.format {
        Format::Jsonl => Envelope::Plain,
        Format::Cloudevents => Envelope::CloudEvents,
    };
    let wanted =
        Wanted { from: args.from, to: args.to, order: args.order.map(|id| id.to_string()), type_name: args.type_name.clone(), envelope };
    let partitions: Vec<Partition> = match &args.order {
        Some(id) => vec![partition_of(id, log.partitions())],
        None => (0..log.partitions()).collect(),
    };
    let follow = args.follow;
    let written = tokio::task::spawn_blocking(move || write(&log, &partitions, &wanted, follow, BufWriter::new(out), &stop)).await?;
    match written {
        // `| head` has seen enough.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
        Ok(unreadable) if unreadable > 0 => {
            eprintln!("atelier: {unreadable} records could not be read; `atelier audit` names them");
            Ok(ExitCode::from(1))
        }
        Ok(_) => Ok(ExitCode::SUCCESS),
    }
}

struct Wanted {
    from: Option<i64>,
    to: Option<i64>,
    order: Option<String>,
    type_name: Option<String>,
    envelope: Envelope,
}

impl Wanted {
    fn takes(&self, record: &Record) -> bool {
        self.order.as_ref().is_none_or(|order| *order == record.key) && self.type_name.as_ref().is_none_or(|name| *name == record.kind)
    }

    fn in_time(&self, event: &Event) -> bool {
        self.from.is_none_or(|from| event.time >= from) && self.to.is_none_or(|to| event.time < to)
    }
}

fn write(
    log: &Arc<dyn Log>,
    partitions: &[Partition],
    wanted: &Wanted,
    follow: bool,
    mut out: impl Write,
    stop: &CancellationToken,
) -> Result<u64, Failure> {
    let mut unreadable = 0;
    let mut events = Events::open(log.as_ref(), partitions.iter().copied())?;
    while let Some(record) = events.next()? {
        unreadable += line(&mut out, wanted, &record)?;
        if stop.is_cancelled() {
            break;
        }
    }
    out.flush()?;
    if follow {
        let mut reader = log.read(Topic::Events, &events.positions())?;
        while !stop.is_cancelled() {
            for record in reader.poll(BATCH, POLL)? {
                unreadable += line(&mut out, wanted, &record)?;
            }
            out.flush()?;
        }
    }
    Ok(unreadable)
}

/// One line; 1 where the record could not be read.
fn line(out: &mut impl Write, wanted: &Wanted, record: &Record) -> Result<u64, Failure> {
    if !wanted.takes(record) {
        return Ok(0);
    }
    let Ok(event) = Event::decode(&record.payload) else { return Ok(1) };
    if wanted.in_time(&event) {
        serde_json::to_writer(&mut *out, &wanted.envelope.around(event)).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(0)
}
