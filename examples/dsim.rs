use jobctl::core::cron::*;
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::*;
use std::io::*;
fn main() {
    let src = jobctl::zoneinfo::source();
    let mut bad = 0;
    let mut n = 0;
    let mut err = 0;
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        let p: Vec<&str> = line.split('|').collect();
        let from: i64 = p[2].parse().unwrap();
        let mins: i64 = p[3].parse().unwrap();
        n += 1;
        let cron = match Cron::parse(p[1], "x") {
            Ok(Parsed::Cron(c)) => c,
            other => {
                err += 1;
                if p[4] != "ERR" {
                    println!("REFUSED {line} {other:?}");
                    bad += 1;
                }
                continue;
            }
        };
        let s = Schedule {
            trigger: Trigger::Cron(Box::new(CronTrigger { cron, dst: DstRules::default() })),
            zone: src.zone(p[0]).unwrap(),
            start: None,
            end: None,
            jitter: Default::default(),
        };
        let f = Timestamp::from_secs(from);
        let end = Timestamp::from_secs(from + mins * 60);
        let mut got = vec![];
        let mut at = f;
        while let Some(x) = s.next_after(f, at) {
            if x > end {
                break;
            }
            got.push(x.as_secs().to_string());
            at = x;
        }
        let want: Vec<String> = p[4].split_whitespace().map(str::to_owned).collect();
        // cross-check count
        let c = s.fires_between(f, f, end);
        let cnt = c.map_or(0, |c| c.count);
        if cnt as usize != got.len()
            || c.is_some_and(|c| c.last.as_secs().to_string() != *got.last().unwrap())
        {
            println!("COUNT {line} {cnt} {}", got.len());
            bad += 1;
        }
        if got != want {
            bad += 1;
            let i = got.iter().zip(&want).position(|(a, b)| a != b).unwrap_or(got.len().min(want.len()));
            println!(
                "DIFF {}|{}|{}|{} at {i}: got {:?} want {:?}",
                p[0],
                p[1],
                p[2],
                p[3],
                got.get(i),
                want.get(i)
            );
        }
    }
    println!("{n} cases, {bad} bad, {err} errors");
}
