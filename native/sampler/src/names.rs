//! Texts of records: few different ones come again and again, with every process that starts.

use std::collections::HashSet;
use std::rc::Rc;

/// More are forgotten at once: whoever uses one has it all the same.
const MAX_NAMES: usize = 8192;

#[derive(Default)]
pub struct Names(HashSet<Rc<str>>);

impl Names {
    /// The text up to the first zero byte; what is not UTF-8 in it is replaced.
    pub fn of(&mut self, bytes: &[u8]) -> Rc<str> {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..end]);
        if let Some(known) = self.0.get(&*text) {
            return Rc::clone(known);
        }
        if self.0.len() >= MAX_NAMES {
            self.0.clear();
        }
        let name: Rc<str> = text.into();
        self.0.insert(Rc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let mut names = Names::default();
        let name = names.of(b"/usr/bin/sh\0\0rest");
        assert_eq!(&*name, "/usr/bin/sh");
        assert!(Rc::ptr_eq(&name, &names.of(b"/usr/bin/sh")));
        assert_eq!(&*names.of(b"\xff"), "\u{fffd}");
        for n in 0..MAX_NAMES {
            names.of(n.to_string().as_bytes());
        }
        assert!(names.0.len() <= MAX_NAMES);
    }
}
