//! The rules of time from the outside: each rule of docs/time.md as a table with real dates, and what must hold for any
//! expression in any zone. The names of the tests bear the numbers of the rules they hold.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod days;
#[cfg(test)]
mod expression;
#[cfg(test)]
mod extensions;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod support;
#[cfg(test)]
mod syntax;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod triggers;
#[cfg(test)]
mod words;
#[cfg(test)]
mod zones;
