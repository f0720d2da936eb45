//! Two DHCP servers on one host lose each other's unicasts without a line in any log: in
//! each row what happened to every RENEW and RELEASE is the truth, and the agent has to
//! agree with it, name both processes, and warn where it can be seen beforehand.

use anyhow::{Result, ensure};
use leasehound_tests::agent::{Agent, findings};
use leasehound_tests::netns::Namespace;
use leasehound_tests::two_daemons::{
    Arrives, FLAGS, Kind, Lab, Row, agrees, check, found, heard, listen,
};

use Arrives::{Always, ByChance, Never};
use Kind::{Device, Nova, Responder};

const LAB_RESPONDER: &str = env!("CARGO_BIN_EXE_lab-responder");

/// One test for each row: the servers of br100 and br101 in the order of their start.
macro_rules! rows {
    ($($name:ident: [$first:expr, $second:expr] => [$at_first:expr, $at_second:expr], $warning:expr;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            check(&Row {
                kinds: [$first, $second],
                arrives: [$at_first, $at_second],
                warning: $warning,
            })
        }
    )*};
}

rows! {
    two_wildcards_with_reuseport_are_a_lottery: [Nova, Nova]
        => [ByChance, ByChance], Some("wildcard_sockets");
    two_devices_with_bind_interfaces: [Device("--bind-interfaces"), Device("--bind-interfaces")]
        => [Always, Always], None;
    two_devices_with_bind_dynamic: [Device("--bind-dynamic"), Device("--bind-dynamic")]
        => [Always, Always], None;
    a_wildcard_after_a_device_takes_all: [Device("--bind-interfaces"), Nova]
        => [Never, Always], Some("wildcard_after_device");
    a_wildcard_before_a_device_takes_nothing: [Nova, Device("--bind-interfaces")]
        => [Always, Always], None;
    two_wildcards_without_reuseport_go_to_the_last:
        [Responder(LAB_RESPONDER), Responder(LAB_RESPONDER)]
        => [Never, Always], Some("wildcard_sockets");
}

/// The process that answers is another than the one that granted, and still the right one.
#[test]
fn a_restart_between_ack_and_renew() -> Result<()> {
    let router = Namespace::new("router")?;
    let kinds = [Device("--bind-interfaces"), Device("--bind-interfaces")];
    let mut lab = Lab::start(&router, kinds)?;
    let agent = Agent::start(&router, &FLAGS);
    lab.obtain_all()?;
    let before = lab.server(0)?;
    lab.restart(0)?;
    ensure!(lab.server(0)? != before, "no restart");
    let renewed = lab.renew_all()?;
    let renewals = listen(&agent, |agent| {
        agent.request_verdicts("renewing", renewed.len())
    });
    lab.restart(1)?;
    // Released before that, it would have been leased by nobody that the agent knows.
    agent
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error:#}"))?
        .knows(lab.server(1)?)?;
    let released = lab.release_all()?;
    for outcome in renewed.iter().chain(&released) {
        ensure!(outcome.arrived, "{outcome:?}");
    }

    let mut agent = agent?;
    agrees(&lab, &renewed, &heard(renewals)?)?;
    agrees(&lab, &released, &agent.verdicts(released.len())?)?;
    let stopped = agent.stop()?;
    found(&lab, &findings(&stopped.events), &[], None)
}
