//! The small checks of the house. What they ask for is in `rules`; how code is read, in `source`.

mod manifests;
mod names;
mod readme;
mod rules;
mod source;
mod text;

use crate::house::House;

/// A check, and the places that break it.
pub type Findings = (&'static str, Vec<String>);

pub fn findings(house: &House) -> Vec<Findings> {
    let files = match house.files() {
        Ok(files) => files,
        Err(why) => return vec![("the project's files can be listed", vec![why])],
    };
    let mut all = names::check(house, &files);
    all.extend(text::check(house, &files));
    all.extend(manifests::check(house));
    all.push(readme::check(house));
    all
}

/// Prints them, and tells whether there are none.
pub fn print(all: &[Findings]) -> bool {
    for (rule, findings) in all {
        println!("{:>12} | {} {rule}", "tidy", if findings.is_empty() { "ok    " } else { "FAILED" });
        for finding in findings {
            println!("{:>12} |          {finding}", "tidy");
        }
    }
    all.iter().all(|(_, findings)| findings.is_empty())
}
