//! `any`: the earliest of its members, each with its own history; equal instants are one fire time.

use super::Schedule;
use crate::core::instant::Timestamp;

pub(super) fn next_after(members: &[Schedule], anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    members.iter().filter_map(|member| member.next_after(anchor, after)).min()
}
