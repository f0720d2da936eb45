//! A future that is polled in a namespace.

use super::Netns;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// See [`Netns::within`]. Fails if the namespace can't be entered any more; the future
/// itself is dropped outside.
#[derive(Debug)]
pub struct Within<F> {
    netns: Netns,
    future: Pin<Box<F>>,
}

impl<F: Future> Within<F> {
    pub(super) fn new(netns: Netns, future: F) -> Self {
        Self {
            netns,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = io::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.netns.enter() {
            Ok(_inside) => this.future.as_mut().poll(context).map(Ok),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}
