//! The front before hyper, over real connections: what it answers, it answers as axum and hyper would, and what it does not, they do.

mod alike;
mod both;
mod cuts;
mod endings;
mod heads;
mod streams;
mod table;
#[allow(dead_code)]
#[path = "../security/wire.rs"]
mod wire;
