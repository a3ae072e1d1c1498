//! Connections brought to life: an adapter to send with, an ear to hear with, lanes that rest until nothing is missed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ServeError;
use crate::clock::SharedClock;
use crate::dispatch::Dispatcher;
use crate::dispatch::{Carrier, Providers};
use crate::gateway::Gateway;
use crate::inbound::endpoint::{Endpoint, Endpoints};
use crate::inbound::hearing::Hearing;
use crate::inbound::line::OpenLine;
use crate::inbound::reconcile::Reconciler;
use crate::inbound::server::Webhooks;
use crate::ledger::body::{Body, Object};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{HeardRow, keys};
use crate::model::ConnectionId;
use crate::model::registry::Connection;
use crate::provider::SharedProvider;
use crate::provider::registry::{has_webhook, is_push};
use crate::writer::ops::registry::OBJECTS_MAX;
use crate::writer::{Reader, WriterHandle};

/// One connection's adapter and what reads its secrets.
pub struct Line {
    pub provider: SharedProvider,
    pub secret: Box<dyn Fn(&str) -> Option<SecretString> + Send>,
}

/// Makes the line of a connection; the error is for the operator's log and holds no secret.
pub type Plug = Arc<dyn Fn(&Connection) -> Result<Line, String> + Send + Sync>;

struct Switchboard {
    plug: Plug,
    reader: Reader,
    endpoints: Arc<Endpoints>,
    hearing: Hearing,
    providers: Arc<Providers>,
    lanes: Dispatcher,
    webhooks: Webhooks,
    writer: WriterHandle,
    clock: SharedClock,
    /// Lines that are kept open: as what, and what ends each.
    lines: TaskTracker,
    open: Mutex<HashMap<ConnectionId, (Connection, CancellationToken)>>,
    stop: CancellationToken,
}

/// Ears and lanes of every connection. Lanes rest until what the provider holds is known. A connection that cannot be
/// brought to life is told in the log; what is meant for it waits.
pub(super) fn hear(gateway: &Gateway, plug: Plug, body_max: usize) -> Result<Webhooks, ServeError> {
    let (clock, stop) = (gateway.env.clock.clone(), gateway.stopping());
    let (endpoints, hearing) = (Arc::new(Endpoints::default()), Hearing::new(clock.clone()));
    let webhooks =
        Webhooks::new(gateway.writer.clone(), endpoints.clone(), hearing.clone(), clock.clone(), body_max);
    let board = Switchboard {
        plug,
        reader: gateway.reader.clone(),
        endpoints,
        hearing: hearing.clone(),
        providers: gateway.providers.clone(),
        lanes: gateway.dispatcher.clone(),
        webhooks: webhooks.clone(),
        writer: gateway.writer.clone(),
        clock: clock.clone(),
        lines: TaskTracker::new(),
        open: Mutex::default(),
        stop: stop.clone(),
    };
    // Before the first look, so that nothing falls between the two.
    let news = gateway.watch();
    board.connect_all()?;
    gateway.run(board.follow(news, stop.clone()));
    let (providers, lanes) = (gateway.providers.clone(), gateway.dispatcher.clone());
    let find = {
        let providers = providers.clone();
        move |id: &ConnectionId| providers.get(id).map(|carrier| carrier.provider)
    };
    let pause = move |id: &ConnectionId, paused: bool| {
        if providers.get(id).is_some_and(|carrier| carrier.paused != paused) {
            providers.set_paused(id, paused);
            lanes.wake();
        }
    };
    let reconciler = Reconciler::new(gateway.writer.clone(), hearing, clock);
    gateway.run(reconciler.run(find, pause, stop));
    Ok(webhooks)
}

impl Switchboard {
    fn connect_all(&self) -> Result<(), ServeError> {
        let rows = self.reader.look(|cx| cx.objects("connection", OBJECTS_MAX))?;
        for row in rows {
            if let Object::Connection(connection) = &row.object
                && !self.is_open_as(connection)
            {
                self.connect(connection);
            }
        }
        Ok(())
    }

    fn connect(&self, connection: &Connection) {
        if let Err(why) = self.try_to_connect(connection) {
            let connection = &connection.id;
            tracing::error!(%connection, why, "a connection cannot be used; what is meant for it waits");
        }
    }

    fn try_to_connect(&self, connection: &Connection) -> Result<(), String> {
        let Line { provider, secret } = (self.plug)(connection)?;
        if is_push(&connection.provider) {
            // Nothing comes in from there: no ear, and no gap to rest for.
            let carrier = Carrier { provider, slots: connection.slots, paused: false };
            self.providers.put(connection.id.clone(), carrier);
            self.lanes.wake();
            return Ok(());
        }
        let endpoint = Endpoint::new(connection, secret).map_err(|e| e.to_string())?;
        let known = self.reader.look(|cx| cx.get::<HeardRow>(&keys::heard(&connection.id)));
        let known = known.map_err(|e| e.to_string())?;
        // Of one that is known already, this closes no gap.
        self.hearing.begin(&connection.id, connection.reconcile, known.map(|row| row.until));
        match has_webhook(&connection.provider) {
            true => self.endpoints.put(endpoint),
            false => self.open_line(connection, &provider, endpoint),
        }
        let paused = self.hearing.is_paused(&connection.id);
        self.providers.put(connection.id.clone(), Carrier { provider, slots: connection.slots, paused });
        self.lanes.wake();
        Ok(())
    }

    /// Whether its line stands and nothing about it changed: it need not take leave for being looked at again.
    fn is_open_as(&self, connection: &Connection) -> bool {
        self.open.lock().get(&connection.id).is_some_and(|(known, _)| known == connection)
    }

    /// Keeps a line to a provider that speaks over it; one that stood before takes leave.
    fn open_line(&self, connection: &Connection, provider: &SharedProvider, endpoint: Endpoint) {
        let stop = self.stop.child_token();
        let (webhooks, hearing) = (self.webhooks.clone(), self.hearing.clone());
        let line =
            Arc::new(OpenLine::new(endpoint, webhooks, hearing, self.writer.clone(), self.clock.clone()));
        let Some(kept) = provider.listen(line.clone(), stop.clone()) else { return };
        let opened = (connection.clone(), stop);
        if let Some((_, before)) = self.open.lock().insert(connection.id.clone(), opened) {
            before.cancel();
        }
        self.lines.spawn(async move {
            kept.await;
            line.closed().await;
        });
    }

    /// Connects what operators add or change, until `stop`; then waits for the lines to take leave.
    async fn follow(self, mut news: tokio::sync::broadcast::Receiver<Arc<[Entry]>>, stop: CancellationToken) {
        self.follow_news(&mut news, &stop).await;
        stop.cancelled().await;
        self.lines.close();
        self.lines.wait().await;
    }

    async fn follow_news(
        &self,
        news: &mut tokio::sync::broadcast::Receiver<Arc<[Entry]>>,
        stop: &CancellationToken,
    ) {
        while let Some(heard) = stop.run_until_cancelled(news.recv()).await {
            match heard {
                Ok(entries) => {
                    for connection in entries.iter().filter_map(changed) {
                        self.connect(connection);
                        // Its secrets may be readable now.
                        self.webhooks.release(&connection.id).await;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    if let Err(error) = self.connect_all() {
                        tracing::error!(%error, "connections cannot be read again; the known ones stay");
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }
}

fn changed(entry: &Entry) -> Option<&Connection> {
    match &entry.body {
        Body::Registry(body) => match &body.object {
            Object::Connection(connection) => Some(connection),
            _ => None,
        },
        _ => None,
    }
}
