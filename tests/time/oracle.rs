//! A naive reading of the rules: a clerk who looks at the wall clock at every minute (or second), remembers how far
//! it has been, and starts what is due. Random expressions are held against it around real time changes.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::DateTime;
use jobctl::core::civil::Zone;
use jobctl::core::cron::{DstFold, DstGap, DstRules};
use jobctl::core::instant::Timestamp;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};

use crate::expression::{Expression, Field, Item};
use crate::support::{schedule_with, walk, zone};

/// Zones with gaps and folds of every size and at every hour, and some without.
const ZONES: [&str; 41] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Africa/Juba",
    "Africa/Windhoek",
    "America/Argentina/San_Luis",
    "America/Asuncion",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "America/Vancouver",
    "Antarctica/Casey",
    "Antarctica/Davis",
    "Antarctica/Troll",
    "Antarctica/Vostok",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Asia/Ulaanbaatar",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Kwajalein",
    "Pacific/Norfolk",
];

/// Every zone with the instants at which its offset changes, found by looking twice a day.
static CHANGES: LazyLock<Vec<(Zone, Vec<i64>)>> =
    LazyLock::new(|| ZONES.iter().map(|name| (zone(name), changes(&zone(name)))).collect());

fn changes(zone: &Zone) -> Vec<i64> {
    const STEP: i64 = 43_200;
    let offset = |secs: i64| zone.offset_at(Timestamp::from_secs(secs));
    let half_days = (0..(2045 - 1970) * 731).map(|n| n * STEP);
    let changed = half_days.filter(|at| offset(*at) != offset(at + STEP));
    let exact = changed.map(|at| {
        let (mut low, mut high) = (at, at + STEP);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if offset(middle) == offset(at) { low = middle } else { high = middle }
        }
        high
    });
    exact.collect()
}

/// Says whether a wall-clock second matches, counted from 1970-01-01T00:00:00 on the wall.
fn matches(expression: &Expression, wall: i64) -> bool {
    let date = DateTime::from_timestamp(wall, 0).unwrap().date_naive();
    expression.matches_time(wall.rem_euclid(86_400)) && expression.matches_date(date)
}

/// Starts what is due in `(from, from + steps]`, looking at the wall clock once a step. A wall time that comes
/// twice within three hours is one; a wall time that the clock jumps over by less is made up for.
fn simulate(expression: &Expression, zone: &Zone, dst: DstRules, from: i64, steps: i64) -> Vec<i64> {
    const THREE_HOURS: i64 = 3 * 3_600;
    let step = if expression.second.is_some() { 1 } else { 60 };
    let wall = |at: i64| at + i64::from(zone.offset_at(Timestamp::from_secs(at)));
    let near = THREE_HOURS / step;
    let mut shown: HashMap<i64, Vec<i64>> = HashMap::new();
    for at in (-near..=steps + near).map(|n| from + n * step) {
        shown.entry(wall(at)).or_default().push(at);
    }
    let due = |at: &i64| {
        let (then, now) = (wall(at - step), wall(*at));
        let jumped = now - then - step;
        if expression.is_wildcard() {
            return matches(expression, now);
        }
        let made_up = dst.gap == DstGap::After && jumped > 0 && jumped < THREE_HOURS;
        if made_up && (then + step..now).step_by(step as usize).any(|wall| matches(expression, wall)) {
            return true;
        }
        let other_pass = |other: &i64| match dst.fold {
            DstFold::First => other < at && at - other <= THREE_HOURS,
            DstFold::Second => other > at && other - at <= THREE_HOURS,
            DstFold::Both => false,
        };
        matches(expression, now) && !shown[&now].iter().any(other_pass)
    };
    (1..=steps).map(|n| from + n * step).filter(due).collect()
}

fn values(min: u32, max: u32) -> impl Strategy<Value = Item> {
    let listed = move |from: u32, to: u32, step: u32| (from..=to).step_by(step as usize).collect::<Vec<_>>();
    prop_oneof![
        3 => Just(Item::Values("*".to_owned(), listed(min, max, 1))),
        2 => select(vec![1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 90])
            .prop_map(move |step| Item::Values(format!("*/{step}"), listed(min, max, step))),
        6 => (min..=max).prop_map(move |value| Item::Values(value.to_string(), vec![value])),
        2 => (min..=max).prop_map(move |value| Item::Values(format!("{value:02}"), vec![value])),
        3 => (min..=max, min..=max).prop_map(move |(one, other)| {
            let (from, to) = (one.min(other), one.max(other));
            Item::Values(format!("{from}-{to}"), listed(from, to, 1))
        }),
        3 => (min..=max, min..=max, 1..20_u32).prop_map(move |(one, other, step)| {
            let (from, to) = (one.min(other), one.max(other));
            Item::Values(format!("{from}-{to}/{step}"), listed(from, to, step))
        }),
    ]
}

fn field(items: impl Strategy<Value = Item> + 'static) -> impl Strategy<Value = Field> {
    proptest::collection::vec(items, 1..=3).prop_map(Field)
}

/// Mostly `*`: an expression that is due on few days says little about a window of a few.
fn mostly_any(
    min: u32,
    max: u32,
    other: impl Strategy<Value = Field> + 'static,
) -> impl Strategy<Value = Field> {
    let every = Field(vec![Item::Values("*".to_owned(), (min..=max).collect())]);
    prop_oneof![2 => Just(every), 1 => other]
}

fn days() -> impl Strategy<Value = Field> {
    let special = prop_oneof![Just(Item::LastDay), (1..=31_u32).prop_map(Item::Nearest)];
    mostly_any(1, 31, field(prop_oneof![5 => values(1, 31), 1 => special]))
}

fn weekdays() -> impl Strategy<Value = Field> {
    let special = prop_oneof![
        (0..=7_u32).prop_map(Item::LastWeekday),
        (0..=7_u32, 1..=5_u32).prop_map(|(day, nth)| Item::NthWeekday(day, nth))
    ];
    mostly_any(0, 7, field(prop_oneof![5 => values(0, 7), 1 => special]))
}

fn expression() -> impl Strategy<Value = Expression> {
    let minutes = field(prop_oneof![1 => values(0, 59), 1 => select(vec![0, 15, 29, 30, 45, 59])
        .prop_map(|minute| Item::Values(minute.to_string(), vec![minute]))]);
    // The small hours are where time changes are.
    let hours = field(prop_oneof![1 => values(0, 23), 1 => values(0, 4)
    .prop_map(|item| match item {
        Item::Values(text, _) if text.starts_with('*') => Item::Values("1-3".to_owned(), vec![1, 2, 3]),
        other => other,
    })]);
    let months = mostly_any(1, 12, field(values(1, 12)));
    (minutes, hours, days(), months, weekdays()).prop_map(|(minute, hour, day, month, weekday)| Expression {
        second: None,
        minute,
        hour,
        day,
        month,
        weekday,
        year: None,
        week: None,
        is_table: false,
    })
}

fn dst() -> impl Strategy<Value = DstRules> {
    let gap = prop_oneof![3 => Just(DstGap::After), 1 => Just(DstGap::Skip)];
    let fold = prop_oneof![3 => Just(DstFold::First), 1 => Just(DstFold::Second), 1 => Just(DstFold::Both)];
    (gap, fold).prop_map(|(gap, fold)| DstRules { gap, fold })
}

/// Picks a zone and an instant some time before one of its changes.
fn place() -> impl Strategy<Value = (Zone, i64)> {
    (any::<Index>(), any::<Index>()).prop_map(|(zone, change)| {
        let (zone, changes) = &CHANGES[zone.index(CHANGES.len())];
        let at = if changes.is_empty() { 1_800_000_000 } else { changes[change.index(changes.len())] };
        (zone.clone(), at)
    })
}

/// Returns the first place at which two lists differ, as simulated and as asked.
fn first_difference(simulated: &[i64], asked: &[i64]) -> Option<(Option<i64>, Option<i64>)> {
    let longest = simulated.len().max(asked.len());
    let pair = |place: usize| (simulated.get(place).copied(), asked.get(place).copied());
    (0..longest).map(pair).find(|(one, other)| one != other)
}

/// Asks the schedule for the same stretch of time, walking and counting.
fn asked(expression: &Expression, zone: &Zone, dst: DstRules, from: i64, to: i64) -> Vec<i64> {
    let schedule = schedule_with(&expression.to_string(), zone.name(), dst);
    let (from, to) = (Timestamp::from_secs(from), Timestamp::from_secs(to));
    let list: Vec<Timestamp> = walk(&schedule, from).take_while(|at| *at <= to).collect();
    let counted = schedule.fires_between(from, from, to).map(|fires| (fires.count, fires.first, fires.last));
    let walked = list.first().zip(list.last()).map(|(first, last)| (list.len() as u64, *first, *last));
    assert_eq!(counted, walked, "count of {expression} in {} from {from} to {to}", zone.name());
    let previewed: Vec<Timestamp> =
        schedule.preview(from, from, list.len().min(20)).iter().map(|preview| preview.at).collect();
    assert_eq!(previewed[..], list[..previewed.len()]);
    list.into_iter().map(Timestamp::as_secs).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_20_to_32_by_the_minute(
        expression in expression(),
        dst in dst(),
        (zone, change) in place(),
        lead in -300..2_400_i64,
    ) {
        const WINDOW: i64 = 3_000;
        let from = (change - lead * 60).div_euclid(60) * 60;
        let simulated = simulate(&expression, &zone, dst, from, WINDOW);
        let asked = asked(&expression, &zone, dst, from, from + WINDOW * 60);
        let difference = first_difference(&simulated, &asked);
        prop_assert_eq!(difference, None, "{} in {} {:?} from {}", expression, zone.name(), dst, from);
        prop_assert_eq!(Expression::read(&expression.to_string()), expression);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_20_to_32_by_the_second(
        second in field(values(0, 59)),
        expression in expression(),
        dst in dst(),
        (zone, change) in place(),
        lead in -7_200..7_200_i64,
    ) {
        const WINDOW: i64 = 9_000;
        let expression = Expression { second: Some(second), ..expression };
        let from = change - lead;
        let simulated = simulate(&expression, &zone, dst, from, WINDOW);
        let asked = asked(&expression, &zone, dst, from, from + WINDOW);
        let difference = first_difference(&simulated, &asked);
        prop_assert_eq!(difference, None, "{} in {} {:?} from {}", expression, zone.name(), dst, from);
    }
}
