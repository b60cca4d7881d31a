//! What an application keeps with a socket.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
};

use parking_lot::RwLock;

/// Values by type: one of each. It outlives a lost connection when recovery is on, and is still there in `on_disconnect`.
#[derive(Default)]
pub struct SocketData {
    values: RwLock<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
}

impl SocketData {
    /// Keeps a value; the previous one of its type comes back.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<T> {
        let before = self.values.write().insert(TypeId::of::<T>(), Box::new(value))?;
        before.downcast().ok().map(|boxed| *boxed)
    }

    /// A clone of the value of this type.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.with(|value: &T| value.clone())
    }

    /// Looks at the value of this type in place, under the lock of this socket's data: look, and do nothing else.
    pub fn with<T: Send + Sync + 'static, R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.values.read().get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref()).map(look)
    }

    /// Changes the value of this type in place, under the lock of this socket's data: nothing that may use the data again, such
    /// as an emit that closes this socket, belongs in `change`.
    pub fn update<T: Send + Sync + 'static, R>(&self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.values.write().get_mut(&TypeId::of::<T>()).and_then(|value| value.downcast_mut()).map(change)
    }

    /// Takes the value of this type out.
    pub fn remove<T: Send + Sync + 'static>(&self) -> Option<T> {
        let value = self.values.write().remove(&TypeId::of::<T>())?;
        value.downcast().ok().map(|boxed| *boxed)
    }
}
