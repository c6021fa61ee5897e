//! librdkafka's mock cluster as a stand-in for Kafka where none can be had. It lives in this process and keeps nothing.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaErrorCode;

use crate::error::{Result, StackError};
use crate::topic::Topic;

type Reply = mpsc::SyncSender<Result<(), (String, KafkaError)>>;

/// A running mock cluster. Its handle cannot leave the thread that made it, so that thread takes orders.
#[derive(Debug)]
pub(crate) struct Mock {
    bootstrap: String,
    orders: Option<mpsc::SyncSender<(Vec<Topic>, Reply)>>,
    thread: Option<JoinHandle<()>>,
}

impl Mock {
    pub(crate) fn start() -> Result<Self> {
        let (started, starting) = mpsc::sync_channel(1);
        let (orders, incoming) = mpsc::sync_channel::<(Vec<Topic>, Reply)>(1);
        let serve = move || {
            let cluster = match MockCluster::new(1) {
                Ok(cluster) => cluster,
                Err(error) => {
                    // Nobody waits any more only if the starter panicked.
                    started.send(Err(error)).ok();
                    return;
                }
            };
            started.send(Ok(cluster.bootstrap_servers())).ok();
            for (topics, reply) in incoming {
                let made = topics.iter().try_for_each(|topic| {
                    match cluster.create_topic(&topic.name, topic.partitions, 1) {
                        Ok(())
                        | Err(KafkaError::MockCluster(RDKafkaErrorCode::TopicAlreadyExists)) => {
                            Ok(())
                        }
                        Err(error) => Err((topic.name.clone(), error)),
                    }
                });
                reply.send(made).ok();
            }
        };
        let thread = thread::Builder::new()
            .name("mock-kafka".to_owned())
            .spawn(serve)
            .map_err(|source| StackError::Process {
                what: "starting the mock cluster's thread".to_owned(),
                source,
            })?;
        let bootstrap =
            starting
                .recv()
                .map_err(|_| gone())?
                .map_err(|source| StackError::Kafka {
                    what: "starting the mock cluster".to_owned(),
                    source,
                })?;
        tracing::warn!(
            "Kafka is librdkafka's mock cluster: it keeps NOTHING once this process ends"
        );
        Ok(Self {
            bootstrap,
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn create_topics(&self, topics: &[Topic]) -> Result<()> {
        let (reply, answer) = mpsc::sync_channel(1);
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send((topics.to_vec(), reply)).map_err(|_| gone())?;
        answer
            .recv()
            .map_err(|_| gone())?
            .map_err(|(topic, error)| StackError::Topic {
                topic,
                reason: error.to_string(),
            })
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the mock cluster's thread had panicked");
        }
    }
}

fn gone() -> StackError {
    StackError::Process {
        what: "talking to the mock cluster".to_owned(),
        source: std::io::Error::other("its thread is gone"),
    }
}
