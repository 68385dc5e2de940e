//! Shares of something that is bounded; who needs all of it waits until nobody else has any.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub struct Room {
    taken: Mutex<u64>,
    freed: Condvar,
}

/// Gives its shares back when it is dropped.
pub struct Taken<'a>(&'a Room, u64);

impl Room {
    pub const fn new() -> Room {
        Room { taken: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until so many of `all` shares are free.
    pub fn enter(&self, shares: u64, all: u64) -> Taken<'_> {
        let is_full = |taken: &mut u64| *taken + shares > all && *taken > 0;
        let mut taken = self.freed.wait_while(self.lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        *taken += shares;
        Taken(self, shares)
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.lock() -= self.1;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn never_gives_more_than_there_is() {
        let (room, inside) = (Room::new(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for number in 0..12 {
                let (room, inside) = (&room, &inside);
                scope.spawn(move || {
                    let shares = if number % 4 == 0 { 3 } else { 1 };
                    for _ in 0..200 {
                        let _taken = room.enter(shares, 3);
                        assert!(inside.fetch_add(shares, Ordering::SeqCst) + shares <= 3);
                        std::thread::yield_now();
                        inside.fetch_sub(shares, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(*room.lock(), 0);
    }
}
