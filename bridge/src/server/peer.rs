//! Whose program is at the other end of a connection: on a computer that several people
//! use at once, each has a bridge of the own and is answered by no other.

use std::net::SocketAddr;

/// Whether the program at the other end is of the person who runs this one. On systems
/// other than Linux nobody can tell: yes.
#[cfg(target_os = "linux")]
pub(super) fn is_own(here: SocketAddr, there: SocketAddr) -> bool {
    let table = match there {
        SocketAddr::V4(_) => procfs::net::tcp(),
        SocketAddr::V6(_) => procfs::net::tcp6(),
    };
    // The other end of this connection: where it is from there is where it goes from here.
    let found = table
        .unwrap_or_default()
        .into_iter()
        .find(|entry| entry.local_address == there && entry.remote_address == here);
    found.is_some_and(|entry| entry.uid == rustix::process::geteuid().as_raw())
}

/// Whether the program at the other end is of the person who runs this one. On systems
/// other than Linux nobody can tell: yes.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_own(_: SocketAddr, _: SocketAddr) -> bool {
    true
}
