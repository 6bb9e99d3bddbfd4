//! TLS around a stream that never blocks: rustls, driven by the same readiness as everything else.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::event::Source;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::shell::tcp::Tcp;
use crate::shell::transport::Transport;

/// Whose certificates we believe.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The roots of the system, or those in the file that `SSL_CERT_FILE` names. Reads files: not for a shard's thread.
    pub(crate) fn of_the_system() -> Trust {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            log::warn!("root certificates: {error}");
        }
        let mut roots = RootCertStore::empty();
        let (_, refused) = roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            log::warn!("no root certificates found: trackers over https will fail");
        } else if refused > 0 {
            log::debug!("{refused} root certificates cannot be used");
        }
        Trust::of(roots)
    }

    /// These roots.
    pub(crate) fn of(roots: RootCertStore) -> Trust {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the versions that rustls thinks safe")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Trust { config: Arc::new(config) }
    }

    /// TLS over `tcp` to whoever proves to be `name`, a host name or an address.
    pub(crate) fn wrap(&self, tcp: Tcp, name: &str) -> io::Result<Tls> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let session = ClientConnection::new(Arc::clone(&self.config), name).map_err(broken)?;
        Ok(Tls { tcp, session, connected: false })
    }
}

/// A TLS stream over TCP.
#[derive(Debug)]
pub(crate) struct Tls {
    tcp: Tcp,
    session: ClientConnection,
    connected: bool,
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

impl Tls {
    /// Takes what the socket has into the session. Zero at its end.
    fn pull(&mut self) -> io::Result<usize> {
        let count = self.session.read_tls(self.tcp.stream())?;
        if let Err(error) = self.session.process_new_packets() {
            // The alert that tells the other side why; whether it arrives does not matter any more.
            let _ = self.session.write_tls(self.tcp.stream());
            return Err(broken(error));
        }
        Ok(count)
    }

    /// [`flush`](Transport::flush), but a full socket is no error here: its edge brings the next one.
    fn push(&mut self) -> io::Result<()> {
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }
}

impl Transport for Tls {
    fn source(&mut self) -> &mut dyn Source {
        self.tcp.source()
    }

    fn open(&mut self) -> io::Result<bool> {
        if !self.connected {
            self.connected = self.tcp.open()?;
            if !self.connected {
                return Ok(false);
            }
        }
        while self.session.is_handshaking() {
            self.push()?;
            match self.pull() {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.push()?;
        Ok(true)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        loop {
            match self.session.reader().read_vectored(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Servers that end without saying so in TLS are many. What runs inside knows its own length.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            self.pull()?;
            self.push()?;
        }
    }

    fn write(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.session.writer().write_vectored(from)?;
        self.push()?;
        // None is taken only while the session's own buffer is full, so something waits for a writable edge.
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(self.tcp.stream()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use mio::{Events, Interest, Poll, Token};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::shell::failure::net_error;

    /// A server of one connection that proves to be `localhost` and sends back, doubled, the ten bytes it gets first.
    fn server() -> (SocketAddr, RootCertStore, thread::JoinHandle<io::Result<()>>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a server");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let addr = listener.local_addr().expect("an address");
        let serve = move || {
            let session = ServerConnection::new(Arc::new(config)).map_err(broken)?;
            let mut stream = StreamOwned::new(session, listener.accept()?.0);
            let mut ten = [0; 10];
            stream.read_exact(&mut ten)?;
            stream.write_all(&ten)?;
            stream.write_all(&ten)?;
            stream.conn.send_close_notify();
            stream.flush()
        };
        (addr, roots, thread::spawn(serve))
    }

    /// Drives `step` by readiness until it returns something.
    fn drive<T>(tls: &mut Tls, mut step: impl FnMut(&mut Tls) -> io::Result<Option<T>>) -> io::Result<T> {
        let mut poll = Poll::new()?;
        poll.registry().register(tls.source(), Token(0), Interest::READABLE | Interest::WRITABLE)?;
        let mut events = Events::with_capacity(8);
        let result = loop {
            match step(tls) {
                Ok(Some(value)) => break Ok(value),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => break Err(error),
            }
            poll.poll(&mut events, None)?;
        };
        poll.registry().deregister(tls.source())?;
        result
    }

    #[test]
    fn bytes_go_through_tls_and_come_back() {
        let (addr, roots, server) = server();
        let tcp = Tcp::dial(addr, None).expect("a socket");
        let mut tls = Trust::of(roots).wrap(tcp, "localhost").expect("a session");
        drive(&mut tls, |tls| Ok(tls.open()?.then_some(()))).expect("an open stream");
        assert_eq!(tls.write(&[IoSlice::new(b"01234"), IoSlice::new(b"56789")]).expect("room"), 10);
        let mut got = Vec::new();
        drive(&mut tls, |tls| {
            tls.push()?;
            loop {
                let mut buffer = [0; 7];
                match tls.read(&mut [IoSliceMut::new(&mut buffer)])? {
                    0 => return Ok(Some(())),
                    count => got.extend_from_slice(&buffer[..count]),
                }
            }
        })
        .expect("an orderly end");
        assert_eq!(got, b"01234567890123456789");
        server.join().expect("no panic").expect("no error");
    }

    #[test]
    fn who_cannot_prove_the_name_is_refused() {
        let (addr, roots, server) = server();
        let tcp = Tcp::dial(addr, None).expect("a socket");
        let mut tls = Trust::of(roots).wrap(tcp, "elsewhere.example").expect("a session");
        let error = drive(&mut tls, |tls| Ok(tls.open()?.then_some(()))).expect_err("a wrong name");
        assert_eq!(net_error(&error), tide_engine::NetError::Tls);
        drop(tls);
        assert!(server.join().expect("no panic").is_err());
    }
}
