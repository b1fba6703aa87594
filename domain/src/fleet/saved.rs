//! The state as bytes, to shorten replay. Never the only copy: the log is the truth.

use std::convert::Infallible;

use minicbor::Decode;
use minicbor::encode::Write;

use super::{Fleet, Settings};

/// Where encoded pieces go.
struct Pieces<'a>(&'a mut dyn FnMut(&[u8]));

impl Write for Pieces<'_> {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        (self.0)(bytes);
        Ok(())
    }
}

impl Fleet {
    /// Version of what [`Fleet::save`] writes. Another one is ignored and the log is replayed instead.
    pub const SAVED_VERSION: u32 = 16;

    /// Appends the whole state to `buffer`.
    pub fn save(&self, buffer: &mut Vec<u8>) {
        self.write(&mut |bytes: &[u8]| buffer.extend_from_slice(bytes));
    }

    /// Hands what [`Fleet::save`] writes to `take`, piece by piece: a whole state may be too much to hold twice.
    pub fn write(&self, take: &mut dyn FnMut(&[u8])) {
        let parts = (
            &self.things,
            &self.groups,
            &self.certificates,
            &self.ca_certificates,
            &self.policies,
            &self.provisioning_templates,
            &self.templates,
            &self.core_tasks,
            &self.deployment_tasks,
            &self.jobs,
            &self.executions,
            &self.timers,
            (&self.job_templates, &self.file_streams, &self.account),
            &self.client_devices,
            (
                &self.shadows,
                &self.presences,
                &self.billing_groups,
                &self.ota_updates,
            ),
            (
                &self.components,
                &self.deployments,
                &self.stacks,
                &self.container_services,
            ),
        );
        minicbor::encode(parts, Pieces(take)).expect("taking bytes does not fail");
    }

    /// The state that [`Fleet::save`] wrote; `None` if `bytes` are something else.
    #[must_use]
    pub fn load(settings: Settings, bytes: &[u8]) -> Option<Self> {
        fn next<'b, T: Decode<'b, ()>>(decoder: &mut minicbor::Decoder<'b>) -> Option<T> {
            decoder.decode().ok()
        }
        let mut decoder = minicbor::Decoder::new(bytes);
        if decoder.array().ok()? != Some(16) {
            return None;
        }
        let mut fleet = Self {
            settings,
            things: next(&mut decoder)?,
            groups: next(&mut decoder)?,
            certificates: next(&mut decoder)?,
            ca_certificates: next(&mut decoder)?,
            policies: next(&mut decoder)?,
            provisioning_templates: next(&mut decoder)?,
            templates: next(&mut decoder)?,
            core_tasks: next(&mut decoder)?,
            deployment_tasks: next(&mut decoder)?,
            jobs: next(&mut decoder)?,
            executions: next(&mut decoder)?,
            timers: next(&mut decoder)?,
            ..Self::default()
        };
        let more = next(&mut decoder)?;
        (fleet.job_templates, fleet.file_streams, fleet.account) = more;
        fleet.client_devices = next(&mut decoder)?;
        let more = next(&mut decoder)?;
        (
            fleet.shadows,
            fleet.presences,
            fleet.billing_groups,
            fleet.ota_updates,
        ) = more;
        (
            fleet.components,
            fleet.deployments,
            fleet.stacks,
            fleet.container_services,
        ) = next(&mut decoder)?;
        Some(fleet)
    }
}
