//! `any`: the earliest of its members, each with its own history; equal instants are one fire time.

use super::search::Search;
use super::{Fires, Schedule};
use crate::core::instant::Timestamp;

pub(super) fn next_after(members: &[Schedule], search: Search<'_>, after: Timestamp) -> Option<Timestamp> {
    members.iter().filter_map(|member| member.search(search, after)).min()
}

/// Counts the fire times in `(after, through]`, equal ones once.
///
/// The member with the most of them is counted at once. Those of the others are taken one by one and count where
/// no member before has them, for as long as the search may look; what is left out then makes the count too small.
pub(super) fn fires_between(
    members: &[Schedule],
    search: Search<'_>,
    after: Timestamp,
    through: Timestamp,
) -> Option<Fires> {
    let answers = search.shared_by(members, |member, search| member.count(search, after, through));
    let with_members = answers.into_iter().zip(members);
    let mut counted: Vec<(Fires, &Schedule)> =
        with_members.filter_map(|(fires, member)| Some((fires?, member))).collect();
    counted.sort_by_key(|(fires, _)| std::cmp::Reverse(fires.count));
    let (most, _) = counted.first()?;
    let mut all = *most;
    for (place, (fires, member)) in counted.iter().enumerate().skip(1) {
        all.first = all.first.min(fires.first);
        all.last = all.last.max(fires.last);
        let mut next = Some(fires.first);
        while let Some(at) = next.filter(|at| *at <= fires.last) {
            if !search.may_ask(place) {
                break;
            }
            let known = counted.iter().take(place).any(|(_, earlier)| earlier.fires_at(search, at));
            all.count += u64::from(!known);
            next = member.search(search, at);
        }
    }
    Some(all)
}
