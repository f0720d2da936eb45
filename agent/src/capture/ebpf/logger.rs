//! Carries the programs' debug lines to the log.

use super::load::Capture;
use super::pump::readable;
use std::io;

impl Capture {
    /// A task that forwards debug lines as long as it is polled. `None` when called
    /// again.
    ///
    /// aya-log speaks to the `log` crate, and `tracing-subscriber` listens there: install
    /// the subscriber first, or the lines go nowhere.
    pub fn forward_debug_lines(
        &mut self,
    ) -> Option<impl Future<Output = io::Result<()>> + Send + use<>> {
        let logger = aya_log::EbpfLogger::init(&mut self.ebpf).ok()?;
        Some(async move {
            let mut logger = readable(logger)?;
            loop {
                let mut guard = logger.readable_mut().await?;
                guard.get_inner_mut().flush();
                guard.clear_ready();
            }
        })
    }
}
