//! Build ids as the kernel records them: up to 20 bytes, without a place in the heap each.

const MAX_BYTES: usize = 20;

/// Of no bytes where it is not known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct BuildId {
    bytes: [u8; MAX_BYTES],
    length: u8,
}

impl BuildId {
    /// Longer ones, which the kernel does not record either, are not known.
    pub fn of(bytes: &[u8]) -> BuildId {
        let mut id = BuildId::default();
        if bytes.len() <= MAX_BYTES {
            id.bytes[..bytes.len()].copy_from_slice(bytes);
            id.length = bytes.len() as u8;
        }
        id
    }

    pub fn is_known(&self) -> bool {
        self.length > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_known_up_to_twenty_bytes() {
        assert_ne!(BuildId::of(&[1]), BuildId::of(&[1, 0]));
        assert!(BuildId::of(&[7; 20]).is_known());
        assert!(!BuildId::of(&[7; 21]).is_known() && !BuildId::of(&[]).is_known());
    }
}
