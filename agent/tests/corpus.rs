//! Replays the fuzz corpus of the program's targets, inputs that once failed included.

#[path = "../../tests/fuzz/src"]
#[expect(unreachable_pub, reason = "a library's modules in the fuzz workspace")]
mod fuzz {
    pub mod pcap_reader;
}

use fuzz::pcap_reader;
use std::path::Path;

#[test]
fn pcap_reader_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/pcap_reader");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        let input = std::fs::read(&path).unwrap();
        pcap_reader::check(&input);
        // Cut anywhere, and with one octet flipped anywhere.
        for at in (0..input.len()).step_by(1 + input.len() / 400) {
            pcap_reader::check(&input[..at]);
            let mut damaged = input.clone();
            damaged[at] ^= 0xff;
            pcap_reader::check(&damaged);
        }
        inputs += 1;
    }
    assert!(inputs >= 3, "{} is nearly empty", folder.display());
}
