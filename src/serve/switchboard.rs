//! Connections brought to life: an adapter to send with, an ear to hear with, lanes that rest until nothing is missed.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::broadcast::error::RecvError;

use super::ServeError;
use crate::dispatch::Dispatcher;
use crate::dispatch::driver::{Carrier, Providers};
use crate::gateway::Gateway;
use crate::inbound::endpoint::{Endpoint, Endpoints};
use crate::inbound::hearing::Hearing;
use crate::inbound::reconcile::Reconciler;
use crate::inbound::server::Webhooks;
use crate::ledger::body::{Body, Object};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{HeardRow, keys};
use crate::model::ConnectionId;
use crate::model::registry::Connection;
use crate::provider::SharedProvider;
use crate::provider::registry::is_push;
use crate::writer::Reader;
use crate::writer::ops::registry::OBJECTS_MAX;

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
            if let Object::Connection(connection) = &row.object {
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
        self.endpoints.put(endpoint);
        // Of one that is known already, this closes no gap.
        self.hearing.begin(&connection.id, connection.reconcile, known.map(|row| row.until));
        let paused = self.hearing.is_paused(&connection.id);
        self.providers.put(connection.id.clone(), Carrier { provider, slots: connection.slots, paused });
        self.lanes.wake();
        Ok(())
    }

    /// Connects what operators add or change, until `stop`.
    async fn follow(
        self,
        mut news: tokio::sync::broadcast::Receiver<Arc<[Entry]>>,
        stop: tokio_util::sync::CancellationToken,
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
