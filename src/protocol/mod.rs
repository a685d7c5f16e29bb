//! The control protocol: requests, replies, views and framing. No sockets here.

pub mod views;
