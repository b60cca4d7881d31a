//! What there is: the workspace's folder, its packages and where Cargo puts what it builds.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

pub struct House {
    pub root: PathBuf,
    pub target: PathBuf,
    pub packages: Vec<Package>,
}

pub struct Package {
    pub name: String,
    /// Its folder under the root, without a slash at the end.
    pub folder: String,
    pub described: bool,
    pub licensed: bool,
    pub published: bool,
    /// Of this workspace only, by name; `true` when for tests alone.
    pub needs: Vec<(String, bool)>,
    pub examples: Vec<String>,
}

impl House {
    pub fn find() -> Result<Self, String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .map_err(|error| format!("cargo metadata: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let metadata = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
        Ok(Self::read(&metadata))
    }

    fn read(metadata: &Value) -> Self {
        let root = PathBuf::from(text(&metadata["workspace_root"]));
        let packages = list(&metadata["packages"]).map(|package| Package::read(package, &root)).collect();
        Self { target: PathBuf::from(text(&metadata["target_directory"])), root, packages }
    }

    /// Tools that a suite needs and nobody else: kept, so that they are installed once.
    pub fn tools(&self) -> PathBuf {
        std::env::var_os("SORI_TOOLS").map_or_else(|| self.target.join("xtask-tools"), PathBuf::from)
    }

    /// Every file of the project, by its path under the root: what git tracks, and what it would.
    pub fn files(&self) -> Result<Vec<String>, String> {
        let output = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .map_err(|error| format!("git ls-files: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let names = String::from_utf8_lossy(&output.stdout);
        let mut files: Vec<String> = names.lines().filter(|name| self.root.join(name).is_file()).map(str::to_owned).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

impl Package {
    fn read(package: &Value, root: &PathBuf) -> Self {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(&manifest);
        let needs = list(&package["dependencies"])
            .filter(|need| need["path"].is_string())
            .map(|need| (text(&need["name"]), need["kind"] == "dev"))
            .collect();
        let examples = list(&package["targets"])
            .filter(|target| list(&target["kind"]).any(|kind| kind == "example"))
            .map(|target| text(&target["name"]))
            .collect();
        Self {
            name: text(&package["name"]),
            folder: folder.to_string_lossy().into_owned(),
            described: package["description"].is_string(),
            licensed: package["license"].is_string(),
            published: package["publish"].is_null(),
            needs,
            examples,
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
