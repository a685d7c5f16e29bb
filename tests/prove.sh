#!/usr/bin/env bash
# Puts the promise under fire for longer than `cargo test` does, and says in numbers what it has stood: simulated time and
# faults, the faults that the real daemon must survive, kills of it at each step of a start and at random moments, inputs
# nobody would write, and deliberate mistakes in the program that are noticed.
# JOBCTL_SIM_SEEDS, JOBCTL_YEARS_SEEDS (lives of some thirty years each), JOBCTL_KILLS and JOBCTL_FUZZ_CASES make it longer
# or shorter still.
set -euo pipefail
cd "$(dirname "$0")/.."

say() {
    cargo test --quiet "$@" -- --nocapture 2>&1 | grep -E 'simulated (days|years)|faults,|kills,|inputs,|test result|panicked'
}

# To make the simulation fast takes minutes, which it saves many times over.
JOBCTL_SIM_SEEDS="${JOBCTL_SIM_SEEDS:-10000}" JOBCTL_YEARS_SEEDS="${JOBCTL_YEARS_SEEDS:-3000}" \
    say --config profile.test.package.jobctl.opt-level=2 --test sim
say --test it fault
JOBCTL_KILLS="${JOBCTL_KILLS:-100}" say --test it p1_to_p4
JOBCTL_FUZZ_CASES="${JOBCTL_FUZZ_CASES:-100000}" say --test fuzz
JOBCTL_SIM_SEEDS=400 JOBCTL_YEARS_SEEDS=100 tests/mutants.sh
