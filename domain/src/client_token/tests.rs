use super::{ClientToken, ClientTokens};
use crate::limits;
use crate::time::{Span, Timestamp};

fn token(text: &str, digest: u8) -> ClientToken {
    ClientToken {
        token: text.into(),
        digest: [digest; 16],
    }
}

#[test]
fn a_token_is_good_for_eight_hours() {
    let mut tokens = ClientTokens::default();
    let begin = Timestamp(1_000);
    tokens.note(&token("a", 1), 7, begin);
    let last = Timestamp(begin.plus(limits::CLIENT_TOKEN_KEPT).0 - 1);
    assert_eq!(tokens.find(&token("a", 1), last), Ok(Some(7)));
    assert!(tokens.find(&token("a", 2), last).is_err());
    assert_eq!(tokens.find(&token("b", 2), last), Ok(None));
    let over = last.plus(Span(1));
    assert_eq!(tokens.find(&token("a", 2), over), Ok(None));
    tokens.note(&token("a", 2), 8, over);
    assert_eq!(tokens.find(&token("a", 2), over), Ok(Some(8)));
    assert_eq!(tokens.order.len(), 1);
}

#[test]
fn tokens_are_bounded() {
    let mut tokens = ClientTokens::default();
    for number in 0..=u32::try_from(limits::CLIENT_TOKENS_MAX).expect("a small bound") {
        tokens.note(&token(&number.to_string(), 0), number, Timestamp(1));
    }
    assert_eq!(tokens.known.len(), limits::CLIENT_TOKENS_MAX);
    assert_eq!(tokens.find(&token("0", 9), Timestamp(2)), Ok(None));
    assert_eq!(tokens.find(&token("1", 0), Timestamp(2)), Ok(Some(1)));
}

#[test]
fn what_is_no_token_is_refused() {
    let long = "a".repeat(65);
    for text in ["", "a b", "ü", "a_b", &long] {
        assert!(token(text, 0).check().is_err(), "{text}");
    }
    assert!(token(&long[..64], 0).check().is_ok());
    assert!(token("3f-9A", 0).check().is_ok());
}
