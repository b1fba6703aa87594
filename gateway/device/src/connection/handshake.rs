//! From the opened stream to CONNACK.

use std::sync::Arc;

use shipslog_domain::access::{self, Action};
use shipslog_domain::certificate::Status;
use shipslog_gateway_core::fleet_provisioning::Outcome;
use shipslog_gateway_core::pki::Presented;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::codec::{self, ConnAck, Connect, ConnectRefusal, Version, Will, reason};
use crate::doorway::{Doorway, Place};
use crate::edge::{Attendance, Inner, Peer};
use crate::guard::{Candidate, Denied, Pass};
use crate::metrics::Refused;
use crate::session::Session;
use crate::{limits, topics};

/// A client that may go on.
pub(super) struct Opened {
    pub(super) session: Arc<Session>,
    pub(super) version: Version,
    pub(super) keep_alive_seconds: u16,
    pub(super) will: Option<Box<Will>>,
    /// What came after CONNECT.
    pub(super) input: Vec<u8>,
    /// CONNACK.
    pub(super) output: Vec<u8>,
    /// What a client with a certificate may do.
    pub(super) pass: Option<Arc<Pass>>,
    pub(super) attendance: Attendance,
}

/// A refusal, and the answer that tells the client.
struct Refusal {
    counted: Refused,
    answer: Vec<u8>,
}

impl Refusal {
    const fn silent(counted: Refused) -> Self {
        Self {
            counted,
            answer: Vec::new(),
        }
    }

    fn told(counted: Refused, version: Version, code: u8) -> Self {
        let mut answer = Vec::new();
        let told = ConnAck {
            session_present: false,
            reason: code,
            assigned_client_id: None,
            session_expiry: None,
        };
        codec::connack(&mut answer, version, told);
        Self { counted, answer }
    }
}

/// Reads CONNECT, within a bounded time, and gives the client its session.
pub(super) async fn open<S>(
    edge: &Inner,
    stream: &mut S,
    peer: Box<Peer>,
) -> Result<Opened, Refused>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let read = tokio::select! {
        read = timeout(limits::CONNECT_TIME_MAX, read_connect(stream, &edge.unfinished)) => {
            read.unwrap_or_else(|_| Err(Refusal::silent(Refused::ConnectTimeout)))
        }
        () = edge.stopping() => Err(Refusal::silent(Refused::ShuttingDown)),
    };
    let opened = match read {
        Ok((connect, input)) => admit(edge, connect, input, *peer).await,
        Err(refusal) => Err(refusal),
    };
    match opened {
        Ok(opened) => Ok(opened),
        Err(refusal) => {
            if !refusal.answer.is_empty() {
                let told = async {
                    stream.write_all(&refusal.answer).await?;
                    stream.shutdown().await
                };
                // Whoever does not take the answer goes without it.
                timeout(super::FAREWELL_TIME_MAX, told).await.ok();
            }
            Err(refusal.counted)
        }
    }
}

async fn read_connect<S: AsyncRead + Unpin>(
    stream: &mut S,
    unfinished: &Arc<Doorway>,
) -> Result<(Connect, Vec<u8>), Refusal> {
    let malformed = || Refusal::silent(Refused::Malformed);
    let mut input = Vec::with_capacity(256);
    let mut place: Option<Place> = None;
    loop {
        if input.capacity() > limits::UNFINISHED_BYTES_FREE {
            let place = place.get_or_insert_with(|| unfinished.enter(0));
            place.weigh(input.capacity());
        }
        let displaced = async {
            match &mut place {
                Some(place) => place.displaced().await,
                None => std::future::pending().await,
            }
        };
        let count = tokio::select! {
            read = stream.read_buf(&mut input) => read.unwrap_or_default(),
            () = displaced => return Err(Refusal::silent(Refused::Unfinished)),
        };
        if count == 0 {
            return Err(Refusal::silent(Refused::Closed));
        }
        // Anything else at the start cannot become a CONNECT.
        if input.first() != Some(&0x10) {
            return Err(malformed());
        }
        // The version is not known before the packet is read; it matters for publications only.
        if let Some(frame) = codec::frame(&input, Version::V4).map_err(|_| malformed())? {
            let connect = codec::connect(frame).map_err(|refusal| match refusal {
                ConnectRefusal::Silent(_) => malformed(),
                ConnectRefusal::UnsupportedVersion => {
                    Refusal::told(Refused::Version, Version::V4, reason::UNSUPPORTED_VERSION)
                }
                // MQTT 3.1.1 has no return code for a malformed packet.
                ConnectRefusal::Violation(Version::V4, _) => malformed(),
                ConnectRefusal::Violation(Version::V5, violation) => {
                    Refusal::told(Refused::Malformed, Version::V5, violation.reason)
                }
            })?;
            let rest = input.split_off(frame.length);
            return Ok((connect, rest));
        }
    }
}

async fn admit(
    edge: &Inner,
    mut connect: Connect,
    input: Vec<u8>,
    peer: Peer,
) -> Result<Opened, Refusal> {
    let version = connect.version;
    let assigned = name_client(edge, &mut connect)?;
    check_will(&connect)?;
    if edge.is_stopping() {
        return Err(Refusal::told(
            Refused::ShuttingDown,
            version,
            reason::SERVER_BUSY,
        ));
    }
    let candidate = match peer.certificate {
        None => None,
        Some(certificate) => Some(check(edge, certificate, &connect).await?),
    };
    let claim = edge
        .directory
        .claim(&connect.client_id, &connect, candidate.as_ref())
        .await;
    let claim =
        claim.map_err(|_| Refusal::told(Refused::TakeOver, version, reason::SERVER_BUSY))?;
    if let Some(ended) = &claim.ended {
        edge.forget_for_good(ended).await;
    }
    let pass = candidate.map(|candidate| edge.guard.let_in(candidate, &claim.session));
    if let Some(pass) = &pass {
        claim.session.set_pass(Arc::clone(pass));
    }
    if edge.is_stopping() {
        // The order to end may have been given to all sessions but this one.
        claim.session.order(crate::session::Order::ShutDown);
    }
    edge.metrics.connects.one();
    if claim.present {
        edge.metrics.sessions_resumed.one();
    }
    let attendance = edge.arrived(&claim.session, pass.as_deref(), peer.address);
    let expiry = claim.session.expiry_seconds();
    let mut output = Vec::new();
    let answer = ConnAck {
        session_present: claim.present,
        reason: reason::SUCCESS,
        assigned_client_id: assigned.then_some(connect.client_id.as_str()),
        session_expiry: connect
            .session_expiry
            .filter(|asked| *asked != expiry)
            .map(|_| expiry),
    };
    codec::connack(&mut output, version, answer);
    Ok(Opened {
        session: claim.session,
        version,
        keep_alive_seconds: connect.keep_alive_seconds,
        will: connect.will,
        input,
        output,
        pass,
        attendance,
    })
}

/// A will is published as it was given: its topic must be one.
fn check_will(connect: &Connect) -> Result<(), Refusal> {
    match &connect.will {
        Some(will) if !topics::topic_is_valid(&will.topic) => Err(match connect.version {
            Version::V4 => Refusal::silent(Refused::Malformed),
            Version::V5 => Refusal::told(Refused::Malformed, Version::V5, reason::TOPIC_INVALID),
        }),
        _ => Ok(()),
    }
}

/// Has the fleet say whether a client with a certificate may connect, and with this will.
async fn check(
    edge: &Inner,
    certificate: Presented,
    connect: &Connect,
) -> Result<Candidate, Refusal> {
    let version = connect.version;
    let not_authorized = |counted| Refusal::told(counted, version, reason::NOT_AUTHORIZED);
    let certificate = Arc::new(certificate);
    let asked = Arc::clone(&certificate);
    let asked = edge.guard.ask(&edge.app, asked, &connect.client_id);
    let candidate = match asked.await {
        Ok(candidate) => candidate,
        Err(Denied::Unasked) => {
            return Err(Refusal::told(Refused::Busy, version, reason::SERVER_BUSY));
        }
        Err(Denied::ByFleet(refusal)) => {
            let (counted, code) = Box::pin(turn_away(edge, &certificate, refusal)).await;
            tracing::info!(
                client.id = connect.client_id,
                certificate.id = %certificate.fingerprint(),
                reason = %refusal,
                outcome = counted.label(),
                "a client is refused"
            );
            return Err(Refusal::told(counted, version, code));
        }
    };
    if let Some(will) = &connect.will {
        let retains = will.retain.then_some(Action::RetainPublish);
        for action in [Some(Action::Publish), retains].into_iter().flatten() {
            if !candidate.allows(action, &will.topic) {
                edge.metrics.denied(action);
                candidate.note_refusal(action, &will.topic);
                return Err(not_authorized(Refused::NotAllowed));
            }
        }
    }
    Ok(candidate)
}

/// What becomes of a client that the fleet refuses. One with an unknown certificate of a CA that wants its devices is
/// registered, and may come in with its next connection.
async fn turn_away(
    edge: &Inner,
    certificate: &Presented,
    refusal: access::Refusal,
) -> (Refused, u8) {
    let (counted, is_known) = match refusal {
        access::Refusal::Unknown => (Refused::Unknown, false),
        access::Refusal::NotActive(Status::PendingActivation) => (Refused::NotActive, true),
        access::Refusal::NotActive(_) => return (Refused::NotActive, reason::NOT_AUTHORIZED),
        access::Refusal::NotAllowed => {
            edge.metrics.denied(Action::Connect);
            return (Refused::NotAllowed, reason::NOT_AUTHORIZED);
        }
    };
    let Some(provisioning) = edge.provisioning() else {
        return (counted, reason::NOT_AUTHORIZED);
    };
    match provisioning.present(certificate, is_known).await {
        Outcome::NotWanted | Outcome::Refused => (counted, reason::NOT_AUTHORIZED),
        Outcome::Registered | Outcome::Provisioned => (Refused::JustInTime, reason::NOT_AUTHORIZED),
        Outcome::Throttled => (Refused::Busy, reason::SERVER_BUSY),
    }
}

/// Checks the client id, or gives one to a client that has none. `true`: given.
fn name_client(edge: &Inner, connect: &mut Connect) -> Result<bool, Refusal> {
    let refusal = || {
        Refusal::told(
            Refused::ClientId,
            connect.version,
            reason::CLIENT_ID_INVALID,
        )
    };
    if connect.client_id.len() > limits::CLIENT_ID_BYTES_MAX {
        return Err(refusal());
    }
    if !connect.client_id.is_empty() {
        return Ok(false);
    }
    // MQTT 3.1.1 clients cannot be told their name, so they cannot come back to a session.
    if connect.version == Version::V4 && !connect.clean {
        return Err(refusal());
    }
    connect.client_id = edge.new_client_id();
    Ok(true)
}
