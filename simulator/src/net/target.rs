//! Where devices connect to, and from which address.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use serde::{Deserialize, Serialize};

use crate::net::Failure;
use crate::net::tls;

/// Port of plain MQTT.
const PORT_PLAIN: u16 = 1883;
/// Port of MQTT over TLS.
const PORT_TLS: u16 = 8883;
/// Devices that connect from one loopback address: the system has some 28,000 ports per address for connections that
/// go out.
const DEVICES_PER_ADDRESS: u32 = 10_000;
/// Where the ports of these devices begin.
const PORTS_FROM: u32 = 30_000;
/// Ports of a device, taken in turn: one of a connection that was closed is not free again at once.
const PORTS_PER_DEVICE: u32 = 3;

/// Where the service listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub(super) host: String,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) tls: Option<tls::Settings>,
}

impl Target {
    /// Accepts `mqtt://HOST:PORT`, `mqtts://HOST:PORT`, or `HOST:PORT`, and resolves it. `tls` is needed for `mqtts`
    /// and refused otherwise.
    pub fn parse(text: &str, tls: Option<tls::Settings>) -> Result<Self, Failure> {
        let refuse = |why: String| Failure::Target {
            target: text.into(),
            why,
        };
        let (is_tls, place) = match text.split_once("://") {
            None => (false, text),
            Some(("mqtt", place)) => (false, place),
            Some(("mqtts", place)) => (true, place),
            Some((scheme, _)) => {
                let why = format!("scheme {scheme} is not supported; mqtt and mqtts are");
                return Err(refuse(why));
            }
        };
        match (is_tls, &tls) {
            (true, None) => {
                return Err(refuse(
                    "TLS needs the certificate of whoever issued the server's; give --ca FILE"
                        .into(),
                ));
            }
            (false, Some(_)) => {
                return Err(refuse(
                    "certificates are for TLS; the target has to begin with mqtts://".into(),
                ));
            }
            (true, Some(_)) | (false, None) => (),
        }
        let place = place.trim_end_matches('/');
        let port = if is_tls { PORT_TLS } else { PORT_PLAIN };
        let has_port = place.parse::<SocketAddr>().is_ok() || place.contains(':');
        let (host, resolved) = if has_port {
            let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
            (host, place.to_socket_addrs())
        } else {
            (place, (place, port).to_socket_addrs())
        };
        let mut addresses: Vec<_> = resolved
            .map_err(|error| refuse(error.to_string()))?
            .collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err(refuse("no address".into()));
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).into(),
            addresses,
            tls,
        })
    }

    /// Where the device with this index connects from at its n-th attempt, where the system's choice would run out of
    /// ports: to a loopback address, from one for each ten thousand devices, and from a port of its own, because the
    /// system searches long for a free one.
    pub(super) fn source(index: u32, attempt: u32, target: SocketAddr) -> Option<SocketAddr> {
        let block = index / DEVICES_PER_ADDRESS;
        if block == 0 || !target.is_ipv4() || !target.ip().is_loopback() {
            return None;
        }
        let address = u32::from(Ipv4Addr::LOCALHOST).saturating_add(block);
        let place = index % DEVICES_PER_ADDRESS * PORTS_PER_DEVICE + attempt % PORTS_PER_DEVICE;
        let port = u16::try_from(PORTS_FROM + place).ok()?;
        Some((Ipv4Addr::from(address), port).into())
    }
}

#[cfg(test)]
mod tests;
