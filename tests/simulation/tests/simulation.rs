//! Many seeds, the same bytes twice, and one run written by hand for each kind of fault.

use std::num::NonZero;

use atelier_log::memory::Fault;
use atelier_schemas::{CommandData, Item, Model};
use atelier_simulation::{Bed, Plan, Run, Step, run};

/// Seeds of one run of the tests. `simulate --seeds A..B` runs others.
const SEEDS: u64 = 2_000;
const SHOP: usize = 0;
const SELLER: usize = 3;
const OPERATOR: usize = 5;

fn bed() -> Bed {
    Bed::open().expect("a temporary folder")
}

fn tell(client: usize, data: CommandData) -> [Step; 2] {
    tell_of(0, client, data)
}

fn tell_of(order: usize, client: usize, data: CommandData) -> [Step; 2] {
    [Step::Tell { client, order, data: Box::new(data) }, Step::Send { client }]
}

fn create() -> [Step; 2] {
    create_number(0)
}

fn create_number(order: usize) -> [Step; 2] {
    let item = Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() };
    tell_of(order, SHOP, CommandData::CreateOrder { channel: "shop".into(), client: "shop".into(), reference: None, customer: None, item })
}

fn attach() -> [Step; 2] {
    tell(SHOP, CommandData::AttachModel { model: a_model() })
}

fn a_model() -> Model {
    Model { sha256: "ab".repeat(32), format: "stl".into(), size_bytes: 84 }
}

fn submit() -> [Step; 2] {
    tell(SHOP, CommandData::SubmitOrder {})
}

const START: Step = Step::Start { engine: 0 };
const TURN: Step = Step::Engine { engine: 0 };
const OTHER: Step = Step::Engine { engine: 1 };

/// Enough turns for an engine to be told what it owns and to decide what has arrived.
fn turns() -> Vec<Step> {
    vec![TURN; 3]
}

/// Carries out steps written by hand; the run must be sound and its trace must say what it is about.
fn sound(steps: impl IntoIterator<Item = Step>, seen: &[&str]) -> Run {
    let run = run(&bed(), &Plan::written(steps.into_iter().collect()));
    assert_eq!(run.failure, None, "{}", run.trace);
    for text in seen {
        assert!(run.trace.contains(text), "nothing of {text:?} in\n{}", run.trace);
    }
    run
}

fn times(run: &Run, text: &str) -> usize {
    run.trace.matches(text).count()
}

#[test]
fn every_invariant_holds_for_thousands_of_seeds() {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for first in 0..cores as u64 {
            scope.spawn(move || {
                let bed = bed();
                for seed in (first..SEEDS).step_by(cores) {
                    let run = run(&bed, &Plan::of(seed));
                    assert_eq!(run.failure, None, "seed {seed}: `simulate --seed {seed}` shows it");
                }
            });
        }
    });
}

#[test]
fn a_seed_run_twice_gives_the_same_bytes() {
    let (one, other) = (bed(), bed());
    for seed in [0, 7, 4711] {
        // Run on beds that have seen different things.
        run(&other, &Plan::of(seed + 1));
        let (first, second) = (run(&one, &Plan::of(seed)), run(&other, &Plan::of(seed)));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.sha256, second.sha256);
    }
    assert_ne!(run(&one, &Plan::of(1)).sha256, run(&one, &Plan::of(2)).sha256);
}

#[test]
fn an_engine_that_dies_before_its_commit_has_decided_nothing() {
    let die = Step::DieInCommit { engine: 0, written: false };
    let steps = [START, TURN].into_iter().chain(create()).chain([die, START]).chain(turns());
    let run = sound(steps, &["is gone", "accepted v1 INITIATED"]);
    assert_eq!(times(&run, "OrderCreated"), 1);
}

#[test]
fn an_engine_that_dies_after_its_commit_does_not_decide_again() {
    let die = Step::DieInCommit { engine: 0, written: true };
    let steps = [START, TURN].into_iter().chain(create()).chain([die, START]).chain(turns());
    let run = sound(steps, &["is gone"]);
    assert_eq!((times(&run, "OrderCreated"), times(&run, "outcome of 0/0")), (1, 1));
}

#[test]
fn a_refused_commit_is_written_later_and_once() {
    let refused = Step::Fault(Fault::RefuseCommit);
    let steps = [START, TURN].into_iter().chain(create()).chain([refused, TURN, TURN]);
    let run = sound(steps, &["is refused by the log and waits"]);
    assert_eq!(times(&run, "OrderCreated"), 1);
}

#[test]
fn a_command_whose_reply_is_lost_is_sent_again_and_decided_once() {
    let lost = Step::Fault(Fault::LoseAppendReply);
    let steps = [START, lost].into_iter().chain(create()).chain([Step::Send { client: SHOP }]).chain(turns());
    let run = sound(steps, &["sends it again", "accepted v1 INITIATED, again"]);
    assert_eq!(times(&run, "v1 OrderCreated"), 1);
}

#[test]
fn a_doubled_command_gets_its_first_answer_and_a_used_id_is_refused() {
    let again = [Step::Again { client: SHOP, pick: 0 }, Step::Send { client: SHOP }];
    let reuse = [Step::Reuse { client: SHOP, pick: 0 }, Step::Send { client: SHOP }];
    let steps = [START].into_iter().chain(create()).chain(turns()).chain(attach()).chain(again).chain(reuse).chain(turns());
    sound(steps, &["accepted v1 INITIATED, again", "refused key_reused"]);
}

#[test]
fn commands_of_different_clients_may_overtake_each_other() {
    let [asks, sends] = create();
    let hold = tell(SELLER, CommandData::HoldOrder { reason: "too early".into() });
    let steps = [START, asks].into_iter().chain(hold).chain([sends]).chain(turns());
    sound(steps, &["refused unknown_order", "accepted v1 INITIATED"]);
}

/// An order that waits for a price, in a running engine.
fn submitted() -> impl Iterator<Item = Step> {
    [START].into_iter().chain(create()).chain(attach()).chain(submit()).chain(turns())
}

/// A worker does the next thing; while it measures, a heartbeat.
fn work(worker: usize) -> Step {
    Step::Work { worker, pick: 20 }
}

/// Longer than a lease.
const LEASE_OVER: Step = Step::Clock { by_ms: 31_000 };

#[test]
fn late_results_of_an_old_attempt_are_refused() {
    let late = Step::LateResult { worker: 0, pick: 0 };
    // Attempt 1 is granted, and its lease runs out unheard of.
    let steps = submitted().chain([work(0), TURN, work(0), LEASE_OVER, TURN, late.clone(), TURN]);
    // Another worker has attempt 2 when the next one comes.
    let later = Step::LateResult { worker: 0, pick: 1 };
    let steps = steps.chain([Step::WorkerDies { worker: 0 }, work(1), TURN, later, TURN]);
    let run = sound(steps, &["PricingExpired", "refused not_allowed", "w2        takes job 0/1, attempt 2", "refused stale_attempt"]);
    assert_eq!(times(&run, "PriceCalculated"), 1);
}

#[test]
fn a_job_whose_worker_dies_is_priced_by_another_in_its_next_attempt() {
    let steps = submitted().chain([work(0), TURN, Step::WorkerDies { worker: 0 }, work(1), TURN, work(1), LEASE_OVER, TURN, work(1)]);
    let seen = ["w1        dies with a job", "w2        takes job 0/0, attempt 1", "takes job 0/1, attempt 2", "PriceCalculated"];
    sound(steps, &seen);
}

/// Behind a queue longer than a dispatch waits, each job is over when its turn comes. It is work all the same.
#[test]
fn a_queue_longer_than_a_dispatch_waits_is_worked_off_from_its_front() {
    const ORDERS: usize = 12;
    let each = |order| {
        let attached = tell_of(order, SHOP, CommandData::AttachModel { model: a_model() });
        let submitted = tell_of(order, SHOP, CommandData::SubmitOrder {});
        create_number(order).into_iter().chain(turns()).chain(attached).chain(submitted).chain(turns())
    };
    // In the time that a first dispatch waits, one job: taken, asked for again, granted, brought home, over.
    let job = || [Step::Clock { by_ms: 31_000 }, TURN].into_iter().chain((0..5).flat_map(|_| [Step::Work { worker: 0, pick: 99 }, TURN]));
    let steps = [START].into_iter().chain((0..ORDERS).flat_map(each)).chain((0..ORDERS).flat_map(|_| job()));
    let run = sound(steps, &["which is free"]);
    let priced: Vec<&str> = run.trace.lines().filter(|line| line.contains("PriceCalculated")).collect();
    assert_eq!(priced.len(), ORDERS, "{}", run.trace);
    for (order, line) in priced.iter().enumerate() {
        let seconds = 31 * (order + 1);
        let at = format!("00:{:02}:{:02}.000", seconds / 60, seconds % 60);
        assert!(line.contains(&at) && line.contains(&format!(" o{order} ")), "o{order} at {at}, not {line:?}\n{}", run.trace);
    }
}

#[test]
fn a_slow_worker_keeps_its_lease_by_heartbeats() {
    let beat = || [Step::Clock { by_ms: 20_000 }, work(0), TURN];
    let steps = submitted().chain([work(0), TURN, work(0)]).chain(beat()).chain(beat()).chain(beat());
    let run = sound(steps, &["PricingProgressed"]);
    assert_eq!(times(&run, "PricingExpired"), 0, "{}", run.trace);
}

#[test]
fn a_stale_owner_with_a_decided_batch_cannot_commit_it() {
    let refused = Step::Fault(Fault::RefuseCommit);
    let steps = [START, TURN].into_iter().chain(create()).chain([refused, TURN]);
    // The other engine takes over, decides the same commands; then the first tries what it had decided.
    let steps = steps.chain([Step::Start { engine: 1 }, OTHER, OTHER, OTHER, TURN]);
    let run = sound(steps, &["waits"]);
    assert_eq!(times(&run, "OrderCreated"), 1);
}

#[test]
fn a_second_process_under_the_same_name_ends_the_first() {
    let steps = [START].into_iter().chain(turns()).chain(create()).chain([START]).chain(turns());
    sound(steps, &["a former worker ends: another worker joined under the name of this instance"]);
}

#[test]
fn a_stolen_partition_comes_back_where_the_log_stands() {
    let steps = [START, TURN].into_iter().chain([Step::Steal { partition: 0 }]).chain(create()).chain(turns());
    sound(steps.chain([Step::GiveBack { partition: 0 }]), &["an engine nobody sees", "accepted v1 INITIATED"]);
}

#[test]
fn a_clock_that_goes_back_and_leaps_writes_each_deadline_once() {
    let steps = [START].into_iter().chain(create()).chain(turns()).chain([Step::Clock { by_ms: -4_000 }, TURN]);
    let leap = Step::Clock { by_ms: 31 * 24 * 3_600_000 };
    let run = sound(steps.chain([leap, TURN, Step::Clock { by_ms: -4_000 }, TURN, TURN]), &["DeadlineMissed"]);
    // Of the stage, again a day later, and of the order as a whole, which has passed when the run ends.
    for action in ["attention", "escalate", "late"] {
        assert_eq!(times(&run, &format!("DeadlineMissed ({action})")), 1, "{action}: {}", run.trace);
    }
    assert_eq!(times(&run, "DeadlineMissed"), 3, "{}", run.trace);
}

#[test]
fn a_feed_that_dies_between_reading_and_committing_loses_nothing() {
    let read = Step::Read { model: 0, feed: 0 };
    let steps = [START].into_iter().chain(create()).chain(turns()).chain([read.clone(), Step::FeedDies { model: 0, feed: 0 }]);
    sound(steps.chain([read.clone(), read]), &["dies with what it has read", "shop commits 1"]);
}

#[test]
fn of_two_feeds_that_read_the_same_one_commits() {
    let read = |feed| Step::Read { model: 2, feed };
    let steps = [START].into_iter().chain(create()).chain(turns()).chain([read(0), read(1), read(0), read(1)]);
    sound(steps, &["crm commits 1", "crm finds that another was faster"]);
}

#[test]
fn a_store_that_fails_in_mid_transaction_keeps_neither_rows_nor_offset() {
    let steps = [START].into_iter().chain(create()).chain(turns()).chain([Step::StoreFails { model: 0, feed: 0 }]);
    sound(steps.chain([Step::Read { model: 0, feed: 0 }]), &["shop cannot write and keeps what it has read", "shop commits 1"]);
}

#[test]
fn poison_is_answered_by_name_and_stops_nobody() {
    let steps = [START].into_iter().chain(create()).chain((0..40).map(|pick| Step::Poison { pick })).chain(attach()).chain(turns());
    sound(steps, &["refused unreadable", "refused invalid", "ModelAttached"]);
}

#[test]
fn an_operator_and_a_seller_are_refused_what_is_not_possible() {
    let claim = tell(OPERATOR, CommandData::ClaimWork {});
    sound([START].into_iter().chain(create()).chain(claim).chain(turns()), &["refused not_allowed"]);
}
