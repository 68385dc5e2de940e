//! How long one window after another lasts: whoever has just started the sampler waits for the first ones, so these are short.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);

/// Each is twice as long as the one before, up to the length that was asked for.
pub struct WindowLengths {
    next: Duration,
    asked: Duration,
}

impl WindowLengths {
    pub fn new(asked: Duration) -> WindowLengths {
        WindowLengths { next: FIRST.min(asked), asked }
    }

    /// Of the window that begins now.
    pub fn next(&mut self) -> Duration {
        let length = self.next;
        self.next = (2 * length).min(self.asked);
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_short_and_double_up_to_what_was_asked_for() {
        let mut lengths = WindowLengths::new(Duration::from_secs(5));
        let millis: Vec<u128> = (0..7).map(|_| lengths.next().as_millis()).collect();
        assert_eq!(millis, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
