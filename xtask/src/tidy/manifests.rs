//! What the manifests say.

use super::{
    Findings,
    rules::{NEEDS, NEEDS_WHY},
};
use crate::house::{House, Package};

pub fn check(house: &House) -> Vec<Findings> {
    vec![
        ("every crate says what it is and under which licence", house.packages.iter().filter_map(unsaid).collect()),
        (NEEDS_WHY, house.packages.iter().flat_map(|package| needed(package, &house.packages)).collect()),
    ]
}

fn unsaid(package: &Package) -> Option<String> {
    match (package.described, package.licensed) {
        (true, true) => None,
        (false, true) => Some(format!("{} has no description", package.name)),
        (true, false) => Some(format!("{} has no licence", package.name)),
        (false, false) => Some(format!("{} has neither description nor licence", package.name)),
    }
}

fn needed(package: &Package, all: &[Package]) -> Vec<String> {
    let allowed = NEEDS.iter().find(|(name, _)| *name == package.name).map_or(&[][..], |(_, allowed)| *allowed);
    let outside_tests = package.needs.iter().filter(|(_, for_tests)| !for_tests).map(|(need, _)| need);
    let mut findings = Vec::new();
    for need in outside_tests {
        let published = all.iter().find(|other| other.name == *need).is_none_or(|other| other.published);
        if !allowed.contains(&need.as_str()) {
            findings.push(format!("{} needs {need}", package.name));
        } else if package.published && !published {
            findings.push(format!("{} is published and needs {need}, which is not", package.name));
        }
    }
    findings
}
