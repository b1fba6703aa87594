//! Checks what a client presents: that it holds the key of its certificate, and that the certificate has not ended.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    SignatureScheme,
};
use shipslog_gateway_core::App;
use shipslog_gateway_core::pki::Presented;
use webpki::RawPublicKeyEntity;

/// Signatures are checked with the bare key: certificates of devices are often of X.509's first version, which path
/// building refuses, and no path is built here.
pub(super) struct Verifier {
    app: App,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) const fn new(app: App, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { app, algorithms }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

fn read(certificate: &CertificateDer<'_>) -> Result<Presented, Error> {
    Presented::read(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

impl ClientCertVerifier for Verifier {
    /// No hints: a client shall present what it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let validity = read(end_entity)?.validity();
        // By the service's clock, as everything that comes to an end.
        let now = self.app.now();
        if now > validity.not_after {
            return Err(CertificateError::Expired.into());
        }
        // Virtual time stands at a date of its own, which certificates from elsewhere know nothing of.
        if now < validity.not_before && !self.app.has_virtual_clock() {
            return Err(CertificateError::NotValidYet.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(read(certificate)?.public_key());
        let bad = || Error::from(CertificateError::BadSignature);
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| bad())?;
        // In TLS 1.2 a scheme leaves the curve open, so that several algorithms may fit.
        let fitting = self.algorithms.mapping.iter();
        let mut fitting = fitting.filter(|(scheme, _)| *scheme == signed.scheme);
        let Some((_, algorithms)) = fitting.next() else {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        };
        let is_signed = |algorithm: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
            key.verify_signature(*algorithm, message, signed.signature())
                .is_ok()
        };
        if algorithms.iter().any(is_signed) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(bad())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(read(certificate)?.public_key());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
