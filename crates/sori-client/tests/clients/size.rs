//! What a connection holds: a load generator has tens of thousands.

use sori_client::{Error, Event, Lines, LongPoll, Nchan, Options, Post, SocketIo, Sse, WebSocket};

#[test]
fn a_connection_is_small() {
    #[track_caller]
    fn at_most(size: usize, bytes: usize) {
        assert!(size <= bytes, "{size} bytes");
    }
    at_most(size_of::<SocketIo>(), 416);
    at_most(size_of::<WebSocket>(), 264);
    at_most(size_of::<Sse>(), 368);
    at_most(size_of::<Lines>(), 288);
    at_most(size_of::<LongPoll>(), 400);
    at_most(size_of::<Nchan>(), 320);
    at_most(size_of::<Post>(), 200);
    at_most(size_of::<Event>(), 96);
    at_most(size_of::<Error>(), 56);
    // Opening takes more, but not in the caller's future.
    let options = Options::new();
    at_most(size_of_val(&SocketIo::open("", &options)), 64);
    at_most(size_of_val(&WebSocket::open("", &options)), 64);
    at_most(size_of_val(&Sse::open("", &options)), 64);
}
