//! Socket.IO protocol, revisions 3 to 5.
