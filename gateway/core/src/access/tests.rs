use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shipslog_domain::Timestamp;

use super::{Error, Keys, Role, create, list, revoke, service_secret};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).expect("it is there");
    metadata.permissions().mode() & 0o777
}

#[test]
fn a_key_is_taken_and_given_up_without_a_restart() {
    let data_dir = tempfile::tempdir().unwrap();
    let keys = Keys::open(data_dir.path()).unwrap();
    assert_eq!(keys.count(), 0);

    let created = create(data_dir.path(), "ci", Role::Operator, NOW).unwrap();
    assert!(keys.by_id(&created.key.id).is_none());
    assert!(keys.refresh().unwrap());
    assert!(!keys.refresh().unwrap());
    let key = keys.by_id(&created.key.id).unwrap();
    assert_eq!((key.role, &*key.name), (Role::Operator, "ci"));
    assert_eq!(key.secret, created.key.secret);
    assert!(keys.by_token(created.token.reveal()).is_some());
    assert!(keys.by_token(created.key.secret.reveal()).is_none());

    let revoked = revoke(data_dir.path(), &created.key.id, NOW).unwrap();
    assert!(revoked.revoked_at.is_some());
    assert!(keys.refresh().unwrap());
    assert_eq!(keys.count(), 0);
    assert!(keys.by_token(created.token.reveal()).is_none());
    assert_eq!(
        list(data_dir.path()).unwrap(),
        std::slice::from_ref(&revoked)
    );
    assert_eq!(
        revoke(data_dir.path(), &created.key.id, Timestamp(0)).unwrap(),
        revoked
    );
}

#[test]
fn secrets_lie_in_files_of_their_owner_and_nowhere_else() {
    let data_dir = tempfile::tempdir().unwrap();
    let created = create(data_dir.path(), "ci", Role::Admin, NOW).unwrap();
    let directory = data_dir.path().join("keys");
    let path = directory.join(format!("{}.json", created.key.id));
    assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(created.key.secret.reveal()));
    assert!(!text.contains(created.token.reveal()));
    let shown = format!("{created:?}");
    assert!(!shown.contains(created.key.secret.reveal()));
    assert!(!shown.contains(created.token.reveal()));

    revoke(data_dir.path(), &created.key.id, NOW).unwrap();
    assert_eq!(mode(&path), 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(created.key.secret.reveal()), "{text}");
}

#[test]
fn a_file_that_others_read_or_that_is_damaged_is_no_key() {
    let data_dir = tempfile::tempdir().unwrap();
    let created = create(data_dir.path(), "ci", Role::Admin, NOW).unwrap();
    let path = data_dir
        .path()
        .join(format!("keys/{}.json", created.key.id));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(Keys::open(data_dir.path()).unwrap().count(), 0);
    assert!(matches!(list(data_dir.path()), Err(Error::Damaged { .. })));

    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(Keys::open(data_dir.path()).unwrap().count(), 1);
    for text in ["", "{}", "{\"id\":1}", "\u{0}"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(Keys::open(data_dir.path()).unwrap().count(), 0, "{text:?}");
    }
}

#[test]
fn names_roles_and_ids_have_rules() {
    let data_dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(65);
    for name in ["", "a b", "a/b", "é", long.as_str()] {
        let refused = create(data_dir.path(), name, Role::Viewer, NOW);
        assert!(matches!(refused, Err(Error::Name)), "{name:?}");
    }
    assert!(create(data_dir.path(), &long[1..], Role::Viewer, NOW).is_ok());
    assert!("root".parse::<Role>().is_err());
    for role in Role::ALL {
        assert_eq!(role.as_str().parse::<Role>().unwrap(), role);
    }
    assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
    for id in ["", "nobody", "../keys", "*"] {
        let refused = revoke(data_dir.path(), id, NOW);
        assert!(matches!(refused, Err(Error::Unknown(_))), "{id:?}");
    }
}

#[test]
fn a_secret_of_the_service_stays_the_same() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = service_secret(data_dir.path(), "page-tokens").unwrap();
    assert_eq!(
        service_secret(data_dir.path(), "page-tokens").unwrap(),
        first
    );
    assert_ne!(service_secret(data_dir.path(), "other").unwrap(), first);
    let path = data_dir.path().join("secrets/page-tokens");
    assert_eq!(mode(&path), 0o600);
    std::fs::write(&path, "0").unwrap();
    let refused = service_secret(data_dir.path(), "page-tokens");
    assert!(matches!(refused, Err(Error::Damaged { .. })));
}
