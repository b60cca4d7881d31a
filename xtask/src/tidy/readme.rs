//! The READMEs, each in its language, tell the same.

use std::fs;

use super::{
    Findings,
    rules::{READMES, READMES_WHY},
};
use crate::house::House;

/// What does not depend on the language.
#[derive(PartialEq)]
struct Bones {
    /// How deep each heading is.
    headings: Vec<usize>,
    /// Each block's lines without their comments, which are translated.
    code: Vec<Vec<String>>,
}

pub fn check(house: &House) -> Findings {
    let bones = READMES.map(|name| fs::read_to_string(house.root.join(name)).map(|text| Bones::of(&text)).ok());
    let findings = match &bones {
        [Some(one), Some(other)] => one.against(other),
        _ => READMES
            .iter()
            .zip(&bones)
            .filter(|(_, bones)| bones.is_none())
            .map(|(name, _)| format!("{name} is missing"))
            .collect(),
    };
    (READMES_WHY, findings)
}

impl Bones {
    fn of(text: &str) -> Self {
        let mut bones = Self { headings: Vec::new(), code: Vec::new() };
        let mut in_code = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
                if in_code {
                    bones.code.push(Vec::new());
                }
            } else if in_code {
                bones.code.last_mut().expect("a block is open").push(without_comment(line));
            } else if line.starts_with('#') {
                bones.headings.push(line.bytes().take_while(|byte| *byte == b'#').count());
            }
        }
        bones
    }

    fn against(&self, other: &Self) -> Vec<String> {
        let mut findings = Vec::new();
        if self.headings != other.headings {
            findings.push(format!("{} headings against {}, or at other depths", self.headings.len(), other.headings.len()));
        }
        if self.code.len() != other.code.len() {
            findings.push(format!("{} code blocks against {}", self.code.len(), other.code.len()));
        }
        let differing = self.code.iter().zip(&other.code).position(|(one, other)| one != other);
        findings.extend(differing.map(|at| format!("code block {} differs", at + 1)));
        findings
    }
}

fn without_comment(line: &str) -> String {
    let end = ["// ", "# ", "<!-- "].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    line[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Bones;

    fn check(one: &str, other: &str, findings: usize) {
        assert_eq!(Bones::of(one).against(&Bones::of(other)).len(), findings, "{one} | {other}");
    }

    #[test]
    fn translations_agree_in_headings_and_code() {
        check("# Sori\n```\nrun # it\n```\n## More", "# 소리\n```\nrun # 실행\n```\n## 더", 0);
        check("# Sori\n## More", "# 소리\n# 더", 1);
        check("```\nrun\n```", "```\nwalk\n```", 1);
        check("```\nrun\n```", "", 1);
    }
}
