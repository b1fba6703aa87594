use super::*;

#[test]
fn a_command_can_be_pasted_into_a_shell() {
    let arguments = [
        "simulate",
        "my scenario.toml",
        "--seed",
        "7",
        "it's",
        "",
        "$HOME",
    ];
    let line = command(arguments.into_iter().map(str::to_owned));
    assert_eq!(
        line,
        r"shipslog simulate 'my scenario.toml' --seed 7 'it'\''s' '' '$HOME'"
    );
}
