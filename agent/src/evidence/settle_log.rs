//! Reads a lease database that its server appends to, and tells what is sure.
//!
//! What stands in such a file stays there, and another file takes its place as a whole:
//! a reading that ends with a whole piece is true, whatever the writer does meanwhile.
//! One that ends in the middle of a piece, or that met the replacement, is repeated.

use super::settle::{
    Content, FIRST_DELAY, Known, LONGEST_DELAY, PATIENCE, ReadError, Sample, Settled, Source,
    missing,
};
use crate::clock;
use std::time::Duration;

/// Reads until it is sure what the log holds, or patience ends.
pub(super) async fn settle_log(
    source: &mut impl Source,
    known: Option<&Known>,
) -> Result<Settled, ReadError> {
    let start = clock::now();
    let mut waited = Duration::ZERO;
    let mut delay = FIRST_DELAY;
    loop {
        match Sample::take(source) {
            Ok(sample)
                if known.is_some_and(|known| known.fingerprint == Some(sample.fingerprint)) =>
            {
                return Ok(sample.settled(Content::Unchanged));
            }
            Ok(sample) => {
                if let Some(seen) = sample.leases()? {
                    let gone = missing(known, &seen);
                    return Ok(sample.into_read(seen, gone));
                }
            }
            Err(ReadError::Moving) => {}
            Err(error) => return Err(error),
        }
        if waited >= PATIENCE {
            return Ok(Settled {
                from: start,
                until: clock::now(),
                content: Content::Torn,
            });
        }
        tokio::time::sleep(delay).await;
        waited += delay;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::procfs::Rest;
    use crate::evidence::table::Table;
    use leasehound_core::lease;
    use leasehound_core::lease::Format;
    use std::collections::VecDeque;

    const A: &str = "lease 10.0.0.1 {\n  binding state active;\n}\n";
    const A_FREE: &str = "lease 10.0.0.1 {\n  binding state free;\n}\n";
    const B: &str = "lease 10.0.0.2 {\n  binding state active;\n}\n";

    /// Plays readings; `None` is a file on the move. The last one stays.
    struct Script(VecDeque<Option<String>>);

    impl Source for Script {
        fn format(&self) -> Format {
            Format::IscDhcpd
        }

        fn read(&mut self) -> Result<Vec<u8>, ReadError> {
            let next = if self.0.len() > 1 {
                self.0.pop_front().flatten()
            } else {
                self.0.front().cloned().flatten()
            };
            next.map(String::into_bytes).ok_or(ReadError::Moving)
        }

        fn writer(&self) -> Option<Rest> {
            None
        }
    }

    /// `"seen … gone …"`, by the last octets.
    async fn outcome(texts: &[Option<&str>], known: Option<&str>) -> String {
        let known = known.map(|text| Known {
            table: Table::new(lease::read(Format::IscDhcpd, text.as_bytes()).leases),
            fingerprint: None,
        });
        let texts = texts.iter().map(|text| text.map(str::to_owned)).collect();
        let settled = settle_log(&mut Script(texts), known.as_ref()).await;
        match settled.map(|settled| settled.content) {
            Ok(Content::Read {
                seen, gone, again, ..
            }) => {
                assert!(!again);
                let seen: Vec<u8> = seen
                    .as_slice()
                    .iter()
                    .map(|lease| lease.address.octets()[3])
                    .collect();
                let gone: Vec<u8> = gone.iter().map(|address| address.octets()[3]).collect();
                format!("seen {seen:?} gone {gone:?}")
            }
            Ok(Content::Unchanged) => "unchanged".to_owned(),
            Ok(Content::Torn) => "torn".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_piece_is_believed_at_once() {
        let both = [A, B].concat();
        assert_eq!(outcome(&[Some(&both)], None).await, "seen [1, 2] gone []");
        let freed = [A, B, A_FREE].concat();
        assert_eq!(
            outcome(&[Some(&freed)], Some(&both)).await,
            "seen [2] gone [1]"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_piece_and_files_on_the_move_are_waited_for() {
        let both = [A, B].concat();
        let freed = [A, B, A_FREE].concat();
        let half = &freed[..freed.len() - 5];
        assert_eq!(
            outcome(&[Some(half), None, Some(&freed)], Some(&both)).await,
            "seen [2] gone [1]"
        );
        assert_eq!(outcome(&[Some(half)], Some(&both)).await, "torn");
        assert_eq!(outcome(&[None], Some(&both)).await, "torn");
    }

    #[tokio::test(start_paused = true)]
    async fn damage_makes_all_of_it_void() {
        assert_eq!(
            outcome(&[Some("lease x { }\n")], Some(A)).await,
            "line 1: the address cannot be read: no lease file of isc_dhcpd, or a damaged one"
        );
    }
}
