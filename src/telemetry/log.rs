//! Logs to standard error and, when configured, spans to an OTLP collector.

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterFn, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What is logged and where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// Directives as in `info,consentry::dispatch=debug`; crates that are not ours never go below `warn`.
    pub filter: String,
    /// OTLP collector over gRPC without TLS, as in `http://127.0.0.1:4317`; none exports nothing.
    pub otlp: Option<String>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, filter: "info".to_owned(), otlp: None }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not a list of directives.
    #[error("log.filter: {0}")]
    Filter(#[from] ParseError),
    /// The collector's address is no address.
    #[error("log.otlp: {0}")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Logging was set up twice in one process.
    #[error("logging is already set up in this process")]
    Twice,
}

/// Keeps exporting until dropped, then sends what is left.
#[derive(Debug)]
#[must_use = "dropping it ends the export of spans"]
pub struct TelemetryGuard {
    spans: Option<SdkTracerProvider>,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(spans) = &self.spans
            && let Err(error) = spans.shutdown()
        {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// Sets up logging for this process. With a collector it needs a tokio runtime.
pub fn install(settings: &LogSettings) -> Result<TelemetryGuard, TelemetryError> {
    let spans = settings.otlp.as_deref().map(exporter).transpose()?;
    let traced = spans.as_ref().map(|s| tracing_opentelemetry::layer().with_tracer(s.tracer("consentry")));
    let colour = std::io::stderr().is_terminal();
    Registry::default()
        .with(filter(&settings.filter)?)
        .with(FilterFn::new(may_speak))
        .with(lines(settings.format, colour, std::io::stderr))
        .with(traced)
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(TelemetryGuard { spans })
}

fn filter(directives: &str) -> Result<EnvFilter, TelemetryError> {
    Ok(EnvFilter::builder().parse(directives)?)
}

/// Checks a filter without setting anything up.
pub fn check_filter(directives: &str) -> Result<(), ParseError> {
    EnvFilter::builder().parse(directives).map(|_| ())
}

/// Our own code may say what it likes, its types see to it; other crates may only warn.
fn may_speak(about: &Metadata<'_>) -> bool {
    about.target().starts_with("consentry") || *about.level() <= Level::WARN
}

type Lines<S> = Box<dyn Layer<S> + Send + Sync>;

fn lines<S, W>(format: LogFormat, colour: bool, to: W) -> Lines<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(to);
    match format {
        LogFormat::Pretty => layer.with_ansi(colour).with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

fn exporter(endpoint: &str) -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let spans = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let resource = Resource::builder().with_service_name("consentry").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(spans).with_resource(resource).build())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::model::Phone;
    use crate::telemetry::Redacted;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, directives: &str, speak: impl FnOnce()) -> String {
        let paper = Paper::default();
        let to = paper.clone();
        let subscriber = Registry::default()
            .with(filter(directives).expect("a filter"))
            .with(FilterFn::new(may_speak))
            .with(lines(format, false, move || to.clone()));
        tracing::subscriber::with_default(subscriber, speak);
        let bytes = paper.0.lock().clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn a_number_or_secret_in_a_log_line_is_a_mask() {
        let phone = Phone::from_e164("+12125550123").expect("a number");
        let secret = Redacted::new("hunter2".to_owned());
        for format in [LogFormat::Pretty, LogFormat::Json] {
            let line = logged(format, "info", || {
                tracing::info!(%phone, ?phone, %secret, "phone {phone} and {secret:?}");
            });
            assert!(line.contains("phone"), "{line}");
            assert!(!line.contains("5550123") && !line.contains("hunter2"), "{line}");
        }
    }

    #[test]
    fn a_json_line_is_json() {
        let line = logged(LogFormat::Json, "info", || tracing::info!(answer = 42, "said"));
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((value["message"].as_str(), value["answer"].as_i64()), (Some("said"), Some(42)));
    }

    #[test]
    fn other_crates_only_warn_whatever_the_filter_says() {
        let lines = logged(LogFormat::Pretty, "trace", || {
            tracing::debug!(target: "h2::codec", "authorization: Bearer csk_…");
            tracing::warn!(target: "h2::codec", "a warning");
            tracing::debug!(target: "consentry::dispatch", "ours");
        });
        assert!(
            !lines.contains("authorization") && lines.contains("a warning") && lines.contains("ours"),
            "{lines}"
        );
    }

    #[test]
    fn a_bad_filter_is_told() {
        assert!(check_filter("info,consentry=debug").is_ok());
        assert!(check_filter("info,=debug").is_err());
    }
}
