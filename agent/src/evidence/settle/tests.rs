//! Texts that are read at bad moments, and what is made of them.

use super::*;
use std::collections::VecDeque;

const A: &str = "100 02:00:00:00:00:01 10.0.0.1 * *\n";
const B: &str = "100 02:00:00:00:00:02 10.0.0.2 * *\n";
const ASLEEP: Option<Rest> = Some(Rest {
    asleep: true,
    switches: 7,
});
const AWAKE: Option<Rest> = Some(Rest {
    asleep: false,
    switches: 7,
});

/// Plays readings; the last one stays.
struct Script {
    texts: VecDeque<String>,
    writer: Option<Rest>,
    /// Written to at each reading; else long ago.
    written: bool,
    /// There was no room.
    full: bool,
    reads: u32,
}

impl Script {
    fn new(texts: &[&str], writer: Option<Rest>) -> Self {
        Self {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            writer,
            written: false,
            full: false,
            reads: 0,
        }
    }
}

impl Source for Script {
    fn format(&self) -> Format {
        Format::Dnsmasq
    }

    fn read(&mut self) -> Result<(Vec<u8>, Option<Timestamp>), ReadError> {
        self.reads += 1;
        let text = if self.texts.len() > 1 {
            self.texts.pop_front()
        } else {
            self.texts.front().cloned()
        };
        let modified = match (self.written, self.full) {
            (true, _) => clock::now(),
            // Before its server tries again.
            (_, true) => clock::now().saturating_sub(RETRIED / 2),
            _ => Timestamp::ZERO,
        };
        Ok((text.unwrap().into_bytes(), Some(modified)))
    }

    fn writer(&self) -> Option<Rest> {
        self.writer
    }

    fn had_room(&mut self, octets: u64, _: Option<Timestamp>) -> bool {
        assert!(octets > 0);
        !self.full
    }
}

fn known(text: &str) -> Known {
    Known {
        table: Table::new(lease::read(Format::Dnsmasq, text.as_bytes()).leases),
        text: Some(text.as_bytes().to_vec()),
    }
}

/// `"seen … gone …"`, by the last octets; `again` if not all is sure.
async fn outcome(script: &mut Script, known: Option<&Known>) -> String {
    let last = |address: Ipv4Addr| address.octets()[3].to_string();
    let lasts = |addresses: Vec<Ipv4Addr>| {
        addresses
            .into_iter()
            .map(last)
            .collect::<Vec<_>>()
            .join(" ")
    };
    match settle(script, known).await.unwrap().content {
        Content::Unchanged => "unchanged".to_owned(),
        Content::Torn => "torn".to_owned(),
        Content::Read { seen, gone, text } => format!(
            "seen [{}] gone [{}]{}",
            lasts(seen.as_slice().iter().map(|lease| lease.address).collect()),
            lasts(gone),
            if text.is_none() { " again" } else { "" }
        ),
        Content::Changed { upserted, gone, .. } => format!(
            "new [{}] gone [{}]",
            lasts(upserted.iter().map(|lease| lease.address).collect()),
            lasts(gone),
        ),
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_none_of_a_lease_file_makes_all_of_it_void() {
    let damaged = format!("{A}1700000000 nonsense\n");
    for writer in [ASLEEP, None] {
        let mut script = Script::new(&[&damaged], writer);
        let refused = settle(&mut script, Some(&known(&[A, B].concat()))).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.starts_with("line 2: "), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_sleeps_is_believed_at_once() {
    let both = [A, B].concat();
    let mut script = Script::new(&[A], ASLEEP);
    assert_eq!(
        outcome(&mut script, Some(&known(&both))).await,
        "new [] gone [2]"
    );
    assert_eq!(script.reads, 1);
    let mut script = Script::new(&[""], ASLEEP);
    assert_eq!(
        outcome(&mut script, Some(&known(A))).await,
        "new [] gone [1]"
    );
}

#[tokio::test(start_paused = true)]
async fn what_there_was_no_room_for_is_not_gone() {
    let both = known(&[A, B].concat());
    for writer in [ASLEEP, None] {
        for (text, known) in [("", Some(&both)), (A, Some(&both)), ("", None)] {
            let mut script = Script::new(&[text], writer);
            script.full = true;
            let refused = settle(&mut script, known).await.unwrap_err();
            assert!(matches!(refused, ReadError::CutShort), "{text:?}");
        }
        // Its end is there, or nothing is missing.
        let added = [A, B, &B.replace('2', "3")].concat();
        for text in [B, &added] {
            let mut script = Script::new(&[text], writer);
            script.full = true;
            settle(&mut script, Some(&both)).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_at_work_is_never_believed() {
    let mut script = Script::new(&[A], AWAKE);
    assert_eq!(outcome(&mut script, Some(&known(B))).await, "torn");
    assert_eq!(outcome(&mut script, None).await, "torn");
}

#[tokio::test(start_paused = true)]
async fn torn_readings_take_nothing_away() {
    let both = [A, B].concat();
    for torn in ["", A, &A[..20]] {
        let mut script = Script::new(&[torn, torn, torn, torn, &both], None);
        assert_eq!(
            outcome(&mut script, Some(&known(&both))).await,
            "unchanged",
            "after {torn:?}"
        );
    }
    let mut script = Script::new(&[&both[..50]], None);
    assert_eq!(outcome(&mut script, Some(&known(&both))).await, "torn");
}

#[tokio::test(start_paused = true)]
async fn what_stays_away_is_gone() {
    let both = [A, B].concat();
    assert_eq!(
        outcome(&mut Script::new(&[A], None), Some(&known(&both))).await,
        "seen [1] gone [2]"
    );
    assert_eq!(
        outcome(&mut Script::new(&[""], None), Some(&known(&both))).await,
        "seen [] gone [1 2]"
    );
    assert_eq!(
        outcome(&mut Script::new(&[A], None), None).await,
        "seen [1] gone []"
    );
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_held_up_takes_nothing_away() {
    let both = [A, B].concat();
    for torn in ["", A] {
        // It stopped in the middle of writing, this very moment.
        let mut script = Script::new(&[torn], None);
        script.written = true;
        assert_eq!(
            outcome(&mut script, Some(&known(&both))).await,
            "torn",
            "after {torn:?}"
        );
    }
    // What stood last stands last: nothing was cut off.
    let mut script = Script::new(&[B], None);
    script.written = true;
    assert_eq!(
        outcome(&mut script, Some(&known(&both))).await,
        "seen [2] gone [1]"
    );
    // A writer that writes again was not held up.
    let renewed = |expires: u32| A.replace("100 ", &format!("{expires} "));
    let texts: Vec<String> = (0..40).flat_map(|n| [renewed(n), renewed(n)]).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut script = Script::new(&texts, None);
    script.written = true;
    assert_eq!(
        outcome(&mut script, Some(&known(&both))).await,
        "seen [1] gone [2]"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_leaves_in_the_window_is_looked_at_again() {
    let both = [A, B].concat();
    let mut script = Script::new(&[&both, &both, A], None);
    assert_eq!(outcome(&mut script, None).await, "seen [1 2] gone [] again");
}

#[tokio::test(start_paused = true)]
async fn a_growing_table_needs_no_window() {
    let both = [A, B].concat();
    let mut script = Script::new(&[&both], None);
    assert_eq!(
        outcome(&mut script, Some(&known(A))).await,
        "new [2] gone []"
    );
    assert_eq!(script.reads, 2);
}
