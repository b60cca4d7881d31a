//! Queries of requests, read in place where nothing in them is encoded: a poll comes as often as an event.

use std::borrow::Cow;

/// Each pair of a query, decoded, in order.
pub(crate) fn for_each<'a>(query: &'a str, mut take: impl FnMut(&str, Cow<'a, str>)) {
    let mut rest = query;
    while !rest.is_empty() {
        let (mut equals, mut is_encoded) = (None, false);
        let end = rest.bytes().enumerate().position(|(i, byte)| {
            match byte {
                b'=' => equals = equals.or(Some(i)),
                b'%' | b'+' => is_encoded = true,
                _ => {}
            }
            byte == b'&'
        });
        let pair = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or("", |end| &rest[end + 1..]);
        match equals {
            _ if is_encoded => form_urlencoded::parse(pair.as_bytes()).for_each(|(name, value)| take(&name, value)),
            Some(i) => take(&pair[..i], pair[i + 1..].into()),
            None if pair.is_empty() => {}
            None => take(pair, "".into()),
        }
    }
}

/// What is before and after the first of an ASCII byte. Texts here are too short for a search by words to pay.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let i = text.bytes().position(|byte| byte == at)?;
    Some((&text[..i], &text[i + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for_each(query, |name, value| pairs.push((name.to_owned(), value.into_owned())));
        pairs
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_or_not_reads_the_same(query in "[a-c=&%+0-9é]{0,24}") {
            let by_the_book: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            prop_assert_eq!(read(&query), by_the_book);
        }
    }

    #[test]
    fn what_polls_ask() {
        let pairs = [("EIO", "4"), ("transport", "polling"), ("sid", "a-_b"), ("t", "")];
        assert_eq!(read("EIO=4&transport=polling&&sid=a-_b&t"), pairs.map(|(name, value)| (name.into(), value.into())));
    }
}
