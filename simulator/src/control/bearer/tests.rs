use super::Bearer;

#[test]
fn a_token_is_one_word_and_is_not_shown() {
    let token = Bearer::parse(" slog_secret\n").expect("a token");
    assert_eq!(token.reveal(), "slog_secret");
    assert!(!format!("{token:?}").contains("secret"));
    for text in ["", "\n", "two words", "a\nb", "\u{e9}"] {
        assert_eq!(Bearer::parse(text), None, "{text:?}");
    }
}
