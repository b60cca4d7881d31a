//! Engine.IO, revisions 3 and 4.
