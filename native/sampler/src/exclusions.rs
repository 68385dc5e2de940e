//! Cgroups of which not all samples are wanted, as the parent says (PROTOCOL.md).

use serde_json::Value;

/// `struct cgroup_key` of the BPF program.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CgroupKey {
    pub id: u64,
    /// 0: version 2, 1: the one of version 1 that is read.
    pub hierarchy: u64,
}

/// A change of the set.
#[derive(Debug, Default, PartialEq)]
pub struct Exclusion {
    /// First of all.
    pub clear: bool,
    pub add: Vec<CgroupKey>,
    /// Of those added: one in so many samples is kept; 0 = none.
    pub one_in: u16,
    pub remove: Vec<CgroupKey>,
}

impl Exclusion {
    /// The values of the commands `exclude` and `include`; what is no id is passed over.
    pub fn parse(exclude: &Value, include: &Value) -> Exclusion {
        let one_in = exclude["oneIn"].as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        Exclusion { clear: exclude["clear"] == true, add: keys(exclude), one_in, remove: keys(include) }
    }
}

fn keys(value: &Value) -> Vec<CgroupKey> {
    let of = |name: &str, hierarchy| {
        let ids = value[name].as_array().map_or(&[][..], Vec::as_slice);
        let ids: Vec<u64> = ids.iter().filter_map(|id| id.as_str()?.parse().ok()).filter(|&id| id != 0).collect();
        ids.into_iter().map(move |id| CgroupKey { id, hierarchy })
    };
    of("v2", 0).chain(of("v1", 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_of_both_hierarchies_and_passes_over_the_rest() {
        let exclude = serde_json::json!({ "clear": true, "v2": ["18446744073709551615", "0", "x", 7], "v1": ["9"] });
        let change = Exclusion::parse(&exclude, &Value::Null);
        let key = |id, hierarchy| CgroupKey { id, hierarchy };
        assert_eq!(change, Exclusion { clear: true, add: vec![key(u64::MAX, 0), key(9, 1)], one_in: 0, remove: Vec::new() });
        let change = Exclusion::parse(&serde_json::json!({ "oneIn": 10, "v2": ["5"] }), &Value::Null);
        assert_eq!(change, Exclusion { clear: false, add: vec![key(5, 0)], one_in: 10, remove: Vec::new() });
        let change = Exclusion::parse(&Value::Null, &serde_json::json!({ "v2": ["5"] }));
        assert_eq!(change, Exclusion { clear: false, add: Vec::new(), one_in: 0, remove: vec![key(5, 0)] });
    }
}
