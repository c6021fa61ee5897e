//! One socket: what it subscribed to, and when it is sent what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use domain::time::Micros;
use jiff::tz::TimeZone;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use uuid::Uuid;

use super::asked::{Asked, IDLE, catch_up, due, parse, period};
use super::cursor::TICK;
use super::hub::{Hub, Refused};
use super::message::{ClientMessage, ResyncReason, ServerMessage};
use super::outbound::{Closed, Outbound};
use super::view::View;
use crate::app::App;
use crate::problem::Problem;
use crate::sensors;
use crate::stamp::Stamp;

/// Open subscriptions of a socket at most.
const SUBSCRIPTIONS_MAX: usize = 16;
/// Messages that a client may send within [`COUNTED_WITHIN`].
const MESSAGES_MAX: usize = 200;
const COUNTED_WITHIN: Duration = Duration::from_secs(10);

/// A socket that is open.
#[derive(Debug)]
struct Session {
    app: Arc<App>,
    out: Outbound,
    subscriptions: BTreeMap<u64, Subscription>,
    /// When the client was last heard.
    heard: Instant,
    /// How many messages it sent since then.
    counted: (Instant, usize),
}

#[derive(Debug)]
struct Subscription {
    /// What the client has.
    view: View,
    /// The position it was told.
    position: u64,
    /// µs between two frames; `None` while paused.
    period_us: Option<i64>,
    due: Instant,
}

/// Serves a socket until either side ends it.
pub async fn run(app: Arc<App>, socket: WebSocket) {
    let out = Outbound::new(socket);
    let Some(_place) = Hub::admit(&app) else {
        let busy = Closed::new(4429, r#"{"retry_after_s":30}"#);
        return out.close(&busy).await;
    };
    let now = Instant::now();
    let mut session = Session {
        app,
        out,
        subscriptions: BTreeMap::new(),
        heard: now,
        counted: (now, 0),
    };
    let closed = match session.serve().await {
        Ok(()) => return,
        Err(closed) => closed,
    };
    session.out.close(&closed).await;
}

/// Closes a socket that a page of another origin opened.
pub async fn refuse_origin(socket: WebSocket) {
    let refused = Closed::new(4403, "this origin is not allowed");
    Outbound::new(socket).close(&refused).await;
}

impl Session {
    /// Serves until the client leaves (`Ok`) or the socket is to be closed.
    async fn serve(&mut self) -> Result<(), Closed> {
        let shutdown = self.app.shutdown.clone();
        self.welcome().await?;
        let mut heartbeat = interval(self.app.settings.socket_heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        loop {
            let due = self.next_due();
            // Every arm is cancel-safe: a token, a socket's next message, a tick, a sleep.
            tokio::select! {
                () = shutdown.cancelled() => return Err(Closed::new(1001, "the server is going away")),
                message = self.out.receive() => match message {
                    Some(message) => self.hear(message?).await?,
                    None => return Ok(()),
                },
                _ = heartbeat.tick() => self.beat().await?,
                () = sleep_until(due) => self.send_due().await?,
            }
        }
    }

    async fn welcome(&mut self) -> Result<(), Closed> {
        let settings = &self.app.settings;
        let message = ServerMessage::Welcome {
            session: Uuid::now_v7().to_string(),
            server_time: self.stamp(self.app.clock.now()),
            hb_s: settings.socket_heartbeat.as_secs(),
            max_subs: SUBSCRIPTIONS_MAX,
            v: 1,
        };
        self.out.send(&message).await
    }

    fn stamp(&self, at: Micros) -> Stamp {
        let catalog = self.app.catalog.get();
        let tz = catalog.map_or(TimeZone::UTC, |catalog| catalog.tz.clone());
        Stamp::new(at, &tz)
    }

    /// Tells that the server is there, and finds out whether the client is.
    async fn beat(&mut self) -> Result<(), Closed> {
        if self.heard.elapsed() > self.app.settings.socket_heartbeat.mul_f64(2.5) {
            return Err(Closed::new(4408, "nothing was heard of the client"));
        }
        let now = self.app.clock.now();
        let moment = self.app.moment_at(now).ok();
        let watermark = moment
            .as_ref()
            .and_then(|moment| sensors::clocks(moment.sensors.values(), now))
            .and_then(|clocks| clocks.known_watermark());
        let message = ServerMessage::Hb {
            server_time: self.stamp(now),
            lag_ms: moment.and_then(|moment| moment.live.lag_ms),
            watermark: watermark.map(|at| self.stamp(at)),
        };
        self.out.send(&message).await?;
        // Browsers answer a ping by themselves; a half-open connection answers nothing.
        self.out.ping().await
    }

    /// Follows a message of the client.
    async fn hear(&mut self, message: Message) -> Result<(), Closed> {
        self.heard = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Closed::by_client()),
            Message::Binary(_) => return Err(Closed::new(4400, "messages are JSON text")),
        };
        self.count()?;
        match parse(&text)? {
            Ok(ClientMessage::Ping { id }) => self.out.send(&ServerMessage::Pong { id }).await,
            Ok(ClientMessage::Unsub { id }) => {
                self.subscriptions.remove(&id);
                self.out.send(&ServerMessage::Done { id }).await
            }
            Ok(ClientMessage::Rate { id, hz }) => self.set_rate(id, hz).await,
            Ok(ClientMessage::Sub {
                id,
                topic,
                params,
                rate_hz,
                since,
            }) => {
                let asked = Asked {
                    id,
                    topic,
                    params,
                    rate_hz,
                    since,
                };
                self.subscribe(asked).await
            }
            Err((id, problem)) => self.out.error(id, &problem).await,
        }
    }

    /// Bounds how much work a client can make.
    fn count(&mut self) -> Result<(), Closed> {
        let (since, n) = &mut self.counted;
        if since.elapsed() > COUNTED_WITHIN {
            (*since, *n) = (Instant::now(), 0);
        }
        *n += 1;
        if *n > MESSAGES_MAX {
            return Err(Closed::new(4429, r#"{"retry_after_s":30}"#));
        }
        Ok(())
    }

    async fn set_rate(&mut self, id: u64, hz: f64) -> Result<(), Closed> {
        let period = match period(hz) {
            Ok(period) => period,
            Err(problem) => return self.out.error(Some(id), &problem).await,
        };
        match self.subscriptions.get_mut(&id) {
            Some(subscription) => {
                subscription.period_us = period;
                subscription.due = due(&self.app.clock, period);
                Ok(())
            }
            None => {
                let problem = Problem::not_found(format!("no subscription {id} is open"));
                self.out.error(Some(id), &problem).await
            }
        }
    }

    async fn subscribe(&mut self, asked: Asked) -> Result<(), Closed> {
        let id = asked.id;
        match self.try_subscribe(asked).await? {
            Ok(subscription) => {
                self.subscriptions.insert(id, subscription);
                Ok(())
            }
            Err(Refused::Problem(problem)) => self.out.error(Some(id), &problem).await,
            Err(Refused::Resync(reason)) => {
                self.out.send(&ServerMessage::Resync { id, reason }).await
            }
        }
    }

    async fn try_subscribe(
        &mut self,
        asked: Asked,
    ) -> Result<Result<Subscription, Refused>, Closed> {
        let period = match self.check(&asked) {
            Ok(period) => period,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let since = asked.since.as_ref();
        if let Some(since) = since {
            catch_up(&self.app.clock, since).await;
        }
        let feed = match Hub::open(&self.app, asked.topic, asked.params, since).await {
            Ok(feed) => feed,
            Err(refused) => return Ok(Err(refused)),
        };
        let view = match View::newest(&self.app, feed) {
            Ok(view) => view,
            Err(refused) => return Ok(Err(refused)),
        };
        let sent = match since {
            None => self.out.snapshot(asked.id, &view).await?,
            Some(since) => match view.resume(&self.app, since) {
                Ok(frames) => {
                    let to = view.offset().max(since.offset);
                    self.out.frames(asked.id, since.offset..to, &frames).await?
                }
                Err(reason) => return Ok(Err(Refused::Resync(reason))),
            },
        };
        Ok(sent.map(|position| Subscription {
            view,
            position,
            period_us: period,
            due: due(&self.app.clock, period),
        }))
    }

    fn check(&self, asked: &Asked) -> Result<Option<i64>, Problem> {
        if self.subscriptions.contains_key(&asked.id) {
            let detail = format!("subscription {} is open; use another number", asked.id);
            return Err(Problem::parameter("id", "taken", detail));
        }
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let detail = format!("at most {SUBSCRIPTIONS_MAX} subscriptions a socket");
            return Err(Problem::limited(detail));
        }
        period(asked.rate_hz)
    }

    fn next_due(&self) -> Instant {
        let active = self
            .subscriptions
            .values()
            .filter(|subscription| subscription.period_us.is_some());
        active
            .map(|subscription| subscription.due)
            .min()
            .unwrap_or_else(|| Instant::now() + IDLE)
    }

    /// Sends what is new to the subscriptions that are due.
    async fn send_due(&mut self) -> Result<(), Closed> {
        let now = Instant::now();
        let tick = self.app.clock.now().floor(TICK);
        let mut ended = Vec::new();
        for (&id, subscription) in &mut self.subscriptions {
            if subscription.period_us.is_none() || subscription.due > now {
                continue;
            }
            subscription.due = due(&self.app.clock, subscription.period_us);
            let reason = match subscription.view.advance(&self.app, tick) {
                Ok(None) => continue,
                Ok(Some(frames)) => {
                    let way = subscription.position..subscription.view.offset();
                    match self.out.frames(id, way, &frames).await? {
                        Ok(position) => {
                            subscription.position = position;
                            continue;
                        }
                        Err(_) => ResyncReason::Overflow,
                    }
                }
                Err(reason) => reason,
            };
            ended.push((id, reason));
        }
        for (id, reason) in ended {
            self.subscriptions.remove(&id);
            self.out.send(&ServerMessage::Resync { id, reason }).await?;
        }
        Ok(())
    }
}
