//! Label sets. Attributes of a sample win over those of its profile, and those over the resource's. A process id and a
//! thread's name never become labels: they would make a series of every process.

use std::borrow::Cow;

use perfleet_ids::series_id;

use crate::dictionary::{Dictionary, Value};
use crate::limits::{MAX_LABEL, MAX_LABEL_NAME, MAX_LABELS};
use crate::profiles::{Profile, ValueType};
use crate::row_binary::{string, varint};
use crate::text::{first_units, text, utf16_length, utf16_order};
use crate::wire::Span;

/// `perfleet.label.team = a` of a resource or sample is the label `team` of its series.
const LABEL_PREFIX: &[u8] = b"perfleet.label.";
/// A label of ours: `none` when the node could not tell whose the samples are.
const ATTRIBUTION: &str = "attribution";

/// What no sender adds: ours, and ids, each of which would make a series of its own.
const NO_LABELS: [&str; 3] = [ATTRIBUTION, "span_id", "trace_id"];

/// OpenTelemetry semantic conventions, and one attribute of ours.
const KEYS: [&str; 13] = [
    "k8s.cluster.name",
    "k8s.node.name",
    "host.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.container.name",
    "container.name",
    "container.id",
    "service.name",
    "process.executable.name",
    "process.executable.path",
    "perfleet.attribution",
];
/// In the order of `KEYS`.
#[derive(Clone, Copy)]
enum Key {
    Cluster,
    K8sNode,
    Host,
    Namespace,
    Pod,
    PodUid,
    K8sContainer,
    Container,
    ContainerId,
    Service,
    Executable,
    Path,
    Attribution,
}

/// What a sample is of: a label set, and the part of it that instances of one workload share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesIds {
    pub series: u64,
    pub workload: u64,
}

/// Labels that tell instances of a workload apart: its id is made without them.
const INSTANCE: [&str; 4] = ["container_id", "node", "pod", "pod_uid"];

pub struct SeriesType {
    pub kind: String,
    pub unit: String,
    pub period: f64,
    /// Stored value per unit of the wire's value.
    pub factor: f64,
    /// Whether values are numbers of samples.
    pub counted: bool,
}

impl SeriesType {
    /// Samples counted with a period of CPU time become CPU time; every other type stays as it is.
    pub fn of(bytes: &[u8], d: &Dictionary, profile: &Profile) -> SeriesType {
        let string = |index: u32| d.strings[index as usize].of(bytes);
        let pair = |t: ValueType| (string(t.kind), string(t.unit));
        let (kind, unit) = pair(profile.sample_type);
        let counted = unit.is_empty() || unit == b"count";
        let period = profile.period as f64;
        if (kind, unit) == (b"samples", b"count") && pair(profile.period_type) == (b"cpu", b"nanoseconds") {
            let period = if period > 0.0 { period } else { 1.0 };
            return SeriesType { kind: "cpu".into(), unit: "nanoseconds".into(), period, factor: period, counted };
        }
        let or = |bytes: &[u8], other: &str| if bytes.is_empty() { other.to_owned() } else { text(bytes).into_owned() };
        SeriesType { kind: or(kind, "samples"), unit: or(unit, "count"), period: period.max(0.0), factor: 1.0, counted }
    }
}

/// Attributes by the names that matter. What is overwritten by anything but text is gone.
#[derive(Clone, Default)]
pub struct Attributes<'a> {
    slots: [Span; KEYS.len()],
    /// In the order they came; a later one of the same name wins. None: taken away.
    labels: Vec<(Cow<'a, str>, Option<Span>)>,
}

impl<'a> Attributes<'a> {
    pub fn set(&mut self, key: &'a [u8], value: Value) {
        let span = if let Value::Text(span) = value { span } else { Span::default() };
        if let Some(name) = key.strip_prefix(LABEL_PREFIX) {
            let name = text(name);
            if !name.is_empty() && !NO_LABELS.contains(&name.as_ref()) && utf16_length(&name) <= MAX_LABEL_NAME {
                self.labels.push((name, (span.length > 0).then_some(span)));
            }
        } else if let Some(slot) = KEYS.iter().position(|known| known.as_bytes() == key) {
            self.slots[slot] = span;
        }
    }

    /// The attributes of the dictionary at `indices`.
    pub fn set_all(&mut self, bytes: &'a [u8], d: &Dictionary, indices: &[u32]) {
        for &index in indices {
            let key = d.strings[d.attribute_keys[index as usize] as usize].of(bytes);
            self.set(key, d.attribute_values[index as usize]);
        }
    }

    /// These, with the attributes of the dictionary at `indices` over them.
    pub fn with(&self, bytes: &'a [u8], d: &Dictionary, indices: &[u32]) -> Attributes<'a> {
        let mut more = Attributes { slots: self.slots, labels: Vec::new() };
        more.set_all(bytes, d, indices);
        // Each label of a sample takes away one of those below at most: the first ones by name are found among these.
        let below = &self.labels[..self.labels.len().min(MAX_LABELS + more.labels.len())];
        more.labels.splice(..0, below.iter().cloned());
        more.settle();
        more
    }

    /// Labels sorted by name, each once.
    pub fn settle(&mut self) {
        let labels = &mut self.labels;
        if labels.is_empty() {
            return;
        }
        labels.reverse();
        labels.sort_by(|(a, _), (b, _)| utf16_order(a, b));
        labels.dedup_by(|later, first| later.0 == first.0);
        labels.retain(|(_, value)| value.is_some());
    }

    fn first(&self, bytes: &'a [u8], keys: &[Key]) -> Cow<'a, str> {
        let mut spans = keys.iter().map(|&key| self.slots[key as usize]);
        let found = spans.find(|span| span.length > 0);
        found.map_or(Cow::Borrowed(""), |span| first_units(text(span.of(bytes)), MAX_LABEL))
    }

    /// The row of `series` without its last column, `seen`, and the ids that it begins with.
    pub fn series(&self, bytes: &'a [u8], of: &SeriesType, cluster: &str, node: &str, out: &mut Vec<u8>) -> SeriesIds {
        let get = |keys: &[Key]| self.first(bytes, keys);
        let or = |value: Cow<'a, str>, other: &str| if value.is_empty() { other.to_owned() } else { value.into_owned() };
        let container = get(&[Key::K8sContainer, Key::Container]);
        let path = get(&[Key::Executable, Key::Path]);
        let process = path.rsplit('/').next().unwrap_or_default();
        let named = if container.is_empty() { process } else { &container };
        let (cluster, node) = (or(get(&[Key::Cluster]), cluster), or(get(&[Key::K8sNode, Key::Host]), node));
        let (namespace, pod, pod_uid, container_id) = (get(&[Key::Namespace]), get(&[Key::Pod]), get(&[Key::PodUid]), get(&[Key::ContainerId]));
        let service = or(get(&[Key::Service]), named);
        // Only a node can tell what it could not tell; where a pod or container is known the claim is void.
        let unattributed = get(&[Key::Attribution]) == "none" && get(&[Key::PodUid, Key::ContainerId]).is_empty();
        let labels = self.labels(bytes, unattributed);
        let period = of.period.to_string();

        let mut by_name: Vec<(String, &str)> = labels.iter().map(|(name, value)| (format!("label.{name}"), value.as_ref())).collect();
        by_name.sort_unstable();
        let before = [("cluster", &*cluster), ("container", &container), ("container_id", &container_id)];
        let after = [
            ("namespace", &*namespace),
            ("node", &node),
            ("period", &period),
            ("pod", &pod),
            ("pod_uid", &pod_uid),
            ("process", process),
            ("service", &service),
            ("type", &of.kind),
            ("unit", &of.unit),
        ];
        let all = before.into_iter().chain(by_name.iter().map(|(name, value)| (name.as_str(), *value))).chain(after);
        let all = all.filter(|(_, value)| !value.is_empty());
        let workload = series_id(all.clone().filter(|(name, _)| !INSTANCE.contains(name)));
        let ids = SeriesIds { series: series_id(all), workload };

        out.extend_from_slice(&ids.series.to_le_bytes());
        out.extend_from_slice(&ids.workload.to_le_bytes());
        let columns: [&str; 11] = [&cluster, &node, &namespace, &pod, &pod_uid, &container, &container_id, &service, process, &of.kind, &of.unit];
        for value in columns {
            string(out, value);
        }
        out.extend_from_slice(&(of.period as u64).to_le_bytes());
        varint(out, labels.len());
        for (name, value) in &labels {
            string(out, name);
            string(out, value);
        }
        ids
    }

    /// The first ones by name when there are too many.
    fn labels(&self, bytes: &'a [u8], unattributed: bool) -> Vec<(&str, Cow<'a, str>)> {
        let with_value = self.labels.iter().filter_map(|(name, value)| Some((name.as_ref(), (*value)?)));
        let mut labels: Vec<_> = with_value.take(MAX_LABELS).map(|(name, value)| (name, first_units(text(value.of(bytes)), MAX_LABEL))).collect();
        if unattributed {
            let at = labels.partition_point(|(name, _)| utf16_order(name, ATTRIBUTION).is_lt());
            labels.insert(at, (ATTRIBUTION, "none".into()));
        }
        labels
    }
}
