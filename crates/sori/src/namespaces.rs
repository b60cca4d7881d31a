//! Every namespace of a server: those with a name, those with a pattern, and what patterns have made.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
};

use parking_lot::RwLock;

use crate::{
    config::Config,
    error::BuildError,
    handler::report,
    handlers::{Handlers, Namespace},
    namespace::NamespaceCore,
    server::Shared,
};

/// Decides whether a name becomes a namespace; gets the `auth` payload as JSON.
pub(crate) type Predicate = Box<dyn Fn(&str, &serde_json::Value) -> bool + Send + Sync>;

/// Where an application put a namespace.
pub(crate) enum Place {
    Name(String),
    Predicate(Predicate),
}

pub(crate) struct Namespaces {
    shared: Weak<Shared>,
    named: HashMap<Box<str>, Arc<NamespaceCore>>,
    patterns: matchit::Router<Arc<Handlers>>,
    predicates: Vec<(Predicate, Arc<Handlers>)>,
    /// Made by a pattern or a predicate for a client that asked; forgotten when nobody is left.
    dynamic: RwLock<HashMap<Box<str>, Arc<NamespaceCore>>>,
    dynamic_max: usize,
    name_max: usize,
}

impl Namespaces {
    pub(crate) fn new(shared: Weak<Shared>, config: &Config, places: Vec<(Place, Namespace)>) -> Result<Self, BuildError> {
        let mut this = Self {
            shared,
            named: HashMap::new(),
            patterns: matchit::Router::new(),
            predicates: Vec::new(),
            dynamic: RwLock::default(),
            dynamic_max: config.limits.dynamic_namespaces_max as usize,
            name_max: config.limits.namespace_name_max as usize,
        };
        for (place, namespace) in places {
            let handlers = namespace.into_handlers();
            match place {
                Place::Name(name) if name.contains('{') => {
                    this.patterns
                        .insert(slashed(&name), handlers)
                        .map_err(|error| BuildError::Namespace(format!("namespace {name:?}: {error}")))?;
                }
                Place::Name(name) => {
                    let name = slashed(&name);
                    let core = NamespaceCore::new(this.shared.clone(), config, &name, handlers);
                    if this.named.insert(name.as_str().into(), core).is_some() {
                        return Err(BuildError::Namespace(format!(
                            "namespace {name:?} is given twice; put its handlers together"
                        )));
                    }
                }
                Place::Predicate(predicate) => this.predicates.push((predicate, handlers)),
            }
        }
        // `/` always exists: clients 1.x and 2.x are in it without asking.
        if !this.named.contains_key("/") {
            let core = NamespaceCore::new(this.shared.clone(), config, "/", Namespace::new().into_handlers());
            this.named.insert("/".into(), core);
        }
        Ok(this)
    }

    /// The namespace of this name, if it exists now.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<NamespaceCore>> {
        self.named.get(name).cloned().or_else(|| self.dynamic.read().get(name).cloned())
    }

    /// The namespace of this name, for a client that asks for it.
    pub(crate) fn find_or_create(&self, shared: &Arc<Shared>, name: &str, auth: Option<&[u8]>) -> Option<Arc<NamespaceCore>> {
        if let Some(found) = self.find(name) {
            return Some(found);
        }
        if name.len() > self.name_max {
            return None;
        }
        let handlers = self.handlers_for(shared, name, auth)?;
        self.forget_idle(shared.deadlines.now(), self.dynamic_max);
        let mut dynamic = self.dynamic.write();
        if let Some(found) = dynamic.get(name) {
            return Some(found.clone());
        }
        if dynamic.len() >= self.dynamic_max {
            tracing::warn!(limit = self.dynamic_max, "namespace refused: dynamic_namespaces_max is reached");
            return None;
        }
        let core = NamespaceCore::new(self.shared.clone(), &shared.config, name, handlers);
        dynamic.insert(name.into(), core.clone());
        Some(core)
    }

    /// Forgets dynamic namespaces that nobody is in, when there are at least `from` of them.
    pub(crate) fn forget_idle(&self, now: u64, from: usize) {
        if self.dynamic.read().len() < from.max(1) {
            return;
        }
        // A client on its way in holds the namespace too, so that it cannot be forgotten under its feet.
        self.dynamic.write().retain(|_, core| Arc::strong_count(core) > 1 || !core.is_idle(now));
    }

    /// Whether a plain client could come back to this namespace by its `sid`.
    pub(crate) fn is_away(&self, name: &str, sid: &str) -> bool {
        self.find(name).is_some_and(|namespace| namespace.is_away(sid))
    }

    /// Every namespace that exists now.
    pub(crate) fn all(&self) -> Vec<Arc<NamespaceCore>> {
        self.named.values().cloned().chain(self.dynamic.read().values().cloned()).collect()
    }

    fn handlers_for(&self, shared: &Shared, name: &str, auth: Option<&[u8]>) -> Option<Arc<Handlers>> {
        if let Ok(found) = self.patterns.at(name) {
            return Some(found.value.clone());
        }
        if self.predicates.is_empty() {
            return None;
        }
        let auth = auth.and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_else(|| serde_json::json!({}));
        // A panic of the application's is a no, and not the end of the client's connection.
        let says_yes = |predicate: &Predicate| {
            catch_unwind(AssertUnwindSafe(|| predicate(name, &auth))).unwrap_or_else(|panic| {
                report(shared, &*panic);
                false
            })
        };
        self.predicates.iter().find(|(predicate, _)| says_yes(predicate)).map(|(_, handlers)| handlers.clone())
    }
}

fn slashed(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}
