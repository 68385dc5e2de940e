//! Which version 1 hierarchy tags the samples.

use anyhow::{Context, Result};
use libbpf_rs::btf::{Btf, types::Enum};

/// In the order in which container runtimes are most sure to use them.
const PREFERRED: [&str; 6] = ["memory", "pids", "cpu", "cpuacct", "devices", "freezer"];

#[derive(Debug, PartialEq)]
pub struct Controller {
    pub name: String,
    /// Into the kernel's `css_set.subsys`.
    pub index: u32,
}

impl Controller {
    /// The named controller or the best that is mounted as version 1; None where there is no such hierarchy.
    pub fn choose(wanted: Option<&str>) -> Result<Option<Controller>> {
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let Some(name) = pick(&text, wanted) else { return Ok(None) };
        let btf = Btf::from_vmlinux().context("cannot read the kernel's BTF (/sys/kernel/btf/vmlinux); it needs CONFIG_DEBUG_INFO_BTF")?;
        // The block controller kept its old name where it is mounted.
        let known_as = if name == "blkio" { "io" } else { name };
        let kernel_name = format!("{known_as}_cgrp_id");
        let ids = btf.type_by_name::<Enum>("cgroup_subsys_id").context("the kernel's BTF has no cgroup_subsys_id")?;
        let index = ids.iter().find(|member| member.name.is_some_and(|name| name == kernel_name.as_str())).map(|member| member.value as u32);
        Ok(index.map(|index| Controller { name: name.to_owned(), index }))
    }
}

/// Lines of /proc/PID/cgroup: `hierarchy:controllers:path`. Version 2 has no controllers there.
fn pick<'a>(text: &'a str, wanted: Option<&str>) -> Option<&'a str> {
    let mounted: Vec<&str> =
        text.lines().filter_map(|line| line.split(':').nth(1)).flat_map(|names| names.split(',')).filter(|name| !name.is_empty()).collect();
    let find = |name: &str| mounted.iter().copied().find(|mounted| *mounted == name);
    match wanted {
        Some(name) => find(name),
        None => PREFERRED.iter().find_map(|name| find(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "9:name=systemd:/\n5:devices:/\n4:memory:/a\n2:cpu,cpuacct:/\n0::/\n";

    #[test]
    fn picks_the_wanted_or_the_best_that_is_mounted() {
        assert_eq!(pick(HYBRID, None), Some("memory"));
        assert_eq!(pick(HYBRID, Some("cpuacct")), Some("cpuacct"));
        assert_eq!(pick(HYBRID, Some("freezer")), None);
        assert_eq!(pick("0::/user.slice\n", None), None);
    }
}
