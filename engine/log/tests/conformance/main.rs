//! One suite for all logs: what the port promises, proven on each implementation.
//!
//! A promise is a function over a [`subject::Subject`]; this file runs every promise on every log. A new
//! implementation is one more subject. Nothing here counts polls or trusts a pause: conditions are
//! awaited with a generous bound, absence is proven by a later record that has arrived.
#![cfg(test)]

mod appending;
mod drivers;
mod fencing;
mod following;
mod owning;
mod reading;
mod restarting;
mod subject;
mod subscribing;
mod transactions;

macro_rules! promises {
    ($($log:ident on $subject:ident),+ : $cases:tt) => { $(promises!(@ $log $subject $cases);)+ };
    (@ $log:ident $subject:ident { $($file:ident { $($case:ident)+ })+ }) => {
        mod $log {
            use crate::subject::$subject as Subject;
            $($( #[test] fn $case() { crate::$file::$case(&Subject::new()); } )+)+
        }
    };
}

promises! { memory on InMemory, embedded on InFolder, kafka on OnKafka: {
    appending {
        order_is_kept_per_key
        appends_in_flight_keep_the_order_of_the_calls
        a_record_comes_back_as_it_was_given
        the_end_passes_what_was_appended
        a_record_too_large_is_refused_by_name
    }
    reading {
        reading_starts_at_the_offset
        only_the_named_partitions_and_topic_are_read
        small_batches_skip_and_repeat_nothing
        a_position_past_the_end_is_refused
    }
    following {
        a_reader_that_waits_gets_what_is_appended
        a_reader_that_waits_gets_what_is_committed
        an_owner_that_waits_gets_the_command
        a_subscription_that_waits_gets_the_record
    }
    transactions {
        a_transaction_reaches_every_topic_and_partition
        records_keep_their_order_in_a_transaction
        whoever_sees_a_part_sees_the_whole
        a_refused_transaction_leaves_nothing
        the_offset_moves_with_the_records
    }
    owning {
        commands_come_in_order_and_once
        an_owner_knows_how_far_it_has_come
        at_most_as_many_as_asked_for
        a_successor_starts_at_the_committed_offset
        two_workers_split_the_partitions
        a_commit_for_a_partition_of_another_is_lost
    }
    fencing {
        a_stale_owner_cannot_commit
        a_stale_owner_learns_that_it_is
        timers_alone_are_fenced_too
        nothing_of_a_stale_owner_follows_a_newer_claim
    }
    restarting {
        what_was_confirmed_survives
        a_group_goes_on_where_it_stopped
        an_offset_is_valid_after_a_restart
    }
    subscribing {
        what_was_not_committed_comes_again
        members_share_and_the_rest_inherits
        a_paused_subscription_returns_nothing
        a_partition_that_left_during_a_pause_and_comes_back_after_it_is_read
    }
}
}
