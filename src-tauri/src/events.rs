//! Events on their way to the window: in order, and few enough at a time that the page stays quick.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::Event;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tokio::time::{Instant, timeout_at};

use crate::node::Node;

/// The one subscription of the one window.
#[derive(Default)]
pub struct Subscription {
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Subscription {
    /// Sends everything from now on into the channel. An earlier subscription ends: its page was loaded anew.
    pub fn replace(&self, node: Node, events: Events, channel: Channel<Vec<Event>>) {
        let task = tauri::async_runtime::spawn(async move {
            batches(events, |batch| channel.send(batch).is_ok()).await;
            // Where the window is still there, it has to know why no more comes.
            let error = node.ended().await;
            let _ = channel.send(vec![Event::Notice { error }]);
        });
        self.put(Some(task));
    }

    /// Ends the subscription: the window is gone.
    pub fn end(&self) {
        self.put(None);
    }

    fn put(&self, task: Option<JoinHandle<()>>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = std::mem::replace(&mut *running, task) {
            earlier.abort();
        }
    }
}

/// Where events come from, in order, until there are no more.
trait Source: Send {
    /// The next one; nothing is lost when it is not waited for to the end.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

impl Source for Events {
    async fn next(&mut self) -> Option<Event> {
        Events::next(self).await
    }
}

/// Delivers events at most once in [`PAUSE`], at most [`BATCH`] at a time, until the source ends or delivery fails.
///
/// A lone event is delivered at once. Whoever is too slow for that rate is told so by the source itself, which is
/// bounded.
async fn batches(mut source: impl Source, mut deliver: impl FnMut(Vec<Event>) -> bool) {
    let mut next_delivery = Instant::now();
    while let Some(first) = source.next().await {
        let mut batch = vec![first];
        let mut ended = false;
        while batch.len() < BATCH {
            match timeout_at(next_delivery, source.next()).await {
                Ok(Some(event)) => batch.push(event),
                Ok(None) => {
                    ended = true;
                    break;
                }
                Err(_) => break,
            }
        }
        tokio::time::sleep_until(next_delivery).await;
        next_delivery = Instant::now() + PAUSE;
        if !deliver(batch) || ended {
            return;
        }
    }
}

/// Twenty deliveries a second look continuous and leave the page its time.
const PAUSE: Duration = Duration::from_millis(50);

/// More than a page draws in one frame would only delay that frame.
const BATCH: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    impl Source for mpsc::Receiver<Event> {
        async fn next(&mut self) -> Option<Event> {
            self.recv().await
        }
    }

    fn missed(events: &[Event]) -> Vec<u32> {
        let number = |event: &Event| match event {
            Event::Lagged { missed } => *missed,
            other => panic!("not one of the test's events: {other:?}"),
        };
        events.iter().map(number).collect()
    }

    #[tokio::test]
    async fn a_burst_arrives_in_order_in_few_bounded_batches() {
        let count = 3 * u32::try_from(BATCH).unwrap();
        let (sender, receiver) = mpsc::channel(usize::try_from(count).unwrap());
        for number in 0..count {
            sender.try_send(Event::Lagged { missed: number }).unwrap();
        }
        drop(sender);
        let mut delivered = Vec::new();
        batches(receiver, |batch| {
            delivered.push(missed(&batch));
            true
        })
        .await;
        assert!(delivered.iter().all(|batch| batch.len() <= BATCH));
        assert!(delivered.len() <= 4, "{} deliveries", delivered.len());
        assert_eq!(delivered.concat(), (0..count).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_comes_alone_does_not_wait_for_more() {
        let (sender, receiver) = mpsc::channel(8);
        let (deliver, mut delivered) = mpsc::channel(8);
        let task = tokio::spawn(batches(receiver, move |batch| deliver.try_send(missed(&batch)).is_ok()));
        sender.send(Event::Lagged { missed: 1 }).await.unwrap();
        assert_eq!(delivered.recv().await, Some(vec![1]));
        sender.send(Event::Lagged { missed: 2 }).await.unwrap();
        assert_eq!(delivered.recv().await, Some(vec![2]));
        drop(sender);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_read_for_a_window_that_is_gone() {
        let (sender, receiver) = mpsc::channel(8);
        sender.send(Event::Lagged { missed: 1 }).await.unwrap();
        batches(receiver, |_| false).await;
        assert!(sender.is_closed());
    }
}
