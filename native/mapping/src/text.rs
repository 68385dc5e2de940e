//! Text as the rest of the project sees it: invalid UTF-8 reads as U+FFFD, lengths and order are those of UTF-16.

use std::borrow::Cow;
use std::cmp::Ordering;

pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

pub fn utf16_length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The first `units` of UTF-16. A pair that is cut apart leaves U+FFFD, as any encoder makes of half a pair.
pub fn first_units(text: Cow<'_, str>, units: usize) -> Cow<'_, str> {
    // A byte is never less than a unit.
    if text.len() <= units {
        return text;
    }
    let mut seen = 0;
    for (at, c) in text.char_indices() {
        if seen == units {
            return Cow::Owned(text[..at].to_owned());
        }
        seen += c.len_utf16();
        if seen > units {
            return Cow::Owned(format!("{}\u{fffd}", &text[..at]));
        }
    }
    text
}

/// Order of the UTF-16 units, which is another than that of the bytes beyond U+FFFF.
pub fn utf16_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_utf16_units() {
        let cut = |text: &'static str, units| first_units(text.into(), units).into_owned();
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc");
        assert_eq!(cut("éé", 1), "é");
        assert_eq!(cut("éé", 2), "éé");
        assert_eq!(cut("a😀b", 2), "a\u{fffd}");
        assert_eq!(cut("a😀b", 3), "a😀");
        assert_eq!(utf16_length("a😀"), 3);
    }

    #[test]
    fn orders_by_utf16_units() {
        assert_eq!(utf16_order("\u{ff5e}", "😀"), Ordering::Greater);
        assert_eq!("\u{ff5e}".cmp("😀"), Ordering::Less);
        assert_eq!(utf16_order("a", "ab"), Ordering::Less);
    }
}
