//! Inflicts one fault and waits until everything moves again.

use std::time::{Duration, Instant};

use atelier_cli::trials::Step;
use fastrand::Rng;

use crate::house::House;
use crate::poison::Poisoned;
use crate::proxy::{END_TXN, Hold, LIST_OFFSETS};
use crate::{Kind, Outcome, disk, poison, text};

/// Longer than the session of an owner (6 s) and the lease of a worker (3 s).
const FREEZE: Duration = Duration::from_secs(8);
/// How wrong a clock may be. More would only make the run wait for deadlines that it has set itself.
const SKEW_MS: i64 = 20_000;
const STORM: usize = 4;
/// A commit comes by within it: the load never pauses for so long.
const CAUGHT_WITHIN: Duration = Duration::from_secs(300);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What a fault has come to.
pub(crate) struct Inflicted {
    /// Until everything moved again. From the fault on where the others have to make up for it, from its end where
    /// nobody can.
    pub(crate) recovery: Duration,
    /// The records that the audit now has to name.
    pub(crate) poisoned: Vec<Poisoned>,
}

/// See the module.
pub(crate) fn inflict(house: &mut House, step: &Step<Kind>) -> Outcome<Inflicted> {
    let mut rng = Rng::with_seed(step.draw);
    let mut poisoned = Vec::new();
    let recovery = match step.kind {
        Kind::KillEngine => kill(house, "engine", &mut rng),
        Kind::KillGateway => kill(house, "gateway", &mut rng),
        Kind::KillProjections => kill(house, "projections", &mut rng),
        Kind::KillPricing => kill(house, "pricing", &mut rng),
        Kind::ReplaceEngine => replace(house, &mut rng),
        Kind::FreezeEngine => freeze(house, "engine", &mut rng),
        Kind::FreezePricing => freeze(house, "pricing", &mut rng),
        Kind::SkewEngine => skew(house, &mut rng),
        Kind::Storm => storm(house, &mut rng),
        Kind::KillBroker => kill_broker(house, &mut rng),
        Kind::FreezeBroker => freeze_broker(house, &mut rng),
        Kind::CutBroker | Kind::IsolateBroker => cut(house, step.kind, &mut rng),
        Kind::SlowBroker => slow(house, &mut rng),
        Kind::SlowListOffsets => slow_list_offsets(house, &mut rng),
        Kind::HoldEndTxn => hold(house, Hold::Request, &mut rng),
        Kind::HoldReply => hold(house, Hold::Answer, &mut rng),
        Kind::LateEndTxn => hold(house, Hold::Late, &mut rng),
        Kind::KillInCommit => kill_in_commit(house, Hold::Answer, &mut rng),
        Kind::KillBeforeCommit => kill_in_commit(house, Hold::Late, &mut rng),
        Kind::StopStore | Kind::KillStore => store(house, step.kind, &mut rng),
        Kind::FullDisk => disk::fill_and_free(house.runtime.handle(), step.number, house.recover_within),
        Kind::PoisonCommands => {
            poison::commands(house, &mut rng)?;
            house.moves(Instant::now())
        }
        Kind::PoisonJobs => {
            poisoned = poison::jobs(house, step.number, &mut rng)?;
            house.moves(Instant::now())
        }
        Kind::PoisonEvents => {
            poisoned = poison::events(house, step.number, &mut rng)?;
            house.moves(Instant::now())
        }
    }?;
    Ok(Inflicted { recovery, poisoned })
}

/// One of the processes of a role.
fn one(house: &House, role: &str, rng: &mut Rng) -> usize {
    let all: Vec<usize> = (0..house.roles.len()).filter(|index| house.roles[*index].name().starts_with(role)).collect();
    all[rng.usize(0..all.len())]
}

fn seconds(rng: &mut Rng, range: std::ops::Range<u32>) -> Duration {
    MILLISECOND * rng.u32(range.start * 1000..range.end * 1000)
}

fn kill(house: &mut House, role: &str, rng: &mut Rng) -> Outcome<Duration> {
    let (which, since) = (one(house, role, rng), Instant::now());
    house.roles[which].restart().map_err(text)?;
    house.moves(since)
}

fn replace(house: &mut House, rng: &mut Rng) -> Outcome<Duration> {
    let (which, since) = (one(house, "engine", rng), Instant::now());
    house.roles[which].kill().map_err(text)?;
    let recovery = house.moves(since);
    house.roles[which].restart().map_err(text)?;
    let recovery = recovery?;
    house.moves(Instant::now())?;
    Ok(recovery)
}

fn freeze(house: &mut House, role: &str, rng: &mut Rng) -> Outcome<Duration> {
    let (which, since) = (one(house, role, rng), Instant::now());
    house.roles[which].pause().map_err(text)?;
    let recovery = house.moves(since);
    std::thread::sleep(FREEZE.saturating_sub(since.elapsed()));
    house.roles[which].resume().map_err(text)?;
    let recovery = recovery?;
    // The zombie is awake now.
    house.moves(Instant::now())?;
    Ok(recovery)
}

fn skew(house: &mut House, rng: &mut Rng) -> Outcome<Duration> {
    let (which, since) = (one(house, "engine", rng), Instant::now());
    let skew_ms = if rng.bool() { SKEW_MS } else { -SKEW_MS };
    house.roles[which]
        .restart_as(|command| {
            command.env("ATELIER_CLOCK_SKEW_MS", skew_ms.to_string());
        })
        .map_err(text)?;
    let first = house.moves(since)?;
    let right_again = Instant::now();
    house.roles[which].restart().map_err(text)?;
    Ok(first.max(house.moves(right_again)?))
}

fn storm(house: &mut House, rng: &mut Rng) -> Outcome<Duration> {
    let mut gusts = Vec::new();
    for number in 0..STORM {
        let name = format!("storm-{number}");
        gusts.push(house.role(&name, &["engine", "--instance", &name])?);
        std::thread::sleep(MILLISECOND * rng.u32(100..1_500));
        if rng.bool() {
            gusts.swap_remove(rng.usize(0..gusts.len())).kill().map_err(text)?;
        }
    }
    drop(gusts);
    house.moves(Instant::now())
}

fn kill_broker(house: &mut House, rng: &mut Rng) -> Outcome<Duration> {
    let (node, since) = (rng.usize(0..house.gates.len()), Instant::now());
    house.cluster.kill(node);
    let recovery = house.moves(since);
    house.cluster.restart(node);
    let recovery = recovery?;
    house.moves(Instant::now())?;
    Ok(recovery)
}

fn freeze_broker(house: &mut House, rng: &mut Rng) -> Outcome<Duration> {
    let (node, since) = (rng.usize(0..house.gates.len()), Instant::now());
    house.cluster.freeze(node);
    let recovery = house.moves(since);
    // Whoever takes the engine's partitions over, once its session is over, asks where they end.
    let engine = one(house, "engine", rng);
    let killed = house.roles[engine].kill().map_err(text);
    std::thread::sleep(seconds(rng, 5..8));
    house.cluster.thaw(node);
    let (recovery, ()) = (recovery?, killed?);
    house.moves(Instant::now())?;
    house.roles[engine].restart().map_err(text)?;
    house.moves(Instant::now())?;
    Ok(recovery)
}

fn cut(house: &mut House, kind: Kind, rng: &mut Rng) -> Outcome<Duration> {
    let gate = &house.gates[rng.usize(0..house.gates.len())];
    if kind == Kind::CutBroker {
        gate.client.cut();
    } else {
        gate.cut_all();
    }
    std::thread::sleep(seconds(rng, 2..9));
    gate.open();
    house.moves(Instant::now())
}

fn slow(house: &mut House, rng: &mut Rng) -> Outcome<Duration> {
    let (node, since) = (rng.usize(0..house.gates.len()), Instant::now());
    house.gates[node].client.delay(MILLISECOND * rng.u32(20..150));
    let recovery = house.moves(since);
    house.gates[node].open();
    recovery
}

fn slow_list_offsets(house: &mut House, rng: &mut Rng) -> Outcome<Duration> {
    house.traps.slow(LIST_OFFSETS, MILLISECOND * rng.u32(300..900));
    let recovery = replace(house, rng);
    house.traps.clear();
    recovery
}

fn hold(house: &mut House, hold: Hold, rng: &mut Rng) -> Outcome<Duration> {
    let time = seconds(rng, 1..6);
    let since = catch(house, hold, time)?;
    let recovery = house.moves(since)?;
    // What comes late has come now, and finds whoever is there then.
    std::thread::sleep((time + MILLISECOND * 500).saturating_sub(since.elapsed()));
    house.moves(Instant::now())?;
    Ok(recovery)
}

fn kill_in_commit(house: &mut House, hold: Hold, rng: &mut Rng) -> Outcome<Duration> {
    let time = seconds(rng, 1..6);
    let caught = catch(house, hold, time)?;
    let since = Instant::now();
    for role in house.roles.iter_mut().filter(|role| role.name().starts_with("engine")) {
        role.kill().map_err(text)?;
    }
    for role in house.roles.iter_mut().filter(|role| role.name().starts_with("engine")) {
        role.restart().map_err(text)?;
    }
    let recovery = house.moves(since)?;
    std::thread::sleep((time + MILLISECOND * 500).saturating_sub(caught.elapsed()));
    house.moves(Instant::now())?;
    Ok(recovery)
}

/// Waits for the next commit and holds it; returns when that was.
fn catch(house: &House, hold: Hold, time: Duration) -> Outcome<Instant> {
    let caught = house.traps.set(END_TXN, hold, time);
    let result = caught.recv_timeout(CAUGHT_WITHIN).map_err(|_| format!("no EndTxn came by within {} s", CAUGHT_WITHIN.as_secs()));
    house.traps.clear();
    result.map(|()| Instant::now())
}

fn store(house: &mut House, kind: Kind, rng: &mut Rng) -> Outcome<Duration> {
    if kind == Kind::StopStore {
        house.postgres.stop();
    } else {
        house.postgres.kill();
    }
    std::thread::sleep(seconds(rng, 1..6));
    house.postgres.restart();
    house.moves(Instant::now())
}
