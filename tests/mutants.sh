#!/usr/bin/env bash
# Breaks the program on purpose, one line at a time, in a copy of the tree, and shows that the simulation or the tests of
# time notice each: the tests beside the code are not asked. Usage: tests/mutants.sh [NAME...]; it builds once for each,
# so it takes some minutes.
set -uo pipefail
cd "$(dirname "$0")/.."

copy="$PWD/target/mutants/tree"
export CARGO_TARGET_DIR="$PWD/target/mutants/build"
export CARGO_PROFILE_DEV_DEBUG=0
export JOBCTL_SIM_SEEDS="${JOBCTL_SIM_SEEDS:-400}" JOBCTL_SIM_ENOUGH=1 JOBCTL_YEARS_ENOUGH=1

# name | file | what stands there | what is put in its place
mutants() {
    cat <<'END'
start before the instant|src/core/scheduler/slots.rs|if now.wall < run.due_at && !has_started {|if now.wall.plus(std::time::Duration::from_secs(1)) < run.due_at && !has_started {
forget that too late is too late|src/core/policy.rs|Grace::For(limit) => late <= limit,|Grace::For(_) => true,
grace without an end where nobody coalesces|src/core/scheduler/due.rs|Grace::UntilNext => all.last,|Grace::UntilNext => first,
miss what is in time|src/core/policy.rs|Grace::For(limit) => late <= limit,|Grace::For(limit) => late * 2 <= limit,
miss what waits for its delay|src/core/scheduler/due.rs|last.unwrap_or(bound)|last.map_or(bound, \|_\| bound)
one instance too many|src/core/scheduler/slots.rs|.is_some_and(\|more\| more.active >= limit) && !forced;|.is_some_and(\|more\| more.active > limit) && !forced;
an instance that is never given back|src/core/scheduler/slots.rs|more.active = more.active.saturating_sub(1);|more.active = more.active.saturating_sub(0);
one worker too many|src/core/scheduler/pools.rs|pool.busy < pool.workers|pool.busy <= pool.workers
a worker that is never given back|src/core/scheduler/pools.rs|pool.busy = pool.busy.saturating_sub(1);|pool.busy = pool.busy.saturating_sub(0);
the least important first|src/core/scheduler/slots.rs|let order = (Reverse(run.priority), run.due_at, id);|let order = (Reverse(-run.priority), run.due_at, id);
no budget for what is late|src/core/scheduler/slots.rs|None if run.catch_up => PoolKey::CatchUp,|None if false => PoolKey::CatchUp,
start during a hold|src/core/scheduler/mod.rs|self.stopping.is_none() && self.hold.is_none() && (self.gate == Gate::Open \|\| clock_only)|self.stopping.is_none() && (self.gate == Gate::Open \|\| clock_only)
fall due during a hold|src/core/scheduler/mod.rs|let free = !self.degraded && self.hold.is_none() && self.unread_gaps == 0;|let free = !self.degraded && self.unread_gaps == 0;
fall due by a clock that is behind|src/core/scheduler/begin.rs|let behind = heartbeat.filter(\|beat\| beat.since(now.wall) > policy::ON_TIME);|let behind = heartbeat.filter(\|_\| false);
forget a hold at a restart|src/core/scheduler/begin.rs|hold: boot.hold,|hold: boot.hold.filter(\|_\| false),
forget a pause at a restart|src/core/scheduler/jobs.rs|None \| Some(_) => memory.pause,|None \| Some(_) => None,
forget what was waited for at a restart|src/core/scheduler/jobs.rs|more.satisfied = satisfied;|drop(satisfied);
remember what was waited for by another trigger|src/core/scheduler/jobs.rs|if !satisfied.is_empty() {|if false {
after any end|src/core/scheduler/finish.rs|DependencyOn::Success => status == RunStatus::Succeeded,|DependencyOn::Success => true,
a startup job at every start|src/core/scheduler/begin.rs|job.policy.startup == StartupScope::Boot && ran_this_boot|job.policy.startup == StartupScope::Boot && ran_this_boot && false
all of them where one is enough|src/core/scheduler/due.rs|if job.policy.coalesce {|if false {
a delay past the next fire time|src/core/scheduler/jobs.rs|let window = bound.map_or(schedule.jitter, \|bound\| bound.min(schedule.jitter));|let window = bound.map_or(schedule.jitter, \|_\| schedule.jitter);
forget the cursor of a claim|src/core/scheduler/due.rs|self.slot_mut(id).cursor = fire_time;|let _ = fire_time;
forget the cursor of a gap|src/core/scheduler/due.rs|self.slot_mut(id).cursor = fires.last;|let _ = fires.last;
forget the cursor at a restart|src/core/scheduler/jobs.rs|let known = memory.cursor.filter(|let known = None::<crate::core::instant::Timestamp>.filter(
a cursor ahead of what was claimed|src/core/scheduler/due.rs|self.claim(id, run, Some(fire_time), coalesced, now, fx);|self.claim(id, run, Some(fire_time.plus(std::time::Duration::from_secs(600))), coalesced, now, fx);
a cursor that stays when the clock goes back|src/core/scheduler/clock.rs|slot.cursor = slot.cursor.min(now.wall);|slot.cursor = slot.cursor.max(now.wall);
intervals that stay when the clock goes back|src/core/scheduler/clock.rs|slot.anchor = slot.anchor.minus(by + Duration::from_millis(u64::from(collides)));|let _ = (by, collides);
intervals from the last run on|src/core/scheduler/due.rs|self.slot_mut(id).cursor = fire_time;|self.slot_mut(id).cursor = fire_time; self.slot_mut(id).anchor = now.wall;
a reload that begins schedules anew|src/core/scheduler/jobs.rs|let retimed = old.firing.spec() != job.firing.spec();|let retimed = true;
one attempt too many|src/core/scheduler/live.rs|self.attempt < self.attempts &&|self.attempt <= self.attempts &&
one attempt too few|src/core/scheduler/live.rs|self.attempt < self.attempts &&|self.attempt + 1 < self.attempts &&
again before its time|src/core/scheduler/finish.rs|self.mono_timers.arm(now.mono.plus(wait), MonoTimer::Retry(id));|self.mono_timers.arm(now.mono.plus(wait / 2), MonoTimer::Retry(id));
waits that do not grow|src/core/policy.rs|powf(f64::from(attempt.saturating_sub(1)))|powf(f64::from(attempt.saturating_sub(attempt)))
forget a further attempt at a restart|src/core/scheduler/adopt.rs|self.mono_timers.arm(now.mono.plus(wait), MonoTimer::Retry(id));|let _ = wait;
count attempts anew at a restart|src/core/scheduler/adopt.rs|run.attempt = old.attempt;|run.attempt = 0;
no end to the time of an attempt|src/core/scheduler/attempt.rs|self.mono_timers.arm(at, MonoTimer::AttemptLimit(id));|let _ = at;
ask, and never kill|src/core/scheduler/ending.rs|self.mono_timers.arm(kill_at, MonoTimer::Kill(id, child.position));|let _ = kill_at;
never again what was lost|src/core/scheduler/finish.rs|self.runs.get(&id).is_some_and(\|run\| run.job.policy.on_lost == OnLost::Rerun);|self.runs.get(&id).is_some_and(\|run\| run.job.policy.on_lost != run.job.policy.on_lost);
always again what was lost|src/core/scheduler/finish.rs|self.runs.get(&id).is_some_and(\|run\| run.job.policy.on_lost == OnLost::Rerun);|self.runs.get(&id).is_some_and(\|run\| run.job.policy.on_lost == run.job.policy.on_lost);
start again what may have run|src/core/scheduler/adopt.rs|Evidence::Unknown(reason) => self.gone(id, job, reason, now, fx),|Evidence::Unknown(_) => self.consider(id, now, fx),
an adopted run does not count|src/core/scheduler/adopt.rs|self.slot_mut(job).more_mut().active += 1;|self.slot_mut(job).more_mut().active += 0;
a reboot that leaves runs alive|src/daemon/boot.rs|RunStatus::Running if !same_boot => {|RunStatus::Running if false => {
a start that was tried and is forgotten|src/daemon/boot.rs|process::Evidence::NotTried if same_boot \|\| scene.left_in_order \|\| row.attempt > 0 => {|process::Evidence::NotTried \| process::Evidence::Tried if same_boot \|\| scene.left_in_order \|\| row.attempt > 0 => {
due again after a power cut|src/daemon/boot.rs|process::Evidence::NotTried if same_boot \|\| scene.left_in_order \|\| row.attempt > 0 => {|process::Evidence::NotTried => {
adopt whoever has the number|src/process/adopt.rs|Ok(stat) if !stat.is(mark) => Presence::Recycled,|Ok(_) if false => Presence::Recycled,
adopt one process twice|src/daemon/boot.rs|(!known).then(\|\||(known \|\| !known).then(\|\|
adopt the process of another run|src/daemon/boot.rs|scene.survivors.iter().filter(\|found\| found.run == row.run && found.attempt == attempt)|scene.survivors.iter().filter(\|found\| found.attempt == attempt)
an end that is forgotten|src/daemon/boot.rs|ending: ending(row.ending_at, row.reason, row.detail)|ending: ending(None, row.reason, row.detail)
a cursor that is not loaded|src/daemon/boot.rs|cursor: row.cursor,|cursor: row.cursor.filter(\|_\| false),
numbers that are given out again|src/store/load.rs|Ok(last.unwrap_or(0).saturating_add(1))|Ok(last.unwrap_or(0).max(1))
a hold that is not stored|src/store/load.rs|WHERE key = 'hold'|WHERE key = 'held'
start what the ledger has refused|src/core/scheduler/slots.rs|if !*applied {|if false {
claim what has its run|src/store/ledger.rs|"INSERT OR IGNORE INTO runs (run_id, job, fire_time, status, source,|"INSERT OR REPLACE INTO runs (run_id, job, fire_time, status, source,
a claim that keeps its cursor|src/store/ledger.rs|if let Some(cursor) = claim.cursor {|if let Some(cursor) = claim.cursor.filter(\|_\| false) {
a start that goes under with its end|src/store/ledger.rs|started_at = coalesce(started_at, ?14)|started_at = coalesce(started_at, NULL)
a row without its reason|src/store/ledger.rs|":reason": gap.reason.as_str(),|":reason": None::<&str>,
a second row for a stretch|src/store/ledger.rs|AND fire_time > ?2 AND first_fire_time <= ?2|AND fire_time > ?2 AND first_fire_time < 0
count what has its row|src/store/ledger.rs|fire_time BETWEEN ?2 AND ?3|fire_time BETWEEN ?3 AND ?2
a second end|src/store/ledger.rs|"SELECT job, started_at FROM runs WHERE run_id = ?1 AND finished_at IS NULL"|"SELECT job, started_at FROM runs WHERE run_id = ?1"
skip what a gap removes|src/core/trigger/cron.rs|shift > 0 && !is_correction(shift)|shift < 0 && !is_correction(shift)
a gap of a wildcard job|src/core/trigger/cron.rs|!self.cron.is_wildcard() && self.dst.gap == DstGap::After|self.dst.gap == DstGap::After
one pass of a fold for a wildcard job|src/core/trigger/cron.rs|if self.cron.is_wildcard() {|if false {
the other pass of a fold|src/core/trigger/cron.rs|DstFold::First => second.filter(|DstFold::First => first.filter(
two runs for a gap and its own match|src/core/trigger/cron.rs|count += 1 - own.min(1);|count += 1 + own.min(0);
off by one at the fold|src/core/trigger/cron.rs|count -= self.cron.count_walls(from.max(start), to.min(end));|count -= self.cron.count_walls(from.max(start), to.min(end) - 60);
END
}

# Runs the tests until one notices, those first that are most likely to.
notices() {
    local tests=("sim every_instant_has" "time" "sim every_instant_of_many_years")
    [[ "$1" == src/core/trigger/* ]] && tests=("time" "sim every_instant_has" "sim every_instant_of_many_years")
    local one
    for one in "${tests[@]}"; do
        # shellcheck disable=SC2086 # The test and what is run of it are two words.
        (cd "$copy" && timeout 900 cargo test --quiet --test $one) > "$copy.log" 2>&1 || return 0
    done
    return 1
}

rm -rf "$copy" && mkdir -p "$copy" "$CARGO_TARGET_DIR"
git ls-files -z | xargs -0 cp --parents -t "$copy"
if notices src/core/scheduler; then
    echo "the tests fail without a mistake: $(grep -am1 -E '^(seed|life) [0-9]+:|panicked at|^error' "$copy.log")"
    exit 1
fi
tried=0 caught=0
while IFS= read -r row; do
    # A bar of the code is written with a backslash before it, a new line as \n.
    row="${row//\\|/$'\x01'}"
    IFS='|' read -r name file from to <<< "$row"
    from="${from//$'\x01'/|}" to="${to//$'\x01'/|}"
    from="${from//\\n/$'\n'}" to="${to//\\n/$'\n'}"
    [ $# -gt 0 ] && [[ ! " $* " == *" $name "* ]] && continue
    tried=$((tried + 1))
    cp "$copy/$file" "$copy.kept"
    if ! FROM="$from" TO="$to" perl -0pi -e '$n = s/\Q$ENV{FROM}\E/$ENV{TO}/; END { exit !$n }' "$copy/$file"; then
        echo "stale     $name: $file does not have: $from"
    elif ! notices "$file"; then
        echo "escaped   $name"
    elif grep -aq "could not compile" "$copy.log"; then
        echo "no code   $name: $(grep -am1 '^error' "$copy.log")"
    else
        caught=$((caught + 1))
        echo "caught    $name: $({ grep -am1 -E '^(seed|life) [0-9]+:' "$copy.log" || grep -am1 'panicked at' "$copy.log"; } | cut -c1-150)"
    fi
    cp "$copy.kept" "$copy/$file"
done < <(mutants)
echo "$caught of $tried caught by the simulation ($JOBCTL_SIM_SEEDS seeds) and the tests of time"
[ "$caught" -eq "$tried" ]
