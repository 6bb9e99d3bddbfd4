//! What the system says about a connection, in the engine's words.

use std::io::{self, ErrorKind};

use tide_engine::NetError;

/// The engine's word for a system's error on a connection.
pub(crate) fn net_error(error: &io::Error) -> NetError {
    if is_exhausted(error) {
        return NetError::Exhausted;
    }
    #[cfg(feature = "tls")]
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return NetError::Tls;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => NetError::Refused,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::WriteZero
        | ErrorKind::NotConnected => NetError::Reset,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => NetError::Unreachable,
        ErrorKind::TimedOut => NetError::TimedOut,
        ErrorKind::OutOfMemory | ErrorKind::AddrInUse => NetError::Exhausted,
        ErrorKind::Unsupported | ErrorKind::InvalidData => NetError::Tls,
        _ => NetError::Other,
    }
}

/// Whether we have run out of something of our own: descriptors, or the kernel's memory for sockets.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    is_out_of_files(error) || cfg!(unix) && matches!(error.raw_os_error(), Some(ENOMEM | ENOBUFS))
}

/// Whether no descriptor is left, in the process or in the system.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_by_what_can_be_done() {
        assert_eq!(net_error(&io::Error::from_raw_os_error(24)), NetError::Exhausted);
        assert_eq!(net_error(&ErrorKind::ConnectionRefused.into()), NetError::Refused);
        assert_eq!(net_error(&ErrorKind::BrokenPipe.into()), NetError::Reset);
        assert_eq!(net_error(&ErrorKind::NetworkUnreachable.into()), NetError::Unreachable);
        assert_eq!(net_error(&io::Error::other("?")), NetError::Other);
    }
}
