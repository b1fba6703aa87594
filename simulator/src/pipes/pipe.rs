//! A pipe within the process: bytes both ways between a device and the service, and nothing else.
//!
//! The service's end is a stream that a task reads and writes. The device's end has no task: when bytes come for it,
//! its index is put on the list of its driver, once, until the driver looks. While nothing is on its way a pipe holds
//! no buffer.

use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Bytes that may wait in one direction.
pub const PIPE_BYTES_MAX: usize = 256 * 1024;

/// Devices of one driver for which something has come.
#[derive(Debug, Default)]
pub(super) struct Ready {
    list: Mutex<Vec<u32>>,
    some: Notify,
    /// Pipes with bytes that the service has not read.
    unread: AtomicU64,
}

impl Ready {
    fn put(&self, device: u32) {
        let mut list = self.list.lock().expect("no code panics while it holds it");
        list.push(device);
        let first = list.len() == 1;
        drop(list);
        if first {
            self.some.notify_one();
        }
    }

    /// Takes all that are listed, into `taken`, which is empty.
    pub(super) fn take(&self, taken: &mut Vec<u32>) {
        let mut list = self.list.lock().expect("no code panics while it holds it");
        std::mem::swap(&mut *list, taken);
    }

    /// Waits until something is listed, or was since the last wait.
    pub(super) async fn some(&self) {
        self.some.notified().await;
    }

    /// Whether the service has read everything.
    pub(super) fn all_read(&self) -> bool {
        self.unread.load(Acquire) == 0
    }

    /// Wakes whoever waits, though nothing may be listed.
    pub(super) fn wake(&self) {
        self.some.notify_one();
    }
}

#[derive(Debug)]
struct Pipe {
    driver: Arc<Ready>,
    device: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    to_service: Vec<u8>,
    to_device: Vec<u8>,
    /// Of the task that reads the service's end.
    reader: Option<Waker>,
    /// Of the task that waits for room to write.
    writer: Option<Waker>,
    /// Whether the device is on its driver's list.
    listed: bool,
    device_gone: bool,
    service_gone: bool,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds it")
    }

    /// Lists the device, unless it is.
    fn list(&self, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.listed, true) {
            drop(state);
            self.driver.put(self.device);
        }
    }
}

/// The service's end: a stream from CONNECT to the end of the connection.
#[derive(Debug)]
pub struct ServiceEnd(Arc<Pipe>);

/// The device's end.
#[derive(Debug)]
pub(super) struct DeviceEnd(Arc<Pipe>);

/// A new pipe for the `device`-th device of a driver.
pub(super) fn pipe(driver: &Arc<Ready>, device: u32) -> (DeviceEnd, ServiceEnd) {
    let pipe = Arc::new(Pipe {
        driver: Arc::clone(driver),
        device,
        state: Mutex::default(),
    });
    (DeviceEnd(Arc::clone(&pipe)), ServiceEnd(pipe))
}

/// What came for a device.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) bytes: Vec<u8>,
    /// Nothing will come after it.
    pub(super) ended: bool,
}

/// The service leaves too much unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unread;

impl DeviceEnd {
    /// Takes what came. From here on the device will be listed again.
    pub(super) fn take(&self) -> Arrived {
        let mut state = self.0.lock();
        state.listed = false;
        let bytes = std::mem::take(&mut state.to_device);
        let ended = state.service_gone;
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        Arrived { bytes, ended }
    }

    /// Gives back what is the beginning of a packet.
    pub(super) fn put_back(&self, mut beginning: Vec<u8>) {
        let mut state = self.0.lock();
        beginning.append(&mut state.to_device);
        state.to_device = beginning;
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), Unread> {
        let mut state = self.0.lock();
        if state.to_service.len() + bytes.len() > PIPE_BYTES_MAX {
            return Err(Unread);
        }
        if state.service_gone || bytes.is_empty() {
            return Ok(());
        }
        if state.to_service.is_empty() {
            self.0.driver.unread.fetch_add(1, AcqRel);
        }
        state.to_service.extend_from_slice(bytes);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }
}

impl Drop for DeviceEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.device_gone = true;
        state.to_device = Vec::new();
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Drop for ServiceEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.service_gone = true;
        if !state.to_service.is_empty() {
            state.to_service = Vec::new();
            self.0.driver.unread.fetch_sub(1, AcqRel);
        }
        state.reader = None;
        state.writer = None;
        if !state.device_gone {
            self.0.list(state);
        }
    }
}

/// Remembers the task that polls, unless it is remembered.
fn remember(waker: &mut Option<Waker>, context: &Context<'_>) {
    match waker {
        Some(waker) if waker.will_wake(context.waker()) => (),
        other => *other = Some(context.waker().clone()),
    }
}

impl AsyncRead for ServiceEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.to_service.is_empty() {
            if state.device_gone {
                return Poll::Ready(Ok(()));
            }
            remember(&mut state.reader, context);
            return Poll::Pending;
        }
        let count = buffer.remaining().min(state.to_service.len());
        buffer.put_slice(&state.to_service[..count]);
        if count == state.to_service.len() {
            state.to_service = Vec::new();
            drop(state);
            self.0.driver.unread.fetch_sub(1, AcqRel);
        } else {
            state.to_service.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServiceEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.device_gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = PIPE_BYTES_MAX.saturating_sub(state.to_device.len());
        if room == 0 && !bytes.is_empty() {
            remember(&mut state.writer, context);
            return Poll::Pending;
        }
        let count = room.min(bytes.len());
        state.to_device.extend_from_slice(&bytes[..count]);
        self.0.list(state);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.service_gone = true;
        self.0.list(state);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
