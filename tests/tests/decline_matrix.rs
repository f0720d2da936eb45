//! DECLINEs sent to real servers, those of the release matrix: what they take back leaves
//! their lease databases, and the agent has to agree with these.

use leasehound_tests::matrix::Expected::{self, EndsOther, Honoured, Ignored};
use leasehound_tests::matrix_rows;
use leasehound_tests::message::option;

const ID_FOREIGN: Expected = Ignored("server_id_foreign");
const ID_LOCAL: Expected = Ignored("server_id_other_local_address");
const ID_MISSING: Expected = Ignored("server_id_missing");
const MISMATCH: Expected = Ignored("client_mismatch");
const UNSUPPORTED: Expected = Ignored("decline_unsupported");
/// Kea with UDP sockets hears no broadcast.
const UNHEARD: Expected = Ignored("no_listener");

// dnsmasq, dhcpd, Kea raw, Kea udp, udhcpd, networkd
matrix_rows! { Decline:
    proper: |_frame| {}
        => Honoured, Honoured, Honoured, UNHEARD, Honoured, UNSUPPORTED;
    no_server_id: |frame| { frame.message.remove(option::SERVER_ID) }
        => ID_MISSING, Honoured, Honoured, UNHEARD, ID_MISSING, UNSUPPORTED;
    server_id_is_another_local_address: |frame, scene| {
        frame.message.set(option::SERVER_ID, &scene.other_address.octets());
    } => ID_LOCAL, Honoured, ID_LOCAL, UNHEARD, ID_LOCAL, UNSUPPORTED;
    server_id_of_another_server: |frame| {
        frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
    } => ID_FOREIGN, Honoured, ID_FOREIGN, UNHEARD, ID_FOREIGN, UNSUPPORTED;
    no_requested_address: |frame| { frame.message.remove(option::REQUESTED_ADDRESS) }
        => UNSUPPORTED, UNSUPPORTED, UNSUPPORTED, UNHEARD, UNSUPPORTED, UNSUPPORTED;
    address_of_another_lease: |frame, scene| {
        let address = scene.bystander.address.octets();
        frame.message.set(option::REQUESTED_ADDRESS, &address);
    } => MISMATCH, EndsOther, MISMATCH, UNHEARD, MISMATCH, UNSUPPORTED;
}
