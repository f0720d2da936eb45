//! Takes pictures of who listens, in a thread of its own: it blocks, and it must be in
//! the agent's own network namespace.

use crate::clock;
use crate::inventory::{Changes, Inventory, InventoryError};
use leasehound_core::time::Timestamp;
use std::io;
use std::sync::mpsc as thread_channel;
use tokio::sync::mpsc;

/// A picture that was taken.
#[derive(Debug)]
pub(super) struct Picture {
    /// What is there; of an earlier time if it could not be taken.
    pub(super) inventory: Inventory,
    /// When the look began.
    pub(super) taken: Timestamp,
    /// What differs from the picture before.
    pub(super) changes: Result<Changes, InventoryError>,
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Surveyor {
    orders: thread_channel::Sender<Inventory>,
    pictures: mpsc::Receiver<Picture>,
}

impl Surveyor {
    /// Starts the thread. It stays in the network namespace of the calling one.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, ordered) = thread_channel::channel::<Inventory>();
        // One at a time is ordered.
        let (taken, pictures) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("surveyor".to_owned())
            .spawn(move || {
                while let Ok(mut inventory) = ordered.recv() {
                    let began = clock::now();
                    let changes = inventory.refresh();
                    let picture = Picture {
                        inventory,
                        taken: began,
                        changes,
                    };
                    if taken.blocking_send(picture).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { orders, pictures })
    }

    /// Has a new picture taken. `None` if the thread has ended.
    pub(super) async fn take(&mut self, inventory: Inventory) -> Option<Picture> {
        self.orders.send(inventory).ok()?;
        self.pictures.recv().await
    }
}
