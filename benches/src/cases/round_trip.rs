//! Command → committed outcome at 200 a second, from the moment each was meant to be sent.

use std::sync::Arc;

use crate::harness::{Outcome, Report, Row, Settings, Target, alternate};
use crate::kafka::{Bare, Bench, Driver, PARTITIONS, Script, Window, engine};

/// Commands a second.
pub(super) const RATE: f64 = 200.0;
/// Not measured: the first transactions make the broker's internal topics, and its compiler is at work.
const WARM_UP_S: f64 = 5.0;

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let bench = Bench::start();
    let index = tempfile::tempdir()?;
    let (prefix, log) = bench.log(PARTITIONS)?;
    let window = Window::new(u64::MAX);
    window.start();
    let (engine, _log) = engine(log, &window, index.path())?;
    let mut ours = Driver::new(&bench.brokers(), &prefix)?;
    let (bare, mut limit) = bare(&bench)?;
    ours.block(RATE, WARM_UP_S)?;
    let compared =
        alternate(settings.pairs, |_| Ok(()), |()| ours.block(RATE, settings.block_s), |()| limit.block(RATE, settings.block_s))?;
    engine.stop();
    engine.join()?;
    bare.stop()?;
    report.add(Row::compared("round trip at 200/s, engine ÷ bare rdkafka loop, p50", "ms", Target::AtMost(1.5), &compared));
    Ok(())
}

/// The bare loop with its own log and driver, warm.
pub(super) fn bare(bench: &Bench) -> Outcome<(Bare, Driver)> {
    let (prefix, _log) = bench.log(PARTITIONS)?;
    let script = Arc::new(Script::new(1)?);
    let bare = Bare::start(&bench.brokers(), &prefix, &prefix, &script, None);
    let mut driver = Driver::new(&bench.brokers(), &prefix)?;
    driver.block(RATE, WARM_UP_S)?;
    Ok((bare, driver))
}
