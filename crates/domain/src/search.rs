//! What it means that a text is found: the words of a query, the words of a text, and when they meet.
//!
//! Every term of a query must be found. A word of letters and digits is found at the beginning of a word of the text,
//! in any case. Chinese, Japanese and Korean writing has no spaces, so a run of it is found anywhere inside a run of the
//! text. Engines index [`index_words`]: whole words, and each run as its pairs of neighbours, which is what makes `北京`
//! inside `在北京市` a phrase of pairs.

use crate::order::Order;

/// Terms of one query beyond this are left out; nobody types so many.
pub const TERMS_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Found at the beginning of a word.
    Word(String),
    /// Found anywhere inside a run of writing without spaces.
    Run(String),
}

/// What is searched for when somebody types this.
pub fn terms(typed: &str) -> Vec<Term> {
    let mut terms = split(typed);
    terms.truncate(TERMS_MAX);
    terms
}

/// The text of an order that is searched: its address and the numbers of its parcels.
pub fn text_of(order: &Order) -> String {
    let address = order.address.as_deref();
    let parts = address.into_iter().chain(order.tracking.as_deref()).chain(order.recalled.iter().map(String::as_str));
    parts.collect::<Vec<_>>().join("\n")
}

/// Whether every term is found in the text.
pub fn is_found(terms: &[Term], text: &str) -> bool {
    let inside = split(text);
    terms.iter().all(|term| {
        inside.iter().any(|part| match (term, part) {
            (Term::Word(wanted), Term::Word(word)) => word.starts_with(wanted.as_str()),
            (Term::Run(wanted), Term::Run(run)) => run.contains(wanted.as_str()),
            _ => false,
        })
    })
}

/// The words under which a text is filed: words as they are, runs as pairs of neighbours and their last sign alone, so
/// that every sign begins one of them.
pub fn index_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in split(text) {
        match part {
            Term::Word(word) => words.push(word),
            Term::Run(run) => {
                words.extend(pairs(&run));
                words.extend(run.chars().next_back().map(String::from));
            }
        }
    }
    words
}

/// The neighbouring signs of a run, two by two.
pub fn pairs(run: &str) -> Vec<String> {
    let signs: Vec<char> = run.chars().collect();
    signs.windows(2).map(|pair| pair.iter().collect()).collect()
}

fn split(text: &str) -> Vec<Term> {
    let mut parts: Vec<Term> = Vec::new();
    // Whether the part at the end may still grow.
    let mut is_open = false;
    for sign in text.chars().map(narrow) {
        let is_unspaced = is_unspaced(sign);
        if !is_unspaced && !sign.is_alphanumeric() {
            is_open = false;
            continue;
        }
        match parts.last_mut().filter(|_| is_open) {
            Some(Term::Word(word)) if !is_unspaced => word.extend(sign.to_lowercase()),
            Some(Term::Run(run)) if is_unspaced => run.push(sign),
            _ if is_unspaced => parts.push(Term::Run(sign.to_string())),
            _ => parts.push(Term::Word(sign.to_lowercase().collect())),
        }
        is_open = true;
    }
    parts
}

/// Letters and digits of full width, as Chinese and Japanese keyboards give them, are the same as the narrow ones.
fn narrow(sign: char) -> char {
    match sign {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(sign as u32 - 0xfee0).unwrap_or(sign),
        '\u{3000}' => ' ',
        _ => sign,
    }
}

const fn is_unspaced(sign: char) -> bool {
    matches!(sign,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(typed: &str, text: &str) -> bool {
        is_found(&terms(typed), text)
    }

    #[test]
    fn words_are_found_by_their_beginning_in_any_case() {
        let text = "12b Harbour Street, Århus · SF-1029";
        for found in ["harb", "STREET 12b", "århus", "sf 1029", "SF-1029", ""] {
            assert!(finds(found, text), "{found}");
        }
        for absent in ["arbour", "street 13", "2b"] {
            assert!(!finds(absent, text), "{absent}");
        }
    }

    #[test]
    fn chinese_is_found_anywhere_in_a_run() {
        let text = "上海市静安区南京西路1266号３楼";
        for found in ["静安", "南京西路", "路", "号", "上", "南京 1266", "３楼", "3"] {
            assert!(finds(found, text), "{found}");
        }
        for absent in ["安静", "北京", "南路", "266"] {
            assert!(!finds(absent, text), "{absent}");
        }
    }

    #[test]
    fn each_sign_of_a_run_begins_a_word_of_the_index() {
        assert_eq!(index_words("静安区 4F"), ["静安", "安区", "区", "4f"]);
        assert_eq!(index_words("路"), ["路"]);
        assert_eq!(index_words(" -!- "), Vec::<String>::new());
    }

    #[test]
    fn a_query_of_many_words_is_cut() {
        assert_eq!(terms(&"a ".repeat(100)).len(), TERMS_MAX);
    }
}
