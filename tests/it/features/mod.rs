//! Every row of the feature list, each with the tests that would fail without it.
//!
//! A row is proven where it is cheapest: in the pure core, in one room, or by the real binary in this directory.
//! [`ROWS`] says where; a name in it that no test bears is an error.

mod beyond;
mod jobs;
mod overlap;
mod runs;
mod scheduler;
pub(crate) mod support;
mod triggers;

use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::package;

/// Each feature and its tests.
const ROWS: &[(&str, &[&str])] = &[
    // Scheduler
    (
        "start, stop, running, state; one daemon a store",
        &[
            "a_daemon_starts_tells_its_state_and_stops",
            "p9_a_second_daemon_names_the_first",
            "p9_a_second_daemon_is_told_who_the_first_is",
        ],
    ),
    (
        "hold and release the scheduler",
        &[
            "a_hold_stops_everything_and_outlives_the_daemon",
            "a_hold_starts_nothing_and_a_release_judges_by_grace",
        ],
    ),
    (
        "defaults for every job key",
        &["defaults_apply_and_a_jobs_own_key_wins", "a_job_of_two_keys_has_the_documented_defaults"],
    ),
    (
        "store retry, start-up delay, identity, heartbeat",
        &[
            "identity_heartbeat_and_start_up_delay_are_as_set",
            "s1_a_full_disk_degrades_and_heals_without_loss_and_in_order",
        ],
    ),
    (
        "listeners with a mask",
        &["events_are_chosen_by_name_and_job", "hooks_hear_the_events_of_their_mask_and_hold_up_nothing"],
    ),
    (
        "store hiccup",
        &[
            "s1_a_full_disk_degrades_and_heals_without_loss_and_in_order",
            "s2_a_lock_held_too_long_degrades_and_heals",
            "while_the_store_is_degraded_nothing_is_claimed_and_afterwards_grace_judges",
        ],
    ),
    (
        "nothing is deleted on read",
        &["a_broken_job_is_shown_and_heals", "s3_a_damaged_store_is_refused_and_kept_as_evidence"],
    ),
    (
        "reading never runs anything",
        &["reading_never_runs_anything", "commands_that_act_say_how_to_start_one"],
    ),
    // Triggers
    (
        "date",
        &[
            "an_instant_that_has_passed_is_judged_by_grace",
            "add_now_has_unlimited_grace",
            "a_one_shot_in_the_past_is_judged_by_its_grace",
        ],
    ),
    (
        "interval",
        &[
            "intervals_keep_their_grid_over_restarts_and_requests",
            "rule_43_intervals_count_from_their_anchor_and_know_no_clock",
            "t9_two_hours_back_repeats_no_fixed_time_and_intervals_go_on",
            "wrong_clock_triggers_are_refused",
        ],
    ),
    (
        "cron text",
        &[
            "rule_3_sunday_is_0_and_7",
            "rule_20_a_star_asks_for_both_day_fields",
            "rule_18_nicknames",
            "rule_17_days_that_are_counted_in_their_month",
            "rule_17_six_fields_begin_with_seconds_and_seven_end_with_years",
            "rules_20_to_32_by_the_minute",
        ],
    ),
    (
        "cron fields",
        &[
            "finer_fields_are_at_their_minimum_and_coarser_ones_any",
            "all_fields_of_a_table_must_match",
            "days_are_also_named_by_words",
            "a_table_is_refused_where_it_is_wrong",
        ],
    ),
    (
        "start, end, timezone, jitter",
        &[
            "bounds_are_inclusive",
            "bounds_are_inclusive_and_a_date_alone_ends_with_its_day",
            "rule_45_each_zone_has_its_own_wall_clock_and_instants_show_their_offset",
            "jitter_lies_in_its_window_and_stays",
            "jitter_moves_no_fire_time",
            "jitter_delays_the_start_and_keeps_the_nominal_time",
        ],
    ),
    (
        "any",
        &[
            "any_is_the_earliest_of_its_members_and_equal_instants_are_one",
            "any_is_the_union_and_all_the_intersection",
        ],
    ),
    ("all", &["all_is_the_instants_on_which_its_members_agree", "all_finds_never_in_bounded_time"]),
    (
        "shutdown and startup",
        &["startup_and_shutdown_jobs_are_runs_like_any", "startup_jobs_run_once_a_boot_or_once_a_start"],
    ),
    (
        "after",
        &[
            "a_chain_of_three_follows_the_ends",
            "a_chain_follows_the_ends_it_waits_for",
            "a_list_of_dependencies_waits_for_all_since_the_last_start",
            "jobs_must_not_wait_for_nothing_or_in_circles",
        ],
    ),
    // Jobs
    (
        "add, replace, edit, reschedule, pause, resume, remove, remove all",
        &[
            "every_kind_of_flag_becomes_a_key",
            "a_name_is_taken_until_it_is_to_be_replaced",
            "keys_are_set_and_unset",
            "a_job_gets_another_trigger",
            "what_is_paused_does_not_start_and_the_ledger_says_why",
            "a_pause_drops_what_falls_due_and_resuming_goes_on_the_grid",
            "many_jobs_are_removed_only_after_a_yes",
        ],
    ),
    (
        "run now",
        &[
            "run_now_moves_no_schedule_ends_no_pause_and_deletes_no_one_shot",
            "run_now_moves_no_schedule_and_obeys_the_limit",
            "only_what_is_due_runs_with_if_due",
            "run_now_waits_with_the_jobs_own_code",
            "a_forced_run_that_waits_is_forced_after_a_restart",
        ],
    ),
    (
        "coalesce",
        &[
            "grace_and_coalesce_judge_what_was_missed",
            "catching_up_runs_once_for_what_fell_due",
            "thirty_days_of_a_second_are_counted_not_listed",
            "t13_two_million_missed_times_are_counted_exactly",
        ],
    ),
    (
        "max_instances",
        &[
            "max_instances_counts_live_processes",
            "o1_on_busy_skip_writes_a_row_for_each_occurrence",
            "o1_on_busy_queue_runs_each_occurrence_in_turn",
            "o1_on_busy_replace_starts_only_after_the_death_of_the_old_run",
            "o1_skip_writes_a_row_for_each_occurrence",
        ],
    ),
    (
        "grace",
        &[
            "what_waits_in_a_pool_is_not_late",
            "waiting_in_a_pool_is_no_lateness",
            "grace_is_a_bound_on_lateness",
        ],
    ),
    (
        "list, info, filters, sort",
        &[
            "filters_narrow",
            "jobs_without_a_value_come_last_in_both_directions",
            "jobs_are_chosen_by_how_their_last_run_ended",
        ],
    ),
    (
        "preview",
        &[
            "a_preview_is_as_long_as_asked_or_as_there_are_fire_times",
            "next_of_an_expression_notes_changes_of_the_clock",
            "reading_never_runs_anything",
        ],
    ),
    ("tags, description, meta", &["tags_choose_jobs_and_meta_reaches_the_command"]),
    (
        "due order",
        &[
            "due_order_is_fire_time_then_priority_then_name",
            "two_thousand_due_at_once_go_through_a_pool_in_order_and_once",
        ],
    ),
    // Runs
    (
        "pools",
        &[
            "a_pool_of_one_starts_what_waits_by_priority",
            "a_pool_in_use_is_not_removed",
            "two_thousand_due_at_once_go_through_a_pool_in_order_and_once",
            "a_pool_of_32_runs_2000_by_priority_then_fire_time",
        ],
    ),
    ("priority", &["a_pool_of_one_starts_what_waits_by_priority", "priority_may_be_given_for_one_run"]),
    (
        "time limit",
        &[
            "p11_a_time_limit_asks_then_kills_the_whole_group",
            "a_time_limit_holds_for_every_kind_of_job",
            "a_time_limit_that_was_reached_before_a_restart_is_kept",
            "p11_what_ignores_term_is_killed_with_all_its_children",
        ],
    ),
    (
        "retry",
        &[
            "three_retries_back_off_also_over_a_kill_of_the_daemon",
            "only_the_named_ends_are_tried_again",
            "waits_grow_by_the_factor_up_to_the_cap",
        ],
    ),
    (
        "hooks before and after",
        &[
            "hooks_run_around_the_work_and_a_failing_before_fails_that_run_only",
            "hooks_surround_the_work_and_a_failing_before_fails_the_run",
            "a_hook_that_hangs_is_ended",
        ],
    ),
    (
        "steps in sequence",
        &[
            "steps_stop_at_the_first_failure_unless_they_may_fail",
            "steps_run_in_order_and_stop_at_the_first_failure",
        ],
    ),
    (
        "group",
        &["a_group_lets_siblings_finish_or_fails_fast", "parallel_lets_siblings_finish_unless_it_fails_fast"],
    ),
    (
        "wait for a result",
        &["run_now_waits_with_the_jobs_own_code", "a_daemon_that_stops_tells_those_who_wait_how_runs_ended"],
    ),
    (
        "fire and forget, awaited at shutdown",
        &[
            "what_was_started_and_forgotten_is_awaited_at_shutdown_and_then_really_dies",
            "p7_a_stop_lets_runs_finish_then_ends_them_and_runs_shutdown_jobs",
        ],
    ),
    (
        "test run",
        &[
            "a_test_run_leaves_the_store_untouched",
            "exec_runs_hooks_steps_and_time_limits_as_the_daemon_does",
        ],
    ),
    (
        "cancel with a reason",
        &["what_is_cancelled_says_so_and_why", "a_cancel_goes_on_over_a_kill_of_the_daemon"],
    ),
    ("result", &["the_last_json_document_is_the_result", "the_end_is_written_down_in_full"]),
    // Beyond that
    ("overlap control and time limit together", &["overlap_control_and_time_limit_work_together"]),
    (
        "missed runs visible, why",
        &["a_missed_run_is_visible_and_explained", "every_status_and_reason_has_its_words"],
    ),
    (
        "changes of the clock, misfires and overlap: selectable, explained, shown in next",
        &[
            "selectable_rules_for_gap_and_fold",
            "fire_times_that_a_time_change_moved_merged_or_dropped_have_a_note",
            "next_of_an_expression_notes_changes_of_the_clock",
        ],
    ),
    ("no magic percent sign", &["a_percent_sign_means_itself"]),
    (
        "logs for each run, followed live, kept as long as wanted",
        &[
            "output_is_followed_as_it_is_written_and_ends_with_the_run",
            "history_and_output_go_by_number",
            "rows_beyond_the_age_go",
        ],
    ),
    (
        "mail only on a change of state, with the output",
        &["n2_a_notifier_speaks_when_its_rule_says", "mail_goes_through_sendmail"],
    ),
    (
        "webhooks and pings",
        &[
            "n1_a_webhook_that_hangs_holds_up_neither_jobs_nor_other_notices",
            "a_webhook_gets_the_documented_fields",
            "n2_a_ping_asks_for_the_address_of_its_kind",
        ],
    ),
    (
        "alarm on absence, on duration, on empty output",
        &[
            "an_absence_is_told_once_whatever_restarts",
            "a_run_that_lasts_too_long_raises_an_alarm_once",
            "an_output_that_is_not_as_expected_fails_the_run",
        ],
    ),
    (
        "catch-up with a budget, and the fire time",
        &["t11_late_runs_share_the_catch_up_budget", "a_late_run_knows_its_fire_time"],
    ),
    (
        "every change of the job set is kept, undo",
        &[
            "one_undo_takes_back_one_request",
            "definitions_come_back_as_they_were",
            "revisions_say_who_did_what",
        ],
    ),
    ("reload that loses nothing", &["a_reload_loses_nothing", "a_bad_job_file_changes_nothing"]),
    (
        "adoption after a restart",
        &["a_run_that_outlives_its_daemon_is_adopted", "p3_a_live_run_is_adopted_and_counts"],
    ),
    ("JSON everywhere", &["everything_printed_is_there_as_json"]),
    ("completions of job names", &["jobs_tags_runs_and_events_are_live"]),
    ("man pages", &["man_pages_are_up_to_date"]),
    (
        "systemd notify, watchdog, journald",
        &["the_service_manager_hears_of_start_life_and_end", "the_journal_gets_priorities"],
    ),
    ("PID 1 in a container", &["orphans_are_reaped_at_the_second_sweep"]),
];

#[test]
fn every_feature_has_tests_of_these_names() {
    let mut found = BTreeSet::new();
    for directory in ["src", "tests"] {
        collect(&package(directory), &mut found);
    }
    let absent: Vec<_> = ROWS
        .iter()
        .flat_map(|(row, tests)| tests.iter().map(move |test| (row, *test)))
        .filter(|(_, test)| !found.contains(*test))
        .collect();
    assert!(absent.is_empty(), "no such test: {absent:#?}");
    assert!(ROWS.iter().all(|(_, tests)| !tests.is_empty()));
    let rows: BTreeSet<_> = ROWS.iter().map(|(row, _)| row).collect();
    assert_eq!(rows.len(), ROWS.len(), "a row comes twice");
    // And no test of this directory belongs to no row.
    let mut here = BTreeSet::new();
    collect(&package("tests/it/features"), &mut here);
    here.remove("every_feature_has_tests_of_these_names");
    let listed: BTreeSet<String> =
        ROWS.iter().flat_map(|(_, tests)| tests.iter().map(|test| (*test).to_owned())).collect();
    assert_eq!(here.difference(&listed).collect::<Vec<_>>(), [""; 0]);
}

/// Collects the names of the tests below a directory: functions right after an attribute of tests.
pub(crate) fn collect(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).expect("the source can be read") {
        let path = entry.expect("the source can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("the source is text");
            let mut marked = false;
            for line in text.lines().map(str::trim_start) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    marked = true;
                } else if marked && !line.starts_with("#[") {
                    let name = line
                        .trim_start_matches("async ")
                        .strip_prefix("fn ")
                        .and_then(|rest| rest.split('(').next());
                    found.extend(name.map(str::to_owned));
                    marked = false;
                }
            }
        }
    }
}
