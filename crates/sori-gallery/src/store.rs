//! A short list that survives a restart.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::task;

use crate::limits::household;

/// The newest items, oldest first: so many in total, and so many of one address. Cheap to clone; clones are the same list.
///
/// With a directory, what `push` has stored is on the disk when it returns, and survives the end of the program however it
/// comes. Who stored it is known only until then, and never written down.
pub(crate) struct Store<T>(Arc<Shared<T>>);

struct Shared<T> {
    per_address_max: usize,
    total_max: usize,
    file: Option<PathBuf>,
    /// Makes addresses unreadable, and different with each start.
    secret: RandomState,
    items: Mutex<Vec<(u64, T)>>,
    /// Held while the file is written, before `items`: whoever reads does not wait for the disk.
    writing: Mutex<()>,
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Send + 'static> Store<T> {
    /// Reads what was stored under `name`. What cannot be read is said, and overwritten with the next item.
    pub(crate) fn open(dir: Option<&Path>, name: &str, per_address_max: usize, total_max: usize) -> Self {
        let file = dir.map(|dir| dir.join(format!("{name}.json")));
        let items = file.as_deref().map(read).unwrap_or_default();
        let items = items.into_iter().map(|item| (0, item)).collect();
        let shared = Shared {
            per_address_max,
            total_max,
            file,
            secret: RandomState::new(),
            items: Mutex::new(items),
            writing: Mutex::new(()),
        };
        Self(Arc::new(shared))
    }

    pub(crate) fn all(&self) -> Vec<T> {
        let items = self.0.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().map(|(_, item)| item.clone()).collect()
    }

    /// Adds an item, and tells whether it is stored. The oldest makes room for it: of the same address if that has its share, else of all.
    pub(crate) async fn push(&self, address: Option<IpAddr>, item: T) -> bool {
        let from = self.0.secret.hash_one(address.map(household)).max(1);
        let limits = (self.0.per_address_max, self.0.total_max);
        self.edit(move |items| {
            if items.iter().filter(|(by, _)| *by == from).count() >= limits.0 {
                let oldest = items.iter().position(|(by, _)| *by == from).unwrap_or_default();
                items.remove(oldest);
            }
            items.push((from, item));
            items.drain(..items.len().saturating_sub(limits.1));
        })
        .await
    }

    async fn edit(&self, change: impl FnOnce(&mut Vec<(u64, T)>) + Send + 'static) -> bool {
        let shared = self.0.clone();
        let edit = move || {
            let _writing = shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let items = {
                let mut items = shared.items.lock().unwrap_or_else(PoisonError::into_inner);
                change(&mut items);
                if shared.file.is_some() { items.clone() } else { Vec::new() }
            };
            shared.file.as_deref().map_or(Ok(()), |file| write(file, &items))
        };
        match task::spawn_blocking(edit).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the gallery's messages cannot be stored; see data_dir");
                false
            }
            Err(error) => {
                tracing::error!(%error, "a store could not be changed");
                false
            }
        }
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Vec<T> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "stored messages cannot be read");
            return Vec::new();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(file = %file.display(), %error, "stored messages cannot be understood, and will be overwritten");
        Vec::new()
    })
}

/// Whole or not at all: a file that is half written has another name. A list is short enough to be written anew each time.
fn write<T: Serialize>(file: &Path, items: &[(u64, T)]) -> std::io::Result<()> {
    let items: Vec<_> = items.iter().map(|(_, item)| item).collect();
    let half = file.with_extension("json.half");
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&half, serde_json::to_vec(&items)?)?;
    fs::rename(half, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("sori-gallery-{}-{name}", std::process::id())))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[tokio::test]
    async fn items_survive_and_who_stored_them_does_not() {
        let dir = Dir::new("survive");
        let open = || Store::<String>::open(Some(&dir.0), "words", 2, 3);
        let store = open();
        for word in ["one", "two", "three"] {
            assert!(store.push(ip("127.0.0.1"), word.into()).await);
        }
        assert_eq!(store.all(), ["two", "three"], "one address has its share");
        assert!(store.push(ip("127.0.0.2"), "four".into()).await);
        drop(store);
        let store = open();
        assert_eq!(store.all(), ["two", "three", "four"]);
        store.push(ip("127.0.0.1"), "five".into()).await;
        assert_eq!(store.all(), ["three", "four", "five"], "the oldest of all makes room");
        assert!(!fs::read_to_string(dir.0.join("words.json")).expect("a file").contains("127."));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_begun_anew() {
        let dir = Dir::new("broken");
        fs::create_dir_all(&dir.0).expect("a folder");
        fs::write(dir.0.join("words.json"), "[\"one\", ").expect("a file");
        let store = Store::<String>::open(Some(&dir.0), "words", 2, 3);
        assert!(store.all().is_empty());
        assert!(store.push(None, "two".into()).await);
        assert_eq!(Store::<String>::open(Some(&dir.0), "words", 2, 3).all(), ["two"]);
    }

    #[tokio::test]
    async fn what_could_not_be_stored_is_said() {
        let dir = Dir::new("in-the-way");
        fs::create_dir_all(dir.0.join("words.json")).expect("a folder where the file should be");
        let store = Store::<String>::open(Some(&dir.0), "words", 2, 3);
        assert!(!store.push(None, "one".into()).await);
        assert_eq!(store.all(), ["one"], "and yet it is there until the end");
    }
}
