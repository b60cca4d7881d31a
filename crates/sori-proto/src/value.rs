//! Dynamic values: JSON with binary.

/// placeholder
pub enum Value {}
/// placeholder
pub enum Number {}
