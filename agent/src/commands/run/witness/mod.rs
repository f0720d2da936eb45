//! Follows each message beyond the hooks: which socket, and so which process, the
//! kernel gave it to, why it dropped it, and who listens.
//!
//! One task for the whole host, whichever namespaces are watched. It never holds up the
//! packet path: samples wait in their own channel while a picture of all sockets is
//! taken, and one that can't be joined with a socket in time is counted.

mod hooks;
mod places;
mod resolve;
mod survey;
mod surveyor;

pub(super) use places::Places;

use crate::capture::ebpf::Tally;
use crate::capture::{CaptureEvent, SocketSample};
use crate::clock;
use crate::inventory::{DestroyWatch, Inventory, SocketKind};
use crate::sinks::http::Pages;
use anyhow::Context as _;
use hooks::HostHooks;
use leasehound_core::delivery::{SocketSurvey, Source};
use leasehound_core::evidence::Evidence;
use leasehound_core::origin::{Hook, NetnsId};
use resolve::{Offered, Resolved};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use surveyor::{Picture, Surveyor};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::namespace::EvidenceOut;

/// Depth of the queue of questions: the engine asks once per message, and all that are
/// asked before a picture are answered by it.
const QUESTIONS: usize = 256;
/// Depth of the channel of samples, while a picture is taken.
const SAMPLES: usize = 4096;
/// Samples taken at once, before the other inputs get their turn.
const AT_ONCE: usize = 256;
/// Between two pictures: some 25 ms each with 200 namespaces, in a thread of its own.
const PAUSE: Duration = Duration::from_millis(50);
/// Looks without being asked: a server on a raw socket alone is not told by anything.
const PULSE: Duration = Duration::from_secs(5);
/// Samples of sockets that are in no picture yet.
const HELD: usize = 1024;
/// Sockets that were in no picture either after a look: not looked for again.
const STRANGERS: usize = 1024;

/// What the other tasks need of it.
pub(super) struct Witness {
    /// Questions after who listens.
    pub(super) questions: mpsc::Sender<NetnsId>,
    /// Dropped, nothing is sampled any more.
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

/// How to begin.
pub(super) struct Setup {
    /// The watched namespaces.
    pub(super) places: Places,
    /// Where evidence goes.
    pub(super) evidence: EvidenceOut,
    /// Metrics and status.
    pub(super) pages: Pages,
    /// Whether the kernel is asked at all.
    pub(super) deliveries: bool,
}

impl Witness {
    /// Attaches, and takes the first picture soon. Must be called in the agent's own
    /// network namespace.
    pub(super) fn start(setup: Setup) -> io::Result<(Self, Option<Arc<Tally>>)> {
        let mut hooks = if setup.deliveries {
            HostHooks::attach(setup.pages)
        } else {
            HostHooks::none(setup.pages)
        };
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (stop, stopped) = oneshot::channel::<()>();
        let (samples_in, samples) = mpsc::channel(SAMPLES);
        let (reader_stop, reader_stopped) = oneshot::channel::<()>();
        let mut tally = None;
        let reader = hooks.take_reader().map(|(reader, counts)| {
            tally = Some(counts);
            tokio::spawn(reader.run(samples_in, async { drop(reader_stopped.await) }))
        });
        let task = Task {
            hooks,
            tally: tally.clone(),
            surveyor: Surveyor::start()?,
            inventory: Inventory::default(),
            destroyed: DestroyWatch::default(),
            unwatched: BTreeSet::new(),
            told: BTreeMap::new(),
            complaints: BTreeSet::new(),
            held: VecDeque::new(),
            offered: Offered::default(),
            strangers: VecDeque::new(),
            asked: BTreeSet::new(),
            look: true,
            next_look: Instant::now(),
            sockets: Source::Off,
            places: setup.places,
            evidence: setup.evidence,
        };
        let task = tokio::spawn(task.run(samples, asked, stopped, reader, Some(reader_stop)));
        let witness = Self {
            questions,
            stop: Some(stop),
            task,
        };
        Ok((witness, tally))
    }

    /// Nothing is sampled from here on; questions are still answered.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the end, once nobody can ask any more.
    pub(super) async fn ended(self) -> anyhow::Result<()> {
        drop(self.questions);
        drop(self.stop);
        self.task.await.context("the witness")?
    }
}

type ReaderTask = JoinHandle<io::Result<()>>;

struct Task {
    hooks: HostHooks,
    tally: Option<Arc<Tally>>,
    surveyor: Surveyor,
    inventory: Inventory,
    destroyed: DestroyWatch,
    /// What the log has been told of namespaces whose notices can't be heard.
    unwatched: BTreeSet<String>,
    /// The surveys that the engine has.
    told: BTreeMap<NetnsId, SocketSurvey>,
    /// What the log has been told of what can't be seen.
    complaints: BTreeSet<String>,
    held: VecDeque<SocketSample>,
    offered: Offered,
    strangers: VecDeque<u64>,
    asked: BTreeSet<NetnsId>,
    /// A picture is due.
    look: bool,
    next_look: Instant,
    sockets: Source,
    places: Places,
    evidence: EvidenceOut,
}

/// Nobody takes the evidence any more.
struct Closed;

impl Task {
    async fn run(
        mut self,
        mut samples: mpsc::Receiver<CaptureEvent>,
        mut questions: mpsc::Receiver<NetnsId>,
        stopped: oneshot::Receiver<()>,
        reader: Option<ReaderTask>,
        mut reader_stop: Option<oneshot::Sender<()>>,
    ) -> anyhow::Result<()> {
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(AT_ONCE);
        let (mut sampling, mut asking) = (true, true);
        tokio::pin!(stopped);
        while sampling || asking {
            let look = self.look;
            let due = self.next_look;
            let gone = tokio::select! {
                _ = &mut stopped, if reader_stop.is_some() => {
                    self.hooks.detach();
                    drop(reader_stop.take());
                    Ok(())
                }
                count = samples.recv_many(&mut batch, AT_ONCE), if sampling => {
                    if count == 0 {
                        // All is handed over.
                        sampling = false;
                    }
                    self.take(&mut batch).await
                }
                question = questions.recv(), if asking => {
                    match question {
                        Some(netns) => {
                            self.asked.insert(netns);
                            self.look = true;
                        }
                        None => asking = false,
                    }
                    Ok(())
                }
                _ = self.destroyed.destroyed() => {
                    self.look = true;
                    Ok(())
                }
                _ = pulse.tick() => {
                    self.look = true;
                    Ok(())
                }
                () = sleep_until(due), if look => self.look().await,
            };
            if gone.is_err() {
                break;
            }
        }
        self.hooks.detach();
        drop(reader_stop);
        drop(samples);
        if let Some(reader) = reader {
            reader.await.context("the reader of deliveries")??;
        }
        Ok(())
    }

    async fn take(&mut self, batch: &mut Vec<CaptureEvent>) -> Result<(), Closed> {
        for event in batch.drain(..) {
            let resolved = match event {
                CaptureEvent::Socket(sample) => {
                    let resolved = resolve::socket(&sample, &self.inventory, &self.places);
                    if resolved == Resolved::UnknownSocket {
                        self.hold(sample);
                    }
                    resolved
                }
                CaptureEvent::Drop(sample) => {
                    resolve::dropped(sample, &self.inventory, &self.places, &self.offered)
                }
                CaptureEvent::RawRead(sample) => {
                    resolve::read(sample, &self.inventory, &self.places)
                }
                CaptureEvent::Loss(loss) => Resolved::Evidence(Evidence::FactsLost(loss)),
                CaptureEvent::Frame(_) => continue,
            };
            if let Resolved::Evidence(evidence) = resolved {
                self.remember(&evidence);
                put(&self.evidence, evidence).await?;
            }
        }
        Ok(())
    }

    fn remember(&mut self, evidence: &Evidence) {
        if let Evidence::Delivery(delivery) = evidence {
            self.offered.add(&delivery.packet, delivery.netns);
        }
    }

    /// A sample that can't be joined with a socket tells nothing any more.
    fn lost_one(&self) {
        if let Some(tally) = &self.tally {
            tally.lost_in_decode(Hook::CgroupSkb);
        }
    }

    /// Keeps a sample until the next picture, and has one taken.
    fn hold(&mut self, sample: SocketSample) {
        if self.strangers.contains(&sample.cookie) {
            self.lost_one();
            return;
        }
        if self.held.len() >= HELD {
            tracing::debug!(cookie = sample.cookie, "too many unknown sockets at once");
            self.lost_one();
            return;
        }
        self.held.push_back(sample);
        self.look = true;
    }

    /// Takes a picture, and tells what is new or was asked for.
    async fn look(&mut self) -> Result<(), Closed> {
        self.look = false;
        self.next_look = Instant::now() + PAUSE;
        let inventory = std::mem::take(&mut self.inventory);
        let Some(Picture {
            inventory,
            taken,
            changes,
        }) = self.surveyor.take(inventory).await
        else {
            return Err(Closed);
        };
        self.inventory = inventory;
        let problems = match changes {
            Ok(changes) => changes.problems,
            Err(error) => {
                self.complain([error.to_string()].into());
                self.asked.clear();
                for _ in std::mem::take(&mut self.held) {
                    self.lost_one();
                }
                return self.set_sources(Source::Off).await;
            }
        };
        self.complain(problems.into_iter().collect());
        self.follow_destroyed();
        self.set_sources(Source::On).await?;
        self.tell(taken).await?;
        self.join_held().await
    }

    /// Hears of sockets that are closed where there are servers now.
    fn follow_destroyed(&mut self) {
        let followed = self.destroyed.follow(&self.inventory);
        if !followed.subscribed.is_empty() {
            // A socket may have been closed in between.
            self.look = true;
        }
        for unwatched in followed.unwatched {
            let text = unwatched.to_string();
            if self.unwatched.insert(text.clone()) {
                tracing::debug!("{text}");
            }
        }
    }

    async fn set_sources(&mut self, sockets: Source) -> Result<(), Closed> {
        let raw = self.inventory.sockets().any(|socket| {
            matches!(socket.kind, SocketKind::Packet { .. })
                && self.places.netns(socket.netns).is_some()
        });
        let changed = self.hooks.want_raw_reads(raw);
        if changed || sockets != self.sockets {
            self.sockets = sockets;
            let sources = self.hooks.sources(sockets);
            put(&self.evidence, Evidence::Sources(sources)).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, taken: leasehound_core::time::Timestamp) -> Result<(), Closed> {
        let places = self.places.all();
        let asked = std::mem::take(&mut self.asked);
        self.told
            .retain(|netns, _| places.iter().any(|(id, _)| id == netns));
        for place in places {
            let survey = survey::survey(&self.inventory, &self.places, place, taken);
            let known = self.told.get(&place.0);
            let news = known.is_none_or(|known| !known.says_the_same_as(&survey));
            if news || asked.contains(&place.0) {
                self.told.insert(place.0, survey.clone());
                put(&self.evidence, Evidence::Sockets(survey)).await?;
            }
        }
        Ok(())
    }

    /// Samples that waited for a picture with their socket.
    async fn join_held(&mut self) -> Result<(), Closed> {
        for sample in std::mem::take(&mut self.held) {
            match resolve::socket(&sample, &self.inventory, &self.places) {
                Resolved::Evidence(evidence) => {
                    self.remember(&evidence);
                    put(&self.evidence, evidence).await?;
                }
                Resolved::Irrelevant => {}
                Resolved::UnknownSocket => {
                    tracing::debug!(cookie = sample.cookie, "a socket that no server holds");
                    self.lost_one();
                    if self.strangers.len() >= STRANGERS {
                        self.strangers.pop_front();
                    }
                    self.strangers.push_back(sample.cookie);
                }
            }
        }
        Ok(())
    }

    fn complain(&mut self, problems: BTreeSet<String>) {
        for problem in problems.difference(&self.complaints) {
            tracing::warn!("{problem}");
        }
        self.complaints = problems;
    }
}

async fn put(out: &EvidenceOut, evidence: Evidence) -> Result<(), Closed> {
    out.send((clock::now(), evidence)).await.map_err(|_| Closed)
}
