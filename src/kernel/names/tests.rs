use super::folding::folded;
use super::*;

#[test]
fn names_that_look_alike_are_the_same_name() {
    for (a, b) in [
        ("Straße", "STRASSE"),
        ("Ａcme", "acme"),
        (" Acme ", "acme"),
        ("\u{1c5}", "\u{1c6}"),
        ("İ", "i\u{307}"),
    ] {
        assert_eq!(folded(a), folded(b), "{a} and {b}");
    }
    assert_ne!(folded("acme"), folded("acne"));
}

#[test]
fn slugs_keep_what_they_can() {
    assert_eq!(slug("Zürich  Versicherung AG!").as_deref(), Some("zurich-versicherung-ag"));
    assert_eq!(slug("日本"), None);
    assert_eq!(slug("--"), None);
}

#[test]
fn usernames_and_codes_refuse_what_their_form_forbids() {
    assert!(checked_username("/username", "a").is_err());
    assert!(checked_username("/username", "a b").is_err());
    assert!(
        checked_username("/username", "01900000-0000-7000-8000-00000000A003").is_err(),
        "an id of somebody else"
    );
    assert_eq!(checked_username("/username", "Alice").as_deref().ok(), Some("alice"));
    assert!(checked_code("/code", "-a").is_err());
    assert_eq!(checked_code("/code", "A-1").as_deref().ok(), Some("a-1"));
}

fn refused(name: &str) -> String {
    checked("/name", name)
        .map_or_else(|error| error.code.into_owned(), |kept| format!("kept as {kept:?}"))
}

#[test]
fn addresses_are_compared_by_the_ascii_form_of_their_domain() {
    let key = |address: &str| address_key(address).unwrap_or_default();
    for (typed, due) in [
        ("Erin@Acme.Example", "erin@acme.example"),
        (" a@ü.example ", "a@xn--tda.example"),
        ("a@U\u{308}.example", "a@xn--tda.example"),
        ("a@XN--TDA.example", "a@xn--tda.example"),
        ("a@\u{ff41}cme.example", "a@acme.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("a@strasse.example", "a@strasse.example"),
        ("a@b@acme.example", "a@b@acme.example"),
    ] {
        assert_eq!(key(typed), due, "{typed:?}");
        assert_eq!(sign_in_key(typed).as_deref(), Some(due));
        assert_eq!(key(due), due, "a key is the key of itself");
    }
    let longest = format!("a@{}.example", "ü".repeat(200));
    for none in ["", "a", "@acme.example", "a@", "@", &longest] {
        assert_eq!(address_key(none), None, "{none:?}");
    }
    assert_eq!(sign_in_key("Alice").as_deref(), Some("alice"));
}

#[test]
fn what_cannot_be_seen_is_no_name() {
    let unseen = [
        "",
        " \t",
        "\u{200b}",
        "\u{3164}",
        "\u{ffa0}",
        "\u{2800}",
        "\u{e0020}\u{e007f}",
        "\u{fe0f}\u{200d}",
        "\u{feff}",
        "\u{fff9}\u{fffb}",
        "\u{13441}",
        "\u{13442}\u{2800}",
        "\u{ffff}",
        "\u{1107f}",
        "\u{301}",
    ];
    for unseen in unseen {
        assert_eq!(refused(unseen), "blank", "{unseen:?}");
    }
    assert_eq!(refused("\u{202e}"), "blank");
    assert!(checked_description("/description", "\u{202e}").is_err());
    for turned in ["abc\u{202e}fed", "\u{2066}abc\u{2069}", "a\u{202a}b\u{202c}"] {
        assert_eq!(refused(turned), "unreadable", "{turned:?}");
        assert!(checked_description("/description", turned).is_err());
    }
    assert_eq!(refused("two\u{2028}lines"), "invalid_characters");
    // Letters that need what is not seen between them keep it: a family, and Persian.
    for kept in ["👨\u{200d}👩\u{200d}👧", "می\u{200c}خواهم", "\u{0600}5"] {
        assert_eq!(checked("/name", kept).ok().as_deref(), Some(kept));
    }
}

#[test]
fn a_name_and_its_key_are_bounded_before_anything_is_computed() {
    assert_eq!(refused(&"a".repeat(201)), "too_long");
    assert_eq!(refused(&"\u{fdfa}".repeat(200)), "too_long");
    assert_eq!(refused(&"\u{fdfa}".repeat(1_000_000)), "too_long");
    assert_eq!(key(&"\u{fdfa}".repeat(200)), None);
    let widest: String = "𝒳".repeat(200);
    let longest = Name::checked("/name", &widest).unwrap();
    assert_eq!((longest.as_str(), longest.key().len()), (widest.as_str(), 200));
    assert!(
        Name::checked("/name", &"漢".repeat(200)).is_ok_and(|name| name.key().len() == MAX_KEY)
    );
    assert!(key_of_stored(&"\u{fdfa}".repeat(10_000)).len() <= 200 * 33);
}

#[test]
fn keys_fold_what_is_not_seen_and_stay_as_they_are() {
    let pairs = [
        ("admin", "ad\u{200b}min"),
        ("admin", "ADMIN\u{fe0f}"),
        ("a", "\u{3164}a"),
        ("é", "e\u{200b}\u{301}"),
        ("ά", "\u{1f71}"),
    ];
    for (plain, hidden) in pairs {
        assert_eq!(folded(plain), folded(hidden), "{hidden:?}");
    }
}

#[test]
fn look_alikes_of_a_label_are_told_from_it_and_from_others() {
    let mistaken = |label: &str| Name::checked("/label", label).unwrap().is_mistaken_for("admin");
    for alike in [
        "AD\u{41c}IN",
        "\u{391}D\u{39c}\u{399}\u{39d}",
        "ADMI\u{39d}",
        "ADM|N",
        "\u{a4ee}DMIN",
        "A\u{13a0}MIN",
        "aD\u{41c}in",
        "admin\u{2800}",
        "\u{2800}admin",
        "admin\u{fff9}",
        "admin\u{13441}",
        &format!("admin{}", "\u{2800}".repeat(100)),
        "adm1n",
        "\u{430}dmin",
        "adm\u{456}n",
        "\u{ff41}dm\u{131}n",
        "adrnin",
    ] {
        assert!(mistaken(alike), "{alike:?}");
    }
    for other in [
        "admin",
        "ADMIN",
        "ad\u{200b}min",
        "administrator",
        "admins",
        "admin 2",
        "Adam",
        "MAIN",
        "münze",
        "бухгалтер",
    ] {
        assert!(!mistaken(other), "{other:?}");
    }
}

proptest::proptest! {
    #[test]
    fn a_key_is_the_key_of_itself(text in ".{0,40}") {
        let once = folded(&text);
        proptest::prop_assert_eq!(folded(&once), once);
    }
}
