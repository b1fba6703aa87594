//! Whether everything can be told from what it stands on, by the contrast that WCAG asks for.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../style.css");

/// Variables of the light and of the dark page.
fn palettes() -> [BTreeMap<String, String>; 2] {
    let light = STYLE.find(":root").expect("a light page");
    let dark = STYLE
        .find("prefers-color-scheme: dark")
        .expect("a dark page");
    let end = STYLE.find("* {").expect("the rest");
    let read = |text: &str| -> BTreeMap<String, String> {
        let pairs = text
            .split([';', '{', '}'])
            .filter_map(|pair| pair.split_once(':'));
        let pairs = pairs.filter(|(name, _)| name.trim().starts_with("--"));
        pairs
            .map(|(name, color)| (name.trim().into(), color.trim().into()))
            .collect()
    };
    [read(&STYLE[light..dark]), read(&STYLE[dark..end])]
}

fn luminance(color: &str) -> f64 {
    let part = |place: usize| {
        let digits = color.get(place..place + 2).expect("two digits a part");
        let part = f64::from(u8::from_str_radix(digits, 16).expect("hexadecimal")) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn texts_and_lines_can_be_told_from_their_ground() {
    for palette in palettes() {
        let card = &palette["--card"];
        assert_eq!(palette.len(), 24, "every color has its place");
        for (name, color) in &palette {
            let asked = match name.as_str() {
                "--page" | "--card" | "--line" | "--grid" => continue,
                "--text" | "--quiet" | "--good" | "--bad" | "--plain" => 4.5,
                // Graphics.
                _ => 3.0,
            };
            let found = contrast(color, card);
            assert!(
                found >= asked,
                "{name} {color} on {card}: {found:.2} of {asked}"
            );
        }
        let found = contrast(&palette["--quiet"], &palette["--page"]);
        assert!(found >= 4.5, "the footer: {found:.2}");
        let found = contrast(&palette["--text"], &palette["--page"]);
        assert!(found >= 4.5, "commands: {found:.2}");
    }
}

#[test]
fn contrast_is_that_of_the_standard() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.001);
    assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
}
