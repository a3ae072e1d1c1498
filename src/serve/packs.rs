//! New packs without a restart: looked for now and then, put in force whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::decide::Engine;
use crate::policy::reload::Watch;
use crate::writer::{Env, Policies};

/// How often the folders are looked at.
pub const EVERY: Duration = Duration::from_secs(10);

/// Looks now and then until `stop`; what cannot be used is logged and the packs in force stay.
pub async fn follow(env: Arc<Env>, watch: Watch, every: Duration, stop: CancellationToken) {
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = Some(watch);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        let Some(mut watching) = watch.take() else { return };
        let env = env.clone();
        // Reading and compiling some hundred files takes long enough to be in the way of others.
        let looked = tokio::task::spawn_blocking(move || {
            let result = reload(&env, &mut watching);
            (watching, result)
        });
        match looked.await {
            Ok((watching, result)) => {
                watch = Some(watching);
                tell(result);
            }
            Err(error) => return tracing::error!(%error, "packs are no longer looked for: a look panicked"),
        }
    }
}

fn tell(result: Result<Option<String>, String>) {
    match result {
        Ok(None) => {}
        Ok(Some(version)) => tracing::info!(version, "new packs are in force"),
        Err(error) => tracing::warn!(error, "the packs changed but cannot be used; those in force stay"),
    }
}

/// Looks once; answers the version of packs newly put in force. They judge from the writer's next batch on, and that
/// batch's first entry (`ENGINE`) says so: the heartbeat makes one within a second, whether or not anybody calls.
pub fn reload(env: &Env, watch: &mut Watch) -> Result<Option<String>, String> {
    let Some(set) = watch.look().map_err(|e| e.to_string())? else { return Ok(None) };
    let before = env.policies();
    if set.hash() == before.engine.policy().hash() {
        return Ok(None);
    }
    let version = set.version().to_owned();
    let zones = before.engine.zones().clone();
    let engine = Engine::new(Arc::new(set), zones).map_err(|lacking| {
        let names: Vec<&str> = lacking.iter().map(|zone| zone.as_str()).collect();
        format!("the zone data lacks {}", names.join(", "))
    })?;
    env.set_policies(Policies::new(engine));
    Ok(Some(version))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ledger::entry::Kind;
    use crate::policy::{Staleness, embedded};
    use crate::writer::testing::TestWriter;
    use crate::writer::{Cx, Op, OpError, Priority};

    struct Nothing;

    impl Op for Nothing {
        type Answer = ();
        const PRIORITY: Priority = Priority::Api;
        fn run(self, _: &mut Cx<'_>) -> Result<(), OpError> {
            Ok(())
        }
    }

    fn write_packs(folder: &Path) {
        for (path, bytes) in embedded::files() {
            let file = folder.join(path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
            std::fs::write(file, bytes).expect("writable");
        }
    }

    fn engines(writer: &TestWriter) -> usize {
        writer.entries().iter().filter(|entry| entry.leaf.kind == Kind::Engine).count()
    }

    #[test]
    fn packs_change_whole_or_not_at_all_and_the_change_is_an_entry() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_packs(folder.path());
        let mut writer = TestWriter::new();
        let mut watch = Watch::new(vec![folder.path().to_owned()], Staleness::default());
        writer.run(Nothing).expect("done");
        assert_eq!((engines(&writer), reload(&writer.env, &mut watch)), (1, Ok(None)), "nothing changed");
        let hash = |writer: &TestWriter| writer.env.policies().engine_hash;
        let before = hash(&writer);

        // One broken file: nothing of the folder is taken, and it is told once.
        let segments = folder.path().join("house/segments.toml");
        let text = std::fs::read_to_string(&segments).expect("shipped");
        std::fs::write(&segments, "id = 7").expect("writable");
        let told = reload(&writer.env, &mut watch).expect_err("it does not compile");
        assert!(told.contains("house/segments.toml"), "{told}");
        assert_eq!(reload(&writer.env, &mut watch), Ok(None));
        assert_eq!(hash(&writer), before, "the old stay");

        std::fs::write(&segments, text.replace("at_most = 3", "at_most = 2")).expect("writable");
        let pack = folder.path().join("pack.toml");
        let named = std::fs::read_to_string(&pack).expect("shipped");
        let version = "version = \"next\"\n";
        let rest = named.split_once('\n').expect("lines").1;
        std::fs::write(&pack, format!("{version}{rest}")).expect("writable");
        assert_eq!(reload(&writer.env, &mut watch), Ok(Some("next".to_owned())));
        assert_ne!(hash(&writer), before);
        writer.run(Nothing).expect("done");
        assert_eq!(engines(&writer), 2, "the next batch says what judges from now on");

        // Back to the old content: judged by it again, and nothing new to describe.
        write_packs(folder.path());
        assert!(reload(&writer.env, &mut watch).expect("it compiles").is_some());
        assert_eq!(hash(&writer), before);
    }
}
