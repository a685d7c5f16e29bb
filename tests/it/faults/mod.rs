//! The faults that jobctl must survive, each with what exactly happens then.
//!
//! A test bears the number of its fault in its name. By the real binary wherever the fault can be made here; what
//! needs the clock of the whole machine to be set is shown by the core and by the simulation.

mod around;
mod burst;
mod clock;
mod ledger;
mod manager;
mod processes;
mod steps;
mod texts;
mod zones;

use std::collections::BTreeSet;

use crate::features::collect;
use crate::harness::package;

/// Where a fault is shown to be survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The real binary.
    Binary,
    /// The core, the rooms by themselves and the simulation.
    Rooms,
}

/// The clock, processes, the store, reloads, overlap, notifiers, interfaces; each fault in a few words.
const FAULTS: &[(&str, By, &str)] = &[
    ("t1", By::Binary, "a gap: one run at its end"),
    ("t2", By::Binary, "a fold: one run, in the first pass"),
    ("t3", By::Binary, "wildcards and intervals: one run each real interval"),
    ("t4", By::Rooms, "any zone, ten years: fire times strictly increase"),
    ("t5", By::Binary, "another tz database or zone: recomputed, nothing twice"),
    ("t7", By::Rooms, "the clock ten minutes forward: grace decides"),
    ("t8", By::Rooms, "the clock thirty days forward and back: nothing twice"),
    ("t9", By::Rooms, "the clock two hours back: no repeat, intervals go on"),
    ("t10", By::Binary, "a start before the store's last word: calendar jobs wait"),
    ("t11", By::Binary, "stopped or suspended: one catch-up a job, one by one"),
    ("t13", By::Rooms, "dates that never come, millions missed: bounded"),
    ("p1", By::Binary, "killed before the claim is durable"),
    ("p2", By::Binary, "killed between the claim and the record of the process"),
    ("p3", By::Binary, "killed while the run is alive"),
    ("p4", By::Binary, "the run ends while no daemon is there"),
    ("p5", By::Binary, "a power cut"),
    ("p6", By::Binary, "the number of the process belongs to another"),
    ("p7", By::Binary, "told to stop with runs alive"),
    ("p8", By::Binary, "a newer store, an older store"),
    ("p9", By::Binary, "two daemons on one store"),
    ("p10", By::Binary, "a grandchild keeps the output open"),
    ("p11", By::Binary, "a job that ignores being asked to end"),
    ("p12", By::Binary, "output without end"),
    ("p13", By::Binary, "nothing to start"),
    ("p14", By::Binary, "five thousand due in one second"),
    ("s1", By::Binary, "a full disk"),
    ("s2", By::Binary, "somebody else has the lock of the store"),
    ("s3", By::Binary, "a damaged store"),
    ("s4", By::Binary, "no directory for output"),
    ("r1", By::Binary, "a job file that is not in order"),
    ("r2", By::Binary, "a reload at the due second"),
    ("r3", By::Binary, "files renamed, links swapped: one reload"),
    ("o1", By::Binary, "due while a run is alive"),
    ("o2", By::Binary, "due while a run is tried again"),
    ("n1", By::Binary, "a notifier that hangs"),
    ("n2", By::Binary, "a job that flaps"),
    ("i1", By::Binary, "clients that behave badly"),
    ("i2", By::Binary, "a loop that hangs"),
];

#[test]
fn every_fault_has_a_test_that_bears_its_number() {
    let (mut by_binary, mut anywhere) = (BTreeSet::new(), BTreeSet::new());
    collect(&package("tests/it"), &mut by_binary);
    for directory in ["src", "tests"] {
        collect(&package(directory), &mut anywhere);
    }
    let bears = |test: &&String, number: &str| test.split('_').any(|word| word == number);
    for (number, by, fault) in FAULTS {
        let tests = if *by == By::Binary { &by_binary } else { &anywhere };
        assert!(tests.iter().any(|test| bears(&test, number)), "no test by {by:?} of {number}: {fault}");
    }
    // The kill points are counted by the tests in `steps`, one for each place of the kill.
    let mut steps = BTreeSet::new();
    collect(&package("tests/it/faults"), &mut steps);
    let kills = steps.iter().filter(|test| test.contains("_killed_")).count();
    let numbered =
        anywhere.iter().filter(|test| FAULTS.iter().any(|(number, ..)| bears(test, number))).count();
    let binary = FAULTS.iter().filter(|(_, by, _)| *by == By::Binary).count();
    println!(
        "{} faults, {binary} of them by the real binary, {kills} exact kill points, in {numbered} tests",
        FAULTS.len()
    );
    assert!(kills >= 7, "each step of a start has its kill");
}
