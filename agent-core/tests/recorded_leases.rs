//! Databases that real servers wrote (`leases/README.md`), each stage beside what the
//! clients were told by then.

#![expect(clippy::unwrap_used, reason = "a test: to panic is its way to fail")]

use leasehound_core::lease::kea::files::in_order;
use leasehound_core::lease::{Format, Log, Reading, kea_control};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn recordings(server: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/leases")
        .join(server)
}

/// What a reading says, as `tests/tests/lease_databases/book.rs` writes it.
fn says(reading: &Reading) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for lease in &reading.leases {
        let id = lease.client_id.as_ref();
        let id = id.map_or("-".to_owned(), ToString::to_string);
        lines.insert(format!(
            "leased {} {} {id}",
            lease.address, lease.hardware_address
        ));
    }
    for lease in &reading.leases6 {
        lines.insert(format!(
            "leased {}/{} {:?} {} {}",
            lease.address, lease.prefix_length, lease.association, lease.iaid, lease.duid
        ));
    }
    for address in &reading.declined {
        lines.insert(format!("declined {address}"));
    }
    lines
}

/// The files of a stage, oldest first.
fn files(stem: &Path, format: Format) -> Vec<Vec<u8>> {
    let with = |suffix: &str| {
        let mut path = stem.as_os_str().to_owned();
        path.push(".db");
        path.push(suffix);
        PathBuf::from(path)
    };
    if format != Format::Kea {
        return vec![fs::read(with("")).unwrap()];
    }
    in_order(with(".completed").exists())
        .iter()
        .filter_map(|file| fs::read(with(file.suffix())).ok())
        .collect()
}

fn read(files: &[Vec<u8>], format: Format, piece: usize) -> Reading {
    let mut log = Log::new(format);
    for text in files {
        log.next_file();
        for piece in text.chunks(piece) {
            log.append(piece);
        }
    }
    log.into_reading()
}

/// Compares all stages; returns how many there are.
fn replay(server: &str, format: Format) -> usize {
    let mut stages = 0;
    for entry in fs::read_dir(recordings(server)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "told") {
            continue;
        }
        println!("{}", path.display());
        let told = fs::read_to_string(&path).unwrap();
        let told: BTreeSet<String> = told.lines().map(str::to_owned).collect();
        let files = files(&path.with_extension(""), format);
        let reading = read(&files, format, usize::MAX);
        assert_eq!((reading.complete, &reading.damage), (true, &None));
        assert_eq!(says(&reading), told);
        for piece in [1, 7, 64] {
            assert_eq!(read(&files, format, piece), reading);
        }
        stages += 1;
    }
    stages
}

#[test]
fn dnsmasq() {
    assert_eq!(replay("dnsmasq", Format::Dnsmasq), 10);
}

#[test]
fn libvirt() {
    assert_eq!(replay("libvirt", Format::Libvirt), 9);
}

#[test]
fn isc_dhcpd() {
    assert_eq!(replay("isc-dhcpd", Format::IscDhcpd), 7);
    assert_eq!(replay("isc-dhcpd6", Format::IscDhcpd), 7);
}

#[test]
fn kea() {
    assert_eq!(replay("kea4", Format::Kea), 9);
    assert_eq!(replay("kea6", Format::Kea), 9);
}

#[test]
fn udhcpd() {
    assert_eq!(replay("udhcpd", Format::Udhcpd), 7);
}

#[test]
fn keas_control_socket_says_what_its_memfile_says() {
    for server in ["kea4", "kea6"] {
        let directory = recordings(server);
        let reply = fs::read(directory.join("control.reply")).unwrap();
        let reply = kea_control::parse(&reply);
        assert_eq!(reply.result, Some(0));
        let memfile = read(
            &files(&directory.join("5-control"), Format::Kea),
            Format::Kea,
            64,
        );
        assert_eq!(reply.reading, memfile, "{server}");
    }
}
