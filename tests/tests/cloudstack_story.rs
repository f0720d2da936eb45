//! apache/cloudstack#10182 from its beginning to its end: leases leak one after the other, the
//! gauge and the forecast follow, the pool runs out when that was said, the finding names the
//! cause and the way out, the way out is taken, and the finding closes by itself. Then the
//! other way out (#10183), and what it does to leases that were given before.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::text;
use leasehound_tests::cloudstack::{Guest, SIZE, Story, names_the_cause_and_the_way_out};
use leasehound_tests::router::{PRIMARY, Router, SECONDARY};
use leasehound_tests::wait::{PATIENCE, Stopwatch, wait_for};
use serde_json::Value;

const LEAKED: &str = "leasehound_leaked_addresses";
const USED: &str = "leasehound_pool_used_addresses";
const LEAKED_OF_POOL: &str = "leasehound_pool_leaked_addresses";
const LEFT: &str = "leasehound_pool_exhaustion_seconds";

/// A guest is destroyed while the verdicts on so many before it are still out: that sets the
/// pace, some three a second, without a clock.
const OUT: usize = 2;

#[test]
fn the_pool_runs_out_when_that_was_said_and_the_way_out_leads_out() -> Result<()> {
    let network = Router::new()?;
    let mut story = Story::begin(&network)?;
    let mut gone: Vec<Guest> = Vec::new();
    let leaks_until = |story: &mut Story<'_>, gone: &mut Vec<Guest>, used: u64| -> Result<()> {
        while u64::try_from(gone.len())? < used {
            let guest = story.guest()?;
            ensure!(guest.lease.server_id == SECONDARY, "{:?}", guest.lease);
            story.destroy(&guest)?;
            gone.push(guest);
            story.agent.verdicts(gone.len().saturating_sub(OUT))?;
        }
        Ok(())
    };

    // Half of the pool leaks.
    leaks_until(&mut story, &mut gone, SIZE / 2)?;
    let (left, said) = forecast(&story)?;
    leaks_until(&mut story, &mut gone, SIZE)?;
    let took = said.elapsed();
    eprintln!("--- said: {left:.2} s; took: {took:.2?}");
    let error = (left - took.as_secs_f64()).abs() / took.as_secs_f64();
    ensure!(
        error <= 0.2,
        "{left:.2} s were said to be left, it took {took:?}"
    );

    // It is full, of nothing but leaks, and the agent says so.
    ensure!(story.leases()? == SIZE, "{} leases", story.leases()?);
    story.guest_without_an_address()?;
    story.agent.verdicts(gone.len())?;
    for metric in [LEAKED, USED, LEAKED_OF_POOL] {
        story.gauge_becomes(metric, SIZE)?;
    }
    story.gauge_becomes(LEFT, 0)?;
    the_findings_say_so(&story)?;

    // The way out without a side effect: what releases names the id of the server.
    let (first, later) = gone.split_at(gone.len() - 12);
    for (number, guest) in (1..).zip(first) {
        story.release_naming(guest, SECONDARY)?;
        story
            .agent
            .verdicts(usize::try_from(SIZE)? + number - OUT.min(number))?;
    }
    for guest in first {
        let verdict = story.verdict(guest, 2)?;
        ensure!(text(&verdict, "verdict") == "honoured", "{verdict}");
        ensure!(!story.holds(guest)?, "{:?} is still leased", guest.lease);
    }
    story.gauge_becomes(LEAKED, 12)?;
    story.gauge_becomes(USED, 12)?;
    wait_for("the pool not to run out any more", PATIENCE, || {
        Ok(story.gauge(LEFT)?.filter(|left| left.is_infinite()))
    })?;
    let new = story.guest()?;
    ensure!(
        !later.iter().any(|old| old.lease == new.lease),
        "given twice"
    );
    story.release_naming(&new, SECONDARY)?;
    let verdict = story.verdict(&new, verdicts_on(&story, &new)?.max(1))?;
    ensure!(text(&verdict, "verdict") != "ignored", "{verdict}");

    // The same guests are honoured now, so it is over, although twelve are still leaked.
    let closed = story.closes("releases_ignored")?;
    ensure!(closed.len() == 1, "{closed:?}");
    story.closes("pool_exhaustion")?;
    story.gauge_becomes(LEAKED, 12)?;

    the_other_way_out(&mut story, later)
}

/// What is said to be left, read as soon as it is told, and a watch that runs from then on.
fn forecast(story: &Story<'_>) -> Result<(f64, Stopwatch)> {
    let before = story.gauge(USED)?;
    wait_for("the use of the pool to be told", PATIENCE, || {
        let now = story.gauge(USED)?;
        Ok((now != before || now == Some(25.0)).then_some(()))
    })?;
    let left = story.gauge(LEFT)?.context("no forecast")?;
    let said = Stopwatch::start();
    ensure!(left.is_finite(), "no end was told at half of the pool");
    let leaked = story.gauge(LEAKED)?.context("no leaks")?;
    ensure!(
        (15.0..=25.0).contains(&leaked),
        "{leaked} leaked at half of the pool"
    );
    Ok((left, said))
}

fn verdicts_on(story: &Story<'_>, guest: &Guest) -> Result<usize> {
    let address = guest.lease.address.to_string();
    let verdicts = story.agent.verdicts(0)?;
    let of_it = verdicts
        .iter()
        .filter(|verdict| text(verdict, "address") == address);
    Ok(of_it.count())
}

fn the_findings_say_so(story: &Story<'_>) -> Result<()> {
    let told = story.findings("releases_ignored")?;
    let first = told.first().context("no finding")?;
    ensure!(text(first, "state") == "opened", "{first}");
    names_the_cause_and_the_way_out(first)?;
    let finding = wait_for("the finding to count all", PATIENCE, || {
        let open = story.open("releases_ignored")?;
        let finding = open.into_iter().next().context("it is not open")?;
        let damage = text(&finding, "damage").to_owned();
        Ok((damage.contains("50 of 50") && damage.contains("no free address")).then_some(finding))
    })?;
    names_the_cause_and_the_way_out(&finding)?;
    let count = |field: &str| finding.get(field).and_then(Value::as_u64);
    ensure!(
        (count("cases"), count("of")) == (Some(SIZE), Some(SIZE)),
        "{finding}"
    );
    let history = finding.pointer("/history").and_then(Value::as_array);
    ensure!(
        history.is_some_and(|history| history.len() >= 3),
        "{finding}"
    );

    wait_for("the finding about the pool to say so", PATIENCE, || {
        let open = story.open("pool_exhaustion")?;
        let finding = open.first().context("no word of the pool")?;
        let cause = text(finding, "cause") == "server_id_other_local_address";
        let title = text(finding, "title").contains("50 of 50 addresses are leased");
        Ok((cause && title).then_some(()))
    })?;
    for part in [
        "Leaked addresses (50)",
        "no address is free",
        "50 of 50 ignored",
    ] {
        wait_for(&format!("{part:?} on the page"), PATIENCE, || {
            let page = story.agent.get("/")?.body;
            Ok(page.contains(part).then_some(()))
        })?;
    }
    let leases = story.agent.get("/api/v1/leases")?.body;
    ensure!(
        leases.matches("\"state\":\"leaked\"").count() == 50,
        "{leases}"
    );
    Ok(())
}

/// The primary address among those the server listens on, and a restart: the id is another
/// one for everybody. Leaks that were there are there, `dhcp_release` works, and a release of
/// a lease that was given before, which names the old id, does not.
fn the_other_way_out(story: &mut Story<'_>, leaked: &[Guest]) -> Result<()> {
    story.listen_on_both()?;
    story.gauge_becomes(LEAKED, u64::try_from(leaked.len())?)?;
    let new = story.guest()?;
    ensure!(new.lease.server_id == PRIMARY, "{:?}", new.lease);

    let (old, others) = leaked.split_at(4);
    for guest in old {
        let before = verdicts_on(story, guest)?;
        story.release_naming(guest, SECONDARY)?;
        let verdict = story.verdict(guest, before + 1)?;
        ensure!(story.holds(guest)?, "{:?} was released", guest.lease);
        let cause = (text(&verdict, "verdict"), text(&verdict, "cause"));
        ensure!(
            cause == ("ignored", "server_id_other_local_address"),
            "{verdict}"
        );
        let evidence = verdict.pointer("/evidence").and_then(Value::as_array);
        let evidence = format!("{:?}", evidence.context("no evidence")?);
        for id in [PRIMARY, SECONDARY] {
            ensure!(evidence.contains(&id.to_string()), "no {id}: {verdict}");
        }
    }
    let open = story.open("releases_ignored")?;
    let finding = open.first().context("no finding about the old id")?;
    let title = format!("releases on eth3 name {SECONDARY}, the server is {PRIMARY}");
    ensure!(text(finding, "title").starts_with(&title), "{finding}");

    for guest in old.iter().chain(others) {
        let before = verdicts_on(story, guest)?;
        story.destroy(guest)?;
        let verdict = story.verdict(guest, before + 1)?;
        ensure!(text(&verdict, "verdict") == "honoured", "{verdict}");
        ensure!(!story.holds(guest)?, "{:?} is still leased", guest.lease);
    }
    story.gauge_becomes(LEAKED, 0)?;
    let closed = story.closes("releases_ignored")?;
    ensure!(closed.len() == 2, "{closed:?}");
    for finding in &closed {
        ensure!(
            finding.get("damage") == Some(&Value::Null)
                || text(finding, "damage").starts_with("12 "),
            "{finding}"
        );
    }
    let stopped = story.agent.stop()?;
    ensure!(stopped.status.success(), "it ended badly");
    Ok(())
}
