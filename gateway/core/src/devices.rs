//! A device made by hand: key and certificate, registered, active, attached to its thing, under the default policy.

use shipslog_domain::certificate::{self, Certificate, Signer, Status};
use shipslog_domain::policy::{self, device};
use shipslog_domain::provisioning::CertificateInfo;
use shipslog_domain::{Command, PolicyName, Rejection, RejectionKind, ThingName};

use crate::App;
use crate::app::Failure;
use crate::pki::{self, Authority, Issued};

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The fleet refuses it.
    #[error("{}", .0.message)]
    Rejected(Rejection),
    /// The certificate cannot be made.
    #[error(transparent)]
    Certificate(#[from] pki::Error),
    /// The service cannot do it now.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Makes a certificate that acts as a thing of this name, which is made if it is missing. Durable when this returns.
pub async fn issue(app: &App, authority: &Authority, thing: &str) -> Result<Issued, Error> {
    let thing = ThingName::parse(thing).map_err(Error::Rejected)?;
    let info = CertificateInfo::default();
    let issued = authority.issue(None, &info, thing.as_str(), app.now())?;
    let document = app
        .read(|fleet| device::document(fleet.settings()))
        .await?
        .into();
    let policy = PolicyName::parse(device::NAME).map_err(Error::Rejected)?;
    let fingerprint = issued.certificate.fingerprint;
    // What is there already stays as it is: the operator may have made it their own.
    let missing = vec![
        Command::Policy(policy::Command::Create {
            name: policy.clone(),
            document,
        }),
        Command::CreateThing {
            name: thing.clone(),
            thing_type: None,
            attributes: Vec::new(),
            billing_group: None,
        },
    ];
    let new = vec![
        Command::Certificate(certificate::Command::Enroll {
            certificate: Certificate {
                fingerprint,
                pem: issued.certificate.pem.clone(),
                status: Status::Active,
            },
            signer: Signer::Service,
        }),
        Command::Certificate(certificate::Command::Attach {
            thing,
            fingerprint,
            exclusive: false,
        }),
        Command::Policy(policy::Command::Attach {
            name: policy,
            target: policy::Target::Certificate(fingerprint),
        }),
    ];
    let optional = missing.len();
    let decided = app
        .submit_all(missing.into_iter().chain(new).collect())
        .await?;
    for (at, decided) in decided.into_iter().enumerate() {
        match decided {
            Err(rejection) if at >= optional || rejection.kind != RejectionKind::AlreadyExists => {
                return Err(Error::Rejected(rejection));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(issued)
}
