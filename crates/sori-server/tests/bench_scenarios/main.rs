//! `sori bench SCENARIO URL` as its users meet it: the real program as the tester, and as the server that is tested.
//!
//! No test says how long something takes; a load of seconds may take longer on a machine that does other things.

mod faults;
mod folder;
mod good;
mod kinds;
mod midway;
mod support;
mod wrong;
