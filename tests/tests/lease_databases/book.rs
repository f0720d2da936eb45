//! What a server wrote, stage by stage: compared with what its clients were told, and kept
//! as a fixture if wanted.

use anyhow::{Context, Result, ensure};
use leasehound_core::lease::kea::files::in_order;
use leasehound_core::lease::{Format, Log, Reading};
use leasehound_core::message::ClientId;
use leasehound_core::time::Timestamp;
use leasehound_tests::message::Mac;
use leasehound_tests::wait::wait_for;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Set to a directory, it has the recordings put there.
const RECORD: &str = "LEASEHOUND_RECORD";
/// A server's seconds are whole ones, and it read its clock before us.
const SLACK: u64 = 3;

/// What is leased, and to whom, by what the clients were told. One line each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(BTreeSet<String>);

impl Told {
    pub(crate) fn leased(&mut self, address: Ipv4Addr, mac: Mac, client_id: Option<&[u8]>) {
        self.0.insert(lease(address, &mac.to_string(), client_id));
    }

    pub(crate) fn leased6(&mut self, line: String) {
        self.0.insert(line);
    }

    pub(crate) fn declined(&mut self, address: Ipv4Addr) {
        self.gone(&address.to_string());
        self.0.insert(format!("declined {address}"));
    }

    pub(crate) fn gone(&mut self, address: &str) {
        let of = format!(" {address} ");
        self.0.retain(|line| !line.contains(&of));
    }
}

/// What follows the database's name in the file's, and what is in it.
type File = (&'static str, Vec<u8>);

/// One server's database.
pub(crate) struct Book {
    format: Format,
    server: &'static str,
    path: PathBuf,
    /// Seconds that its leases last.
    lifetime: u64,
    stages: u32,
    /// Follows a log, and the file it belongs to.
    log: Option<(u64, Log)>,
    /// Octets that were not read again, because they were read before.
    pub(crate) spared: u64,
}

impl Book {
    pub(crate) const fn new(
        format: Format,
        server: &'static str,
        path: PathBuf,
        lifetime: u64,
    ) -> Self {
        Self {
            format,
            server,
            path,
            lifetime,
            stages: 0,
            log: None,
            spared: 0,
        }
    }

    /// Waits until the database says what the clients were told, then keeps it.
    pub(crate) fn stage(&mut self, name: &str, patience: Duration, told: &Told) -> Result<Reading> {
        let told = &told.0;
        let mut last = String::new();
        let found = wait_for("the database to say it", patience, || {
            let (files, reading) = self.read();
            last = format!("{reading:#?}");
            let agrees = reading.complete && reading.damage.is_none() && says(&reading) == *told;
            Ok(agrees.then_some((files, reading)))
        });
        let (files, reading) = found.with_context(|| {
            format!(
                "{} {name}: clients were told {told:#?}; the database says {last}",
                self.server
            )
        })?;
        self.ends_are_right(&reading)?;
        self.follow(&reading)?;
        self.stages += 1;
        self.keep(name, &files, told)?;
        Ok(reading)
    }

    fn read(&self) -> (Vec<File>, Reading) {
        let mut log = Log::new(self.format);
        let mut files = Vec::new();
        for suffix in self.suffixes() {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            if let Ok(text) = fs::read(path) {
                log.next_file();
                log.load(&text);
                files.push((suffix, text));
            }
        }
        (files, log.into_reading())
    }

    fn suffixes(&self) -> Vec<&'static str> {
        if self.format != Format::Kea {
            return vec![""];
        }
        let mut completed = self.path.clone().into_os_string();
        completed.push(".completed");
        let files = in_order(Path::new(&completed).exists());
        files.iter().map(|file| file.suffix()).collect()
    }

    /// None ended, and none lasts longer than one from now.
    fn ends_are_right(&self, reading: &Reading) -> Result<()> {
        let now = now()?;
        let latest = now + self.lifetime + SLACK;
        let then = reading.written_at.map_or(now, Timestamp::as_secs);
        let ends = reading
            .leases
            .iter()
            .map(|lease| (lease.address.to_string(), lease.expires));
        let ends6 = reading
            .leases6
            .iter()
            .map(|lease| (lease.address.to_string(), lease.expires));
        for (address, end) in ends.chain(ends6) {
            let end = end
                .with_context(|| format!("{address} never ends"))?
                .as_secs();
            ensure!(
                end + SLACK >= then && end <= latest,
                "{address} ends at {end}, and it is {now}"
            );
        }
        Ok(())
    }

    /// A log says the same to who reads only what was appended.
    fn follow(&mut self, whole: &Reading) -> Result<()> {
        if !self.format.is_log() {
            return Ok(());
        }
        let inode = fs::metadata(&self.path)?.ino();
        let text = fs::read(&self.path)?;
        let known = self.log.take().filter(|(of, log)| {
            *of == inode && usize::try_from(log.octets()).is_ok_and(|read| read <= text.len())
        });
        let (_, mut log) = known.unwrap_or_else(|| (inode, Log::new(self.format)));
        self.spared += log.octets();
        let new = text
            .get(usize::try_from(log.octets())?..)
            .unwrap_or_default();
        for piece in new.chunks(100) {
            log.append(piece);
        }
        if self.suffixes().len() == 1 || !self.path_with(".2").exists() {
            ensure!(
                log.to_reading() == *whole,
                "followed: {:?}, read: {whole:?}",
                log.to_reading()
            );
        }
        self.log = Some((inode, log));
        Ok(())
    }

    fn path_with(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// Keeps what else the server said.
    pub(crate) fn aside(&self, name: &str, text: &[u8]) -> Result<()> {
        if let Some(directory) = self.recordings()? {
            fs::write(directory.join(name), text)?;
        }
        Ok(())
    }

    fn keep(&self, name: &str, files: &[File], told: &BTreeSet<String>) -> Result<()> {
        let Some(directory) = self.recordings()? else {
            return Ok(());
        };
        let stem = format!("{}-{name}", self.stages);
        for (suffix, text) in files {
            fs::write(directory.join(format!("{stem}.db{suffix}")), text)?;
        }
        let mut lines = String::new();
        for line in told {
            writeln!(lines, "{line}")?;
        }
        fs::write(directory.join(format!("{stem}.told")), lines)?;
        Ok(())
    }

    fn recordings(&self) -> Result<Option<PathBuf>> {
        let Some(directory) = std::env::var_os(RECORD) else {
            return Ok(None);
        };
        let directory = PathBuf::from(directory).join(self.server);
        fs::create_dir_all(&directory)?;
        Ok(Some(directory))
    }
}

fn now() -> Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "servers write the time of day")]
    let now = SystemTime::now();
    Ok(now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs())
}

fn lease(address: Ipv4Addr, mac: &str, client_id: Option<&[u8]>) -> String {
    let id = client_id.map_or("-".to_owned(), |id| {
        let octets: Vec<String> = id.iter().map(|octet| format!("{octet:02x}")).collect();
        octets.join(":")
    });
    format!("leased {address} {mac} {id}")
}

/// What the database says, in the clients' words.
fn says(reading: &Reading) -> BTreeSet<String> {
    let leases = reading.leases.iter().map(|one| {
        let id = one.client_id.as_ref().map(ClientId::as_bytes);
        lease(one.address, &one.hardware_address.to_string(), id)
    });
    let leases6 = reading.leases6.iter().map(|one| {
        format!(
            "leased {}/{} {:?} {} {}",
            one.address, one.prefix_length, one.association, one.iaid, one.duid
        )
    });
    let declined = reading
        .declined
        .iter()
        .map(|address| format!("declined {address}"));
    leases.chain(leases6).chain(declined).collect()
}
