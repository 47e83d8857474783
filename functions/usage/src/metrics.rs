//! Counters of calls for a monitor (OpenMetrics): nothing but numbers, of all accounts together. They are
//! made of the record of calls, so no call writes anything for them.

use http::HeaderMap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};
use store::CallTotal;
use web::{Problem, Reply};

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is told.
#[derive(Debug)]
struct Told {
    totals: Vec<CallTotal>,
    refusals: Vec<(String, i64)>,
}

/// `GET /operate/metrics`, for who shows the monitor's key.
pub(crate) async fn metrics(headers: &HeaderMap) -> Result<Reply, Problem> {
    if web::variable("monitor_key").await?.is_empty() {
        return Err(domain::Code::NotFound.into());
    }
    web::require_key(headers, "monitor_key").await?;
    let record = crate::record()?;
    let told = Told { totals: record.totals()?, refusals: record.all_refusals()? };
    let mut registry = Registry::with_prefix("chayan");
    registry.register_collector(Box::new(told));
    let mut text = String::new();
    text::encode(&mut text, &registry).map_err(Problem::internal)?;
    Ok(web::text_reply(TYPE, text))
}

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut counters = |name, help, label, counts: &[(&str, u64)]| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, count) in counts {
                let labels = [(label, *value)];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
            Ok(())
        };
        for (sandbox, name, help) in [
            (false, "calls", "Calls that were answered, by checkIdCardApply or rdCode"),
            (true, "test_calls", "Calls that were answered in test mode: no real ones"),
        ] {
            let mut calls: Vec<(&str, u64)> = Vec::new();
            for total in self.totals.iter().filter(|total| total.sandbox == sandbox) {
                // They come by outcome.
                match calls.last_mut() {
                    Some((outcome, count)) if *outcome == total.outcome => {
                        *count += whole(total.calls);
                    }
                    _ => calls.push((&total.outcome, whole(total.calls))),
                }
            }
            counters(name, help, "outcome", &calls)?;
        }
        let refusals = self.refusals.iter().map(|(reason, count)| (reason.as_str(), whole(*count)));
        let (test, real): (Vec<_>, Vec<_>) =
            refusals.partition(|(reason, _)| reason.starts_with("test-"));
        let help = "Requests that got no answer, by reason";
        counters("refused_requests", help, "reason", &real)?;
        let help = "Requests that got no answer since the test data says so: no real ones";
        counters("test_refused_requests", help, "reason", &test)?;
        let real: Vec<&CallTotal> = self.totals.iter().filter(|total| !total.sandbox).collect();
        let help = "How long answered calls took in the component";
        let histogram = MetricType::Histogram;
        let unit = Some(&Unit::Seconds);
        let mut family = encoder.encode_descriptor("call_duration", help, unit, histogram)?;
        let buckets = domain::CALL_DURATIONS.map(|upper| {
            let within = real.iter().filter(|total| total.upper == upper);
            let bound = if upper == i64::MAX { f64::MAX } else { seconds(upper) };
            (bound, within.map(|total| whole(total.calls)).sum())
        });
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(real.iter().map(|total| total.micros).sum());
        family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

fn whole(count: i64) -> u64 {
    count.unsigned_abs()
}

#[expect(clippy::cast_precision_loss, reason = "a sum of some thousand years is exact enough")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}
