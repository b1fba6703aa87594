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

#[test]
fn memory_of_this_process_is_known() {
    assert!(memory_of_all() > 1_000_000);
}
