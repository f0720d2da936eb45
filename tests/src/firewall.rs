//! One nftables rule that drops and counts.

use crate::netns::Namespace;
use anyhow::{Context, Result};
use serde_json::Value;

/// Its table, chain and counter, all alone in their namespace.
const NAME: &str = "lab";

/// Where the rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the routing decision.
    Prerouting,
    /// What comes for this host.
    Input,
    /// What this host sends.
    Output,
    /// What an interface takes in, before IP sees it.
    Ingress(&'static str),
}

impl Place {
    const fn family(self) -> &'static str {
        match self {
            Self::Ingress(_) => "netdev",
            Self::Prerouting | Self::Input | Self::Output => "ip",
        }
    }

    fn hook(self) -> String {
        match self {
            Self::Prerouting => "prerouting".to_owned(),
            Self::Input => "input".to_owned(),
            Self::Output => "output".to_owned(),
            Self::Ingress(device) => format!("ingress device {device}"),
        }
    }
}

/// A rule in force.
#[derive(Debug)]
pub struct Firewall {
    place: Place,
}

impl Firewall {
    /// Drops what `matching`, an expression of nft, describes.
    pub fn drop(namespace: &Namespace, place: Place, matching: &str) -> Result<Self> {
        let (family, hook) = (place.family(), place.hook());
        let rules = format!(
            "table {family} {NAME} {{ \
               counter {NAME} {{ }}; \
               chain {NAME} {{ type filter hook {hook} priority 0; {matching} counter name {NAME} drop; }}; \
             }}"
        );
        // nft ends a statement at a line's end.
        let rules = rules.replace("; ", "\n").replace("{ ", "{\n");
        namespace.run("nft", &[&rules])?;
        Ok(Self { place })
    }

    /// How many it has dropped.
    pub fn dropped(&self, namespace: &Namespace) -> Result<u64> {
        let family = self.place.family();
        let listed = namespace.run("nft", &["-j", "list", "counter", family, NAME, NAME])?;
        let listed: Value = serde_json::from_str(&listed).context("nft -j")?;
        let objects = listed.get("nftables").and_then(Value::as_array);
        objects
            .into_iter()
            .flatten()
            .find_map(|object| object.get("counter")?.get("packets")?.as_u64())
            .with_context(|| format!("no counter in {listed}"))
    }

    /// Takes it away.
    pub fn lift(self, namespace: &Namespace) -> Result<()> {
        let family = self.place.family();
        namespace
            .run("nft", &["delete", "table", family, NAME])
            .map(drop)
    }
}
