//! Time passes.

use std::sync::atomic::Ordering;

use atelier_domain::Policy;
use atelier_schemas::{CommandData, EventData};
use uuid::Uuid;

use crate::bed::{Bed, attach, create, quote, status};

#[test]
fn a_job_nobody_takes_goes_to_another_partition() {
    let mut bed = Bed::running(4);
    let order = bed.order();
    bed.ask(order, "customer", create());
    bed.ask(order, "customer", attach());
    bed.ask(order, "customer", CommandData::SubmitOrder {});
    bed.now.fetch_add(31_000, Ordering::SeqCst);
    let jobs = bed.wait(|bed| Some(bed.jobs()).filter(|jobs| jobs.len() == 2));
    let attempts: Vec<_> = jobs.iter().map(|(_, job)| job.attempt).collect();
    assert!(attempts.contains(&1) && attempts.contains(&2));
    assert_ne!(jobs[0].0, jobs[1].0, "the second attempt lies elsewhere");
    bed.check_exactly_once();
}

fn append(bed: &mut Bed, order: Uuid, role: &str, data: CommandData) {
    let command = bed.command(order, role, data);
    bed.append(&command);
}

/// An engine that was away, or is behind, must not take a lease from a worker that kept it.
#[test]
fn what_came_in_time_counts_also_where_it_is_read_late() {
    let mut bed = Bed::running(1);
    let [beating, done] = [bed.order(), bed.order()];
    let worker = || "w1".to_owned();
    for order in [beating, done] {
        bed.ask(order, "customer", create());
        bed.ask(order, "customer", attach());
        bed.ask(order, "customer", CommandData::SubmitOrder {});
        bed.ask(order, "worker", CommandData::AcceptPricing { attempt: 1, worker: worker() });
    }
    bed.stop();
    // More than the engine takes at a time.
    for _ in 0..1_500 {
        let other = bed.order();
        append(&mut bed, other, "customer", create());
    }
    append(&mut bed, beating, "worker", CommandData::HeartbeatPricing { attempt: 1, worker: worker(), progress_percent: 40 });
    append(&mut bed, done, "worker", CommandData::CompletePricing { attempt: 1, worker: worker(), quote: quote() });
    bed.now.fetch_add(31_000, Ordering::SeqCst);
    bed.start();
    bed.wait(|bed| bed.events().iter().any(|event| event.order_id == done && event.after.status == "PRICE_CALCULATED").then_some(()));
    let complete = CommandData::CompletePricing { attempt: 1, worker: worker(), quote: quote() };
    assert_eq!(status(&bed.ask(beating, "worker", complete)), "PRICE_CALCULATED");
    let expired = bed.events().into_iter().filter(|event| matches!(event.data, EventData::PricingExpired { .. })).count();
    assert_eq!(expired, 0, "no lease has run out");
    bed.check_exactly_once();
}

#[test]
fn a_missed_deadline_is_written_once_also_across_a_restart() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    bed.now.fetch_add((30 * 24 + 1) * 3_600_000, Ordering::SeqCst);
    let missed = |bed: &Bed| bed.events().iter().filter(|event| matches!(event.data, EventData::DeadlineMissed { .. })).count();
    bed.wait(|bed| (missed(bed) == 1).then_some(()));
    bed.stop();
    bed.start();
    let other = bed.order();
    assert_eq!(status(&bed.ask(other, "customer", create())), "INITIATED");
    assert_eq!(missed(&bed), 1);
    let event = bed.events().into_iter().find(|event| matches!(event.data, EventData::DeadlineMissed { .. })).unwrap();
    assert_eq!(
        (event.actor.role.as_str(), event.command_id, event.after.attention.as_slice()),
        ("engine", None, &["overdue".to_owned()][..])
    );
    bed.check_exactly_once();
}

#[test]
fn a_deadline_write_that_is_lost_happens_once_all_the_same() {
    let mut bed = Bed::running(1);
    let order = bed.order();
    bed.ask(order, "customer", create());
    bed.log.inject(atelier_log::memory::Fault::CommitThenLost);
    bed.now.fetch_add((30 * 24 + 1) * 3_600_000, Ordering::SeqCst);
    bed.wait(|bed| (bed.events().len() == 2).then_some(()));
    bed.ask(order, "customer", attach());
    assert_eq!(bed.events().len(), 3);
    bed.check_exactly_once();
}

#[test]
fn a_policy_put_in_force_later_moves_the_deadlines_of_open_orders_and_is_named_in_what_it_causes() {
    let mut bed = Bed::running(2);
    let orders = [bed.order(), bed.order()];
    for order in orders {
        bed.ask(order, "customer", create());
    }
    bed.now.fetch_add(60_000, Ordering::SeqCst);
    let mut stricter = Policy { version: "stricter-2".into(), ..Policy::default() };
    stricter.limits.draft_ms = 50_000;
    bed.policy.replace(stricter);
    let missed = |bed: &Bed| -> Vec<String> {
        let of =
            |event: atelier_schemas::Event| if let EventData::DeadlineMissed { policy, .. } = event.data { Some(policy) } else { None };
        bed.events().into_iter().filter_map(of).collect()
    };
    let policies = bed.wait(|bed| Some(missed(bed)).filter(|policies| policies.len() == orders.len()));
    assert_eq!(policies, ["stricter-2", "stricter-2"]);
    bed.stop();
    bed.start();
    bed.ask(orders[0], "customer", attach());
    assert_eq!(missed(&bed).len(), orders.len(), "written once");
    bed.check_exactly_once();
}
