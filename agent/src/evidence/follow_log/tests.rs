//! Logs that grow, are rewritten and take each other's place.

use super::*;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

const A: &str = "lease 10.0.0.1 {\n  binding state active;\n}\n";
const A_FREE: &str = "lease 10.0.0.1 {\n  binding state free;\n}\n";
const B: &str = "lease 10.0.0.2 {\n  binding state active;\n}\n";

/// A log in a directory of its own, and what was read of it.
struct Lab {
    directory: tempfile::TempDir,
    log: LeaseLog,
    followed: Option<Followed>,
    octets: u64,
}

impl Lab {
    fn new(format: Format, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("leases");
        std::fs::write(&name, text).unwrap();
        let log = LeaseLog {
            format,
            pid: None,
            name,
        };
        Self {
            directory,
            log,
            followed: None,
            octets: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .open(self.path("leases"))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Puts another file in its place.
    fn replace(&self, text: &str) {
        std::fs::write(self.path("new"), text).unwrap();
        std::fs::rename(self.path("new"), self.path("leases")).unwrap();
    }

    /// `"seen … gone …"`, by the last octets.
    async fn read(&mut self) -> String {
        let found = match follow(&self.log, &mut self.followed).await {
            Ok(found) => found,
            Err(error) => return error.to_string(),
        };
        self.octets = found.octets;
        let last = |address: Ipv4Addr| address.octets()[3];
        let (seen, gone) = match found.news {
            News::Torn => return "torn".to_owned(),
            News::All => (self.followed.as_ref().unwrap().leases(), Vec::new()),
            News::Changes(Changes { upserted, removed }) => (upserted, removed),
        };
        let seen: Vec<u8> = seen.iter().map(|lease| last(lease.address)).collect();
        let gone: Vec<u8> = gone.into_iter().map(last).collect();
        format!("seen {seen:?} gone {gone:?}")
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_was_appended_is_read() {
    let mut lab = Lab::new(Format::IscDhcpd, A);
    assert_eq!(lab.read().await, "seen [1] gone []");
    assert_eq!(lab.octets, A.len() as u64);
    lab.append(B);
    assert_eq!(lab.read().await, "seen [2] gone []");
    assert!(lab.octets <= (B.len() + OVERLAP) as u64, "{}", lab.octets);
    lab.append(A_FREE);
    assert_eq!(lab.read().await, "seen [] gone [1]");
    assert_eq!(lab.read().await, "seen [] gone []");
    assert!(lab.octets <= OVERLAP as u64);
    assert_eq!(lab.followed.as_ref().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn half_a_piece_is_waited_for() {
    let mut lab = Lab::new(Format::IscDhcpd, A);
    lab.read().await;
    // A whole piece comes with the half of another: told when that one is whole.
    let (half, rest) = A_FREE.split_at(A_FREE.len() - 5);
    lab.append(B);
    lab.append(half);
    assert_eq!(lab.read().await, "torn");
    lab.append(rest);
    assert_eq!(lab.read().await, "seen [2] gone [1]");
    // The file is replaced while something is owed.
    lab.append(A);
    lab.append(half);
    assert_eq!(lab.read().await, "torn");
    lab.replace(B);
    assert_eq!(lab.read().await, "seen [] gone [1]");
}

#[tokio::test(start_paused = true)]
async fn another_file_is_read_as_a_whole() {
    let mut lab = Lab::new(Format::IscDhcpd, &[A, B].concat());
    lab.read().await;
    lab.replace(B);
    assert_eq!(lab.read().await, "seen [] gone [1]");
    // Written anew in place: shorter, or of other octets.
    std::fs::write(lab.path("leases"), "").unwrap();
    assert_eq!(lab.read().await, "seen [] gone [2]");
    std::fs::write(lab.path("leases"), [B, B].concat()).unwrap();
    assert_eq!(lab.read().await, "seen [2] gone []");
    std::fs::write(lab.path("leases"), [A, A, A].concat()).unwrap();
    assert_eq!(lab.read().await, "seen [1] gone [2]");
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_of_kea_changes_nothing() {
    const HEADER: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
    let row =
        |last: u8| format!("10.0.0.{last},02:00:00:00:00:0{last},,3600,9999999999,1,0,0,,0,\n");
    let mut lab = Lab::new(Format::Kea, &[HEADER, &row(1), &row(2)].concat());
    assert_eq!(lab.read().await, "seen [1, 2] gone []");
    std::fs::rename(lab.path("leases"), lab.path("leases.1")).unwrap();
    std::fs::write(lab.path("leases"), [HEADER, &row(3)].concat()).unwrap();
    assert_eq!(lab.read().await, "seen [3] gone []");
    lab.append(&row(4));
    assert_eq!(lab.read().await, "seen [4] gone []");
    assert!(lab.octets < 200, "{}", lab.octets);
    std::fs::rename(lab.path("leases.1"), lab.path("leases.2")).unwrap();
    assert_eq!(lab.read().await, "seen [] gone []");
    assert_eq!(lab.followed.as_ref().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn damage_makes_all_of_it_void() {
    let mut lab = Lab::new(Format::IscDhcpd, "lease x { }\n");
    let damage = "line 1: the address cannot be read: no lease file of isc_dhcpd, or a damaged one";
    assert_eq!(lab.read().await, damage);
    lab.replace(A);
    assert_eq!(lab.read().await, "seen [1] gone []");
    lab.append("lease x { }\n");
    assert!(lab.read().await.contains("the address cannot be read"));
    lab.replace(B);
    assert_eq!(lab.read().await, "seen [2] gone [1]");
}
