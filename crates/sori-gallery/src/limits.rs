//! How often, and how many at once: for each address and in total.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So many in each window of time: of one address, and of all together. Cheap to clone; clones count together.
#[derive(Clone)]
pub(crate) struct Rates {
    per_address_max: u32,
    total_max: u32,
    window: Duration,
    counted: Arc<Mutex<Window>>,
}

/// Never holds more addresses than may come in total.
#[derive(Default)]
struct Window {
    start: Option<Instant>,
    total: u32,
    by_address: HashMap<Option<IpAddr>, u32>,
}

impl Rates {
    pub(crate) fn new(per_address_max: u32, total_max: u32, window: Duration) -> Self {
        Self { per_address_max, total_max, window, counted: Arc::default() }
    }

    /// Counts one more, if there is room for it.
    pub(crate) fn allow(&self, address: Option<IpAddr>) -> bool {
        self.allow_many(address, 1)
    }

    /// Counts so many more, if there is room for all of them.
    pub(crate) fn allow_many(&self, address: Option<IpAddr>, many: u32) -> bool {
        self.allow_at(Instant::now(), address, many)
    }

    fn allow_at(&self, now: Instant, address: Option<IpAddr>, many: u32) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.start.is_none_or(|start| now.saturating_duration_since(start) >= self.window) {
            *counted = Window { start: Some(now), ..Window::default() };
        }
        if counted.total.saturating_add(many) > self.total_max {
            return false;
        }
        let of_address = counted.by_address.entry(address.map(household)).or_default();
        if of_address.saturating_add(many) > self.per_address_max {
            return false;
        }
        *of_address += many;
        counted.total += many;
        true
    }
}

/// So many at once: of one address, and of all together. Cheap to clone; clones count together.
#[derive(Clone)]
pub(crate) struct Places {
    per_address_max: u32,
    total_max: u32,
    taken: Arc<Mutex<HashMap<Option<IpAddr>, u32>>>,
}

impl Places {
    pub(crate) fn new(per_address_max: u32, total_max: u32) -> Self {
        Self { per_address_max, total_max, taken: Arc::default() }
    }

    /// Takes one until it is dropped, if there is one.
    pub(crate) fn take(&self, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(household);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = taken.get(&address).copied().unwrap_or_default();
        if of_address >= self.per_address_max || taken.values().sum::<u32>() >= self.total_max {
            return None;
        }
        taken.insert(address, of_address + 1);
        Some(Place { places: self.clone(), address })
    }
}

/// One of [`Places`], given back when it is dropped.
pub(crate) struct Place {
    places: Places,
    address: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.address) {
            Some(of_address) if *of_address > 1 => *of_address -= 1,
            _ => drop(taken.remove(&self.address)),
        }
    }
}

/// Who has one address of IPv6 has 2^64 of them.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn a_window_holds_so_many_of_one_and_of_all() {
        let rates = Rates::new(2, 3, Duration::from_secs(1));
        let (start, one, two, three) = (Instant::now(), ip("1.1.1.1"), ip("2.2.2.2"), ip("3.3.3.3"));
        assert_eq!([one, one, one, two, three].map(|who| rates.allow_at(start, who, 1)), [true, true, false, true, false]);
        assert!(!rates.allow_at(start + Duration::from_millis(999), two, 1));
        assert!(rates.allow_at(start + Duration::from_secs(1), three, 1));
        assert_eq!(rates.counted.lock().expect("whole").by_address.len(), 1, "what is past is forgotten");
    }

    #[test]
    fn neighbours_in_one_prefix_count_together() {
        let rates = Rates::new(1, 9, Duration::from_secs(1));
        let start = Instant::now();
        assert!(rates.allow_at(start, ip("2001:db8::1"), 1));
        assert!(!rates.allow_at(start, ip("2001:db8::2"), 1));
        assert!(rates.allow_at(start, ip("2001:db8:0:1::1"), 1));
        assert!(rates.allow_at(start, ip("1.1.1.1"), 1));
        assert!(!rates.allow_at(start, ip("::ffff:1.1.1.1"), 1), "the same address, written otherwise");
    }

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let places = Places::new(1, 2);
        let one = places.take(ip("1.1.1.1"));
        assert!(one.is_some() && places.take(ip("1.1.1.1")).is_none());
        let two = places.take(ip("2.2.2.2"));
        assert!(two.is_some() && places.take(ip("3.3.3.3")).is_none());
        drop(one);
        assert!(places.take(ip("3.3.3.3")).is_some());
        assert!(places.take(ip("2.2.2.2")).is_none());
    }
}
