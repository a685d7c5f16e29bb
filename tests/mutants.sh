#!/usr/bin/env bash
# Breaks the program on purpose, one line at a time, in a copy of the tree, and shows that each is noticed: by the simulation
# and the tests of time, or else by the tests beside the code. Usage: tests/mutants.sh [NAME...]; it builds once for each, so it takes some minutes.
set -uo pipefail
cd "$(dirname "$0")/.."

copy="$PWD/target/mutants/tree"
export CARGO_TARGET_DIR="$PWD/target/mutants/build"
export JOBCTL_SIM_SEEDS="${JOBCTL_SIM_SEEDS:-400}"

# name | file | what stands there | what is put in its place
mutants() {
    cat <<'END'
start what the ledger has refused|src/core/scheduler/slots.rs|if !*applied {|if false {
start before the instant|src/core/scheduler/slots.rs|if now.wall < run.due_at && !has_started {|if now.wall.plus(std::time::Duration::from_secs(1)) < run.due_at && !has_started {
forget that too late is too late|src/core/policy.rs|Grace::For(limit) => late <= limit,|Grace::For(_) => true,
one instance too many|src/core/scheduler/slots.rs|if more.active >= limit && !forced {|if more.active > limit && !forced {
one worker too many|src/core/scheduler/pools.rs|pool.busy < pool.workers|pool.busy <= pool.workers
start during a hold|src/core/scheduler/mod.rs|self.stopping.is_none() && self.hold.is_none() && (self.gate == Gate::Open \|\| clock_only)|self.stopping.is_none() && (self.gate == Gate::Open \|\| clock_only)
fall due during a hold|src/core/scheduler/mod.rs|let free = !self.degraded && self.hold.is_none() && self.unread_gaps == 0;|let free = !self.degraded && self.unread_gaps == 0;
forget the cursor of a claim|src/core/scheduler/due.rs|self.slot_mut(id).cursor = fire_time;|let _ = fire_time;
forget the cursor of a gap|src/core/scheduler/due.rs|self.slot_mut(id).cursor = fires.last;|let _ = fires.last;
forget the cursor at a restart|src/core/scheduler/jobs.rs|let known = memory.cursor.filter(|let known = None::<crate::core::instant::Timestamp>.filter(
one attempt too many|src/core/scheduler/live.rs|self.attempt < self.attempts &&|self.attempt <= self.attempts &&
a second row for a stretch|src/store/ledger.rs|first_fire_time <= ?2 LIMIT 1|first_fire_time < 0 AND ?2 LIMIT 1
count what has its row|src/store/ledger.rs|fire_time BETWEEN ?2 AND ?3|fire_time BETWEEN ?3 AND ?2
both passes of a fold|src/core/trigger/cron.rs|DstFold::First => second.filter(|DstFold::First => first.filter(
off by one at the fold|src/core/trigger/cron.rs|count -= self.cron.count_walls(from.max(start), to.min(end));|count -= self.cron.count_walls(from.max(start), to.min(end) - 60);
END
}

rm -rf "$copy" && mkdir -p "$copy" "$CARGO_TARGET_DIR"
git ls-files -z | xargs -0 cp --parents -t "$copy"
tried=0 caught=0 beside=0 escaped=()
while IFS= read -r row; do
    # A bar of the code is written with a backslash before it.
    row="${row//\\|/$'\x01'}"
    IFS='|' read -r name file from to <<< "$row"
    from="${from//$'\x01'/|}" to="${to//$'\x01'/|}"
    [ $# -gt 0 ] && [[ ! " $* " == *" $name "* ]] && continue
    tried=$((tried + 1))
    cp "$file" "$copy/$file"
    if ! FROM="$from" TO="$to" perl -0pi -e '$n = s/\Q$ENV{FROM}\E/$ENV{TO}/; END { exit !$n }' "$copy/$file"; then
        echo "stale     $name: $file does not have: $from"
        escaped+=("$name")
        continue
    fi
    if (cd "$copy" && timeout 900 cargo test --quiet --test sim --test time --no-fail-fast) > "$copy.log" 2>&1; then
        if (cd "$copy" && timeout 900 cargo test --quiet --lib core::) > "$copy.log" 2>&1; then
            echo "escaped   $name"
            escaped+=("$name")
        else
            beside=$((beside + 1))
            echo "beside    $name: $(grep -m1 -E 'panicked at' "$copy.log" | cut -c1-140)"
        fi
    elif grep -q "could not compile" "$copy.log"; then
        echo "no code   $name: $(grep -m1 '^error' "$copy.log")"
        escaped+=("$name")
    else
        caught=$((caught + 1))
        echo "caught    $name: $(grep -m1 -E '^seed [0-9]+:|panicked at' "$copy.log" | cut -c1-140)"
    fi
    cp "$file" "$copy/$file"
done < <(mutants)
echo "$tried mutants: $caught caught by the simulation ($JOBCTL_SIM_SEEDS seeds) and the tests of time, $beside beside the code," \
    "${#escaped[@]} escaped"
[ ${#escaped[@]} -eq 0 ]
