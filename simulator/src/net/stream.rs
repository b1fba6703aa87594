//! The stream of a connection: TCP as it is, or TLS over it.
//!
//! Both are driven without a task or a buffer of their own: bytes are read into whatever buffer the caller has, and
//! what the socket does not take is left to the caller. A TLS session keeps the records that the socket did not take.

use std::io::{self, Read, Write};
use std::task::{Context, Poll, ready};

use rustls::ClientConnection;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;

/// A connected stream.
pub(super) enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP. The handshake takes place while bytes are sent and received.
    Tls(Box<Session>),
}

/// A TLS session on its socket.
pub(super) struct Session {
    socket: TcpStream,
    tls: ClientConnection,
}

/// A socket whose reads and writes say that they would block instead of blocking.
struct Unblocked<'a>(&'a TcpStream);

impl Read for Unblocked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Unblocked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_blocked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl Stream {
    /// TLS over `socket`, from its first byte on.
    pub(super) fn tls(socket: TcpStream, tls: ClientConnection) -> Self {
        Self::Tls(Box::new(Session { socket, tls }))
    }

    /// Reads into `buffer`; 0: the other side has closed.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(std::pin::Pin::new(socket).poll_read(context, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Self::Tls(session) => session.poll_read(context, buffer),
        }
    }

    /// Sends as much of `bytes` as is taken now; gives how much that is.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => {
                let mut sent = 0;
                while sent < bytes.len() {
                    match socket.try_write(&bytes[sent..]) {
                        Ok(count) => sent += count,
                        Err(error) if is_blocked(&error) => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(sent)
            }
            Self::Tls(session) => session.send(bytes),
        }
    }

    /// Whether it keeps bytes that the socket has not taken yet.
    pub(super) fn is_holding(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(session) => session.tls.wants_write(),
        }
    }

    /// Waits for room in the socket.
    pub(super) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_write_ready(context),
            Self::Tls(session) => session.socket.poll_write_ready(context),
        }
    }
}

impl Session {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.tls.reader().read(buffer) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if is_blocked(&error) => (),
                // Closed without the closing words of TLS: MQTT has words of its own.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(0));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.socket.poll_read_ready(context))?;
            match self.tls.read_tls(&mut Unblocked(&self.socket)) {
                Ok(0) => return Poll::Ready(Ok(0)),
                Ok(_) => (),
                Err(error) if is_blocked(&error) => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
            let processed = self.tls.process_new_packets();
            // An alert says to the other side what is wrong; what is wrong matters more than whether it gets there.
            let pushed = self.push();
            processed.map_err(io::Error::other)?;
            pushed?;
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push()?;
        let taken = if bytes.is_empty() {
            0
        } else {
            self.tls.writer().write(bytes)?
        };
        self.push()?;
        Ok(taken)
    }

    /// Gives the socket what it takes of the waiting records.
    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Unblocked(&self.socket)) {
                Ok(_) => (),
                Err(error) if is_blocked(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
