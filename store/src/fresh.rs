//! New ids and codes. Ids sort by their time of creation (UUID version 7).

use uuid::Uuid;

/// Crockford's alphabet: no I, L, O, U, so people can read codes aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

pub(crate) fn id(prefix: char) -> String {
    format!("{prefix}{}", Uuid::now_v7().simple())
}

/// A random code of at most 16 characters, five bits each.
pub(crate) fn code(characters: usize) -> String {
    // Six bits of a UUID are fixed; half a turn apart they are random in the other one.
    let mut bits = Uuid::new_v4().as_u128() ^ Uuid::new_v4().as_u128().rotate_left(64);
    let mut code = String::with_capacity(characters);
    for _ in 0..characters {
        let letter = usize::try_from(bits & 31).expect("five bits");
        code.push(char::from(ALPHABET[letter]));
        bits >>= 5;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_differ_and_use_every_letter() {
        let codes: BTreeSet<String> = (0..2_000).map(|_| code(8)).collect();
        assert_eq!(codes.len(), 2_000);
        let letters: BTreeSet<char> = codes.iter().flat_map(|code| code.chars()).collect();
        assert_eq!(letters.len(), 32);
        assert_eq!(code(16).len(), 16);
        for place in 0..16 {
            let letters: BTreeSet<u8> = (0..2_000).map(|_| code(16).as_bytes()[place]).collect();
            assert_eq!(letters.len(), 32, "place {place} is not random");
        }
    }

    #[test]
    fn ids_sort_by_time() {
        let ids: Vec<String> = (0..100).map(|_| id('r')).collect();
        assert!(ids.is_sorted());
    }
}
