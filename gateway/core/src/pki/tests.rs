use std::os::unix::fs::PermissionsExt;

use super::*;

const NOW: Timestamp = Timestamp(1_767_225_600_000);
const DAY: u64 = 86_400_000;

/// Made by openssl the way that embedded devices make theirs: an extension that nobody knows, two units in the
/// subject, and no common name.
const EMBEDDED_REQUEST: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIIBPzCB5gIBADA0MQswCQYDVQQGEwJVUzENMAsGA1UECgwEbWJlZDEKMAgGA1UE
CwwBYTEKMAgGA1UECwwBYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEDculoH
vp+BNPWPihWK7hpYYsBA5/G7jGxY0aC0Vgf6exfTsVKawfO3P3dP6f7zMsyi+ChX
hbE6YvYW+b4eaG6gUDBOBgkqhkiG9w0BCQ4xQTA/MBEGCWCGSAGG+EIBAQQEAwIF
oDAdBgNVHQ4EFgQUgqk/GgDpG4d7wUwz8buqP4mXMU0wCwYDVR0PBAQDAgeAMAoG
CCqGSM49BAMCA0gAMEUCIQC70fdjrLyRn3x54gH6BxTFsndvSCvu97rWzPYyC+fs
uQIgKWAI4bTPgiozLCChb5laa0DUg2waaqROf0VEit5Jtdg=
-----END CERTIFICATE REQUEST-----
";
const WEAK_REQUEST: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIIBTjCBuAIBADAPMQ0wCwYDVQQDDAR3ZWFrMIGfMA0GCSqGSIb3DQEBAQUAA4GN
ADCBiQKBgQDCw7xxCKsS77pqGi51XIlx71JwDJPSmthyvRwZr8gdv6awvA9rsDnF
HOlcSFEONVAftbZ0pn8NhRSWtQ6opIthKflN4wW4XL2wCGdrsmmOlYEpyRQ48gSk
/C+UDQoZ53vf8AMaQp9Ah/YMrXCoEVcRte5B0jy+tm4yo1+S16u7ZwIDAQABoAAw
DQYJKoZIhvcNAQELBQADgYEASyMUEnb5pXZKp+/BOqgquz4K49+zYv44NEZ5UZRh
ddVkDSvtqmF0LUwOW5s5uzI5pD4GPcl/iMqnXcXY/65pSQzzYvmFgF9S/A+QZsih
yRHHwQyS3K4SoPJwdcbTJ08ZhWsmnO7c3aN/XN7x1U+8L503n1GAjnE+m9oNJ52w
hms=
-----END CERTIFICATE REQUEST-----
";
const ED448_REQUEST: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIHWMFgCAQAwDDEKMAgGA1UEAwwBeDBDMAUGAytlcQM6AJdD7fJUhpT2sIPL9aKA
ACwbJW0qWAoJV9vMZELlAGYYGGVdHzo36ypv3iZoDXlUL1D479Pn5jEtgKAAMAUG
AytlcQNzAHchAsxgjY/jFsOALPKZkMrtSBhsv6BrBlKFY9dwyc6G3NTbAneJ31zI
5Vq1axPFRQjfJ/FaZMbVgCFncPCveEU0JIXO0NSsS3NY9mS1Jra4FvJPodIKPuTd
YbNga1stZ1J991fJQamyRwgUonlsacYUAA==
-----END CERTIFICATE REQUEST-----
";

fn open(directory: &Path) -> Authority {
    Authority::open(directory, &Settings::default(), NOW).expect("the CA opens")
}

fn later(days: u64) -> Timestamp {
    Timestamp(NOW.0 + days * DAY)
}

fn request_of(key: &KeyPair, names: &[(DnType, &str)]) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in names {
        params.distinguished_name.push(kind.clone(), *value);
    }
    // What a request must not get: the rights of a CA.
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(key).expect("a request");
    request.pem().expect("PEM")
}

/// Checks that `pem` is a device certificate signed by `ca_pem`, and returns its subject and last second.
fn checked(pem: &str, ca_pem: &str) -> (String, i64) {
    let certificate = Authority::read(pem, Some(ca_pem)).expect("signed by the CA");
    assert_eq!(
        certificate.pem.as_ref(),
        pem,
        "the stored form is the issued form"
    );
    let der = read::certificate_der(pem).expect("PEM");
    assert_eq!(certificate.fingerprint, read::fingerprint(&der));
    let parsed = read::parse(&der).expect("X.509");
    assert!(!parsed.is_ca());
    let usage = parsed.extended_key_usage().expect("usage").expect("usage");
    assert!(usage.value.client_auth && !usage.value.server_auth);
    let validity = parsed.validity();
    assert_eq!(validity.not_before.timestamp(), 1_767_225_600 - 300);
    (parsed.subject().to_string(), validity.not_after.timestamp())
}

#[test]
fn the_first_start_makes_a_ca_and_later_ones_load_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("deeper/ca");
    let first = open(&path);
    for (file, mode) in [
        ("ca.pem", 0o644),
        ("server.pem", 0o644),
        ("ca.key", 0o600),
        ("server.key", 0o600),
    ] {
        let metadata = std::fs::metadata(path.join(file)).expect(file);
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
    }
    assert_eq!(first.server_key_path(), path.join("server.key"));
    let second = Authority::open(&path, &Settings::default(), later(1)).expect("reopened");
    assert_eq!(first.ca_pem(), second.ca_pem());
    assert_eq!(first.ca_fingerprint(), second.ca_fingerprint());
    assert_eq!(first.server_pem(), second.server_pem());
    let other = open(&directory.path().join("other"));
    assert_ne!(first.ca_fingerprint(), other.ca_fingerprint());
    assert!(!format!("{first:?}").contains("PRIVATE"));
}

#[test]
fn the_server_certificate_covers_its_names_and_is_renewed() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path());
    let der = read::certificate_der(first.server_pem()).expect("PEM");
    let parsed = read::parse(&der).expect("X.509");
    let names = parsed
        .subject_alternative_name()
        .expect("names")
        .expect("names");
    assert_eq!(names.value.general_names.len(), 3);
    let named = Settings {
        server_names: vec!["fleet.example".into(), "10.0.0.7".into()],
        ..Settings::default()
    };
    let second = Authority::open(directory.path(), &named, NOW).expect("opened");
    assert_ne!(first.server_pem(), second.server_pem());
    let third = Authority::open(directory.path(), &named, later(700)).expect("opened");
    assert_eq!(second.server_pem(), third.server_pem());
    let fourth = Authority::open(directory.path(), &named, later(800)).expect("opened");
    assert_ne!(third.server_pem(), fourth.server_pem());
    let refused = Settings {
        server_names: vec!["ä".into()],
        ..Settings::default()
    };
    Authority::open(directory.path(), &refused, NOW).expect_err("a name that is no host name");
}

#[test]
fn a_server_certificate_of_the_operator_s_own_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    assert!(!authority.renew_server(later(1)).expect("looked at"));
    let key = std::fs::read_to_string(authority.server_key_path()).expect("a key");
    let key = KeyPair::from_pem(&key).expect("a key");
    let mut params = CertificateParams::new(vec!["own.example".into()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "own");
    let own = params.self_signed(&key).expect("signed").pem();
    std::fs::write(authority.server_pem_path(), &own).expect("written");
    assert!(!authority.renew_server(later(800)).expect("looked at"));
    assert_eq!(open(directory.path()).server_pem(), own);
    // With another key it serves nobody.
    let other = KeyPair::generate().expect("a key");
    let strange = params.self_signed(&other).expect("signed").pem();
    std::fs::write(authority.server_pem_path(), &strange).expect("written");
    assert!(authority.renew_server(later(800)).expect("made anew"));
    assert!(!authority.renew_server(later(801)).expect("looked at"));
}

#[test]
fn presented_certificates_say_who_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    let info = CertificateInfo {
        common_name: Some("cn".into()),
        organization: Some("o".into()),
        country: Some("US".into()),
        ..CertificateInfo::default()
    };
    let issued = authority.issue(None, &info, "core-a", NOW).expect("issued");
    let der = read::certificate_der(&issued.certificate.pem).expect("PEM");
    let presented = Presented::read(&der).expect("a certificate");
    assert_eq!(*presented.fingerprint(), issued.certificate.fingerprint);
    assert_eq!(presented.validity().not_after, later(365));
    let rows = [
        ("Subject.CommonName", Some("cn")),
        ("Subject.CommonName.0", Some("cn")),
        ("Subject.CommonName.1", None),
        ("Subject.Organization", Some("o")),
        ("Subject.Country", Some("US")),
        ("Subject.State", None),
        ("Issuer.Organization", Some("Shipslog")),
        ("Subject.AlternativeName.DNSName", None),
        ("Subject", None),
        ("Nothing", None),
    ];
    for (name, value) in rows {
        assert_eq!(presented.field(name).as_deref(), value, "{name}");
    }
    let serial = presented.field("SerialNumber").expect("it has one");
    assert_eq!(serial.len(), 32, "{serial}");
    let server = read::certificate_der(authority.server_pem()).expect("PEM");
    let server = Presented::read(&server).expect("a certificate");
    let name = |place: usize| {
        let field = format!("Subject.AlternativeName.IPAddress.{place}");
        server.field(&field)
    };
    assert_eq!(name(0).as_deref(), Some("127.0.0.1"));
    assert_eq!(name(1).as_deref(), Some("::1"));
    assert_eq!(
        Presented::read(b"nonsense"),
        Err("is not an X.509 certificate")
    );
}

#[test]
fn issued_certificates_say_what_was_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    let full = CertificateInfo {
        common_name: Some("cn".into()),
        organization: Some("o".into()),
        organizational_unit: Some("ou".into()),
        locality: Some("l".into()),
        state_name: Some("st".into()),
        country: Some("US".into()),
        email_address: Some("a@b.example".into()),
        days_expiry: Some(30),
    };
    let fingerprint = authority.ca_fingerprint().to_string();
    let rows = [
        (None, CertificateInfo::default(), "CN=core-a", 365),
        (
            Some("default"),
            CertificateInfo::default(),
            "CN=core-a",
            365,
        ),
        (
            Some(fingerprint.as_str()),
            full,
            "C=US, ST=st, L=l, O=o, OU=ou, CN=cn, Email=a@b.example",
            30,
        ),
    ];
    let mut fingerprints = Vec::new();
    for (ca_id, info, subject, days) in rows {
        let issued = authority.issue(ca_id, &info, "core-a", NOW).expect(subject);
        let (found, until) = checked(&issued.certificate.pem, authority.ca_pem());
        assert_eq!(found, subject);
        assert_eq!(until, 1_767_225_600 + days * 86_400);
        let key = KeyPair::from_pem(issued.key.expose_pem()).expect("a key");
        let der = read::certificate_der(&issued.certificate.pem).expect("PEM");
        let parsed = read::parse(&der).expect("X.509");
        assert_eq!(parsed.public_key().raw, key.subject_public_key_info());
        assert_eq!(format!("{:?}", issued.key), "PrivateKey(…)");
        fingerprints.push(issued.certificate.fingerprint);
    }
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 3);
}

#[test]
fn rsa_keys_on_request() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        device_key: KeyKind::Rsa2048,
        ..Settings::default()
    };
    let authority = Authority::open(directory.path(), &settings, NOW).expect("opened");
    let issued = authority
        .issue(None, &CertificateInfo::default(), "core-a", NOW)
        .expect("issued");
    checked(&issued.certificate.pem, authority.ca_pem());
    let key = KeyPair::from_pem(issued.key.expose_pem()).expect("a key");
    assert!(key.is_compatible(&rcgen::PKCS_RSA_SHA256));
}

#[test]
fn requests_are_signed_without_what_they_must_not_get() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    let rows: &[(_, &[(DnType, &str)], _)] = &[
        (
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &[
                (DnType::CommonName, "mine"),
                (DnType::OrganizationName, "o"),
            ],
            "CN=mine, O=o",
        ),
        (&rcgen::PKCS_RSA_SHA256, &[], "CN=core-a"),
    ];
    for (algorithm, names, subject) in rows {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let certificate = authority
            .sign_request(&request_of(&key, names), "core-a", NOW)
            .expect(subject);
        let (found, _) = checked(&certificate.pem, authority.ca_pem());
        assert_eq!(found, *subject);
    }
}

#[test]
fn requests_of_embedded_devices_are_signed() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    let certificate = authority
        .sign_request(EMBEDDED_REQUEST, "core-a", NOW)
        .expect("signed");
    let (subject, _) = checked(&certificate.pem, authority.ca_pem());
    assert_eq!(subject, "C=US, O=mbed, OU=b, CN=core-a");
}

#[test]
fn bad_requests_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    let key = KeyPair::generate().expect("a key");
    let good = request_of(&key, &[]);
    let forged = {
        let mut lines: Vec<String> = good.lines().map(str::to_string).collect();
        let line = lines
            .iter_mut()
            .rev()
            .nth(1)
            .expect("a last line of base64");
        // The signature's last bytes.
        let swapped = if line.starts_with('A') { "B" } else { "A" };
        line.replace_range(0..1, swapped);
        lines.join("\n")
    };
    let rows = [
        (String::new(), "is not in PEM form"),
        ("x".repeat(4_097), "has more than 4096 bytes"),
        (format!("{good}{good}"), "is not alone"),
        (
            authority.ca_pem().to_string(),
            "is another kind of PEM block",
        ),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".into(),
            "is not a PKCS #10 request",
        ),
        (forged, "is not signed by the key that it brings"),
        (
            WEAK_REQUEST.into(),
            "has an RSA key of fewer than 2048 bits",
        ),
        (
            ED448_REQUEST.into(),
            "has a kind of key or signature that is not supported",
        ),
    ];
    for (request, text) in rows {
        let error = authority
            .sign_request(&request, "core-a", NOW)
            .expect_err(text);
        assert!(matches!(error, Error::Request(_)), "{error:?}");
        assert!(error.to_string().contains(text), "{error} has no {text:?}");
    }
}

#[test]
fn certificates_of_callers() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    let issued = authority
        .issue(None, &CertificateInfo::default(), "core-a", NOW)
        .expect("issued");
    let pem = &issued.certificate.pem;
    let dressed = format!("subject=x\r\n{}\nmore", pem.replace('\n', "\r\n"));
    let read = Authority::read(&dressed, None).expect("read");
    assert_eq!(read, issued.certificate);
    let other = open(&directory.path().join("other"));
    let rows = [
        (String::new(), None, "is not in PEM form"),
        ("x".repeat(16_385), None, "has more than 16384 bytes"),
        (format!("{pem}{}", authority.ca_pem()), None, "is not alone"),
        (
            issued.key.expose_pem().to_string(),
            None,
            "is another kind of PEM block",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
            None,
            "is not an X.509 certificate",
        ),
        (
            pem.to_string(),
            Some(other.ca_pem()),
            "is not signed by the CA that came with it",
        ),
        (pem.to_string(), Some("x"), "of the CA is not in PEM form"),
    ];
    for (pem, ca_pem, text) in rows {
        let error = Authority::read(&pem, ca_pem).expect_err(text);
        assert!(matches!(error, Error::Certificate(_)), "{error:?}");
        assert!(error.to_string().contains(text), "{error} has no {text:?}");
    }
}

#[test]
fn further_cas_by_id() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = open(directory.path());
    let info = CertificateInfo::default();
    for id in [
        "",
        "other",
        "ca",
        "server",
        "../ca",
        "a/b",
        "a.b",
        &"x".repeat(129),
    ] {
        let error = authority
            .issue(Some(id), &info, "core-a", NOW)
            .expect_err(id);
        assert!(matches!(error, Error::UnknownCa(_)), "{id}: {error:?}");
    }
    let elsewhere = directory.path().join("elsewhere");
    let other = open(&elsewhere);
    for file in ["pem", "key"] {
        std::fs::copy(
            elsewhere.join(format!("ca.{file}")),
            directory.path().join(format!("other.{file}")),
        )
        .expect("copied");
    }
    for _ in 0..2 {
        let issued = authority
            .issue(Some("other"), &info, "core-a", NOW)
            .expect("issued");
        checked(&issued.certificate.pem, other.ca_pem());
    }
}

#[test]
fn damaged_files_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    open(path);
    let ca_key = std::fs::read_to_string(path.join("ca.key")).expect("the key");
    let ca_pem = std::fs::read_to_string(path.join("ca.pem")).expect("the certificate");
    let server_key = std::fs::read_to_string(path.join("server.key")).expect("a key");
    let server_pem = std::fs::read_to_string(path.join("server.pem")).expect("a certificate");
    let rows = [
        ("ca.key", Some("x"), "is not a private key"),
        ("ca.key", None, "is missing, but its certificate is there"),
        ("ca.key", Some(server_key.as_str()), "does not fit the key"),
        ("ca.pem", Some("x"), "is not in PEM form"),
        (
            "ca.pem",
            Some(server_pem.as_str()),
            "is not the certificate of a CA",
        ),
    ];
    for (file, content, text) in rows {
        match content {
            Some(content) => std::fs::write(path.join(file), content).expect("written"),
            None => std::fs::remove_file(path.join(file)).expect("removed"),
        }
        let error = Authority::open(path, &Settings::default(), NOW).expect_err(text);
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains(text), "{error} has no {text:?}");
        assert!(error.to_string().contains("/ca."), "{error} names no file");
        std::fs::write(path.join("ca.key"), &ca_key).expect("restored");
        std::fs::write(path.join("ca.pem"), &ca_pem).expect("restored");
    }
    // A start that was interrupted between key and certificate goes on with the key.
    std::fs::remove_file(path.join("ca.pem")).expect("removed");
    let reopened = open(path);
    assert_ne!(reopened.ca_pem(), ca_pem);
    assert_eq!(
        std::fs::read_to_string(path.join("ca.key")).expect("the key"),
        ca_key
    );
}

#[test]
fn a_time_that_no_certificate_can_say() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = Authority::open(directory.path(), &Settings::default(), Timestamp(u64::MAX))
        .expect_err("no such year");
    assert!(matches!(error, Error::Time(_)), "{error:?}");
    open(directory.path());
}
