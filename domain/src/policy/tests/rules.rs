use crate::certificate::{self, Certificate, Signer, Status};
use crate::command::Command;
use crate::event::Event;
use crate::fleet::tests::Run;
use crate::ids::{Fingerprint, GroupName, PolicyName, ThingName};
use crate::limits;
use crate::policy::{Command as Policy, Request, Target, Verdict};
use crate::rejection::RejectionKind::{
    AlreadyExists, Conflict, Malformed, NotFound, TooMany, WrongState,
};

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

fn name(text: &str) -> PolicyName {
    PolicyName::parse(text).expect("valid")
}

fn group(text: &str) -> GroupName {
    GroupName::parse(text).expect("valid")
}

fn thing(text: &str) -> ThingName {
    ThingName::parse(text).expect("valid")
}

fn create(policy: &str, document: &str) -> Command {
    let (name, document) = (name(policy), document.into());
    Command::Policy(Policy::Create { name, document })
}

fn delete(policy: &str) -> Command {
    Command::Policy(Policy::Delete { name: name(policy) })
}

fn add_version(policy: &str, document: &str, set_default: bool) -> Command {
    Command::Policy(Policy::AddVersion {
        name: name(policy),
        document: document.into(),
        set_default,
    })
}

fn set_default(policy: &str, version: u32) -> Command {
    let name = name(policy);
    Command::Policy(Policy::SetDefaultVersion { name, version })
}

fn delete_version(policy: &str, version: u32) -> Command {
    let name = name(policy);
    Command::Policy(Policy::DeleteVersion { name, version })
}

fn attach(policy: &str, target: Target) -> Command {
    let name = name(policy);
    Command::Policy(Policy::Attach { name, target })
}

fn detach(policy: &str, target: Target) -> Command {
    let name = name(policy);
    Command::Policy(Policy::Detach { name, target })
}

fn to_certificate(number: u8) -> Target {
    Target::Certificate(Fingerprint([number; 32]))
}

fn to_group(text: &str) -> Target {
    Target::Group(group(text))
}

/// A run with certificates of these numbers.
fn with_certificates(numbers: impl IntoIterator<Item = u8>) -> Run {
    let mut run = Run::new();
    for number in numbers {
        let certificate = Certificate {
            fingerprint: Fingerprint([number; 32]),
            pem: "PEM".into(),
            status: Status::Active,
        };
        let signer = Signer::Service;
        run.ok(Command::Certificate(certificate::Command::Enroll {
            certificate,
            signer,
        }));
    }
    run
}

fn create_group(run: &mut Run, child: &str, parent: Option<&str>) {
    run.ok(Command::CreateGroup {
        name: group(child),
        parent: parent.map(group),
        description: None,
        attributes: Vec::new(),
    });
}

fn verdict(run: &Run, certificate: u8, as_thing: Option<&str>) -> Verdict {
    let (id, _) = run
        .fleet
        .certificate(&Fingerprint([certificate; 32]))
        .expect("known");
    let documents = run
        .fleet
        .governing_documents(id, as_thing.map(|name| run.thing(name)));
    let request = Request {
        action: "iot:Connect",
        resource: "arn:x".into(),
        context: &|_| None,
    };
    crate::policy::PolicyDocument::evaluate_all(documents.iter().map(AsRef::as_ref), &request)
}

#[test]
fn versions() {
    let mut run = Run::new();
    run.refused(create("p", "{}"), Malformed);
    run.ok(create("p", ALLOW));
    run.refused(create("p", ALLOW), AlreadyExists);
    run.refused(add_version("q", ALLOW, false), NotFound);
    run.refused(add_version("p", "{}", false), Malformed);
    for version in 2..=5 {
        let added = run.ok(add_version("p", DENY, version == 3));
        let expected = crate::policy::Event::VersionAdded {
            version,
            document: DENY.into(),
            is_default: version == 3,
        };
        assert_eq!(added, [Event::Policy(expected)]);
    }
    run.refused(add_version("p", ALLOW, false), TooMany);
    run.refused(delete("p"), Conflict);
    run.refused(delete_version("p", 3), Conflict);
    run.refused(delete_version("p", 6), NotFound);
    run.refused(set_default("p", 6), NotFound);
    assert_eq!(run.ok(set_default("p", 3)), []);
    run.ok(set_default("p", 1));
    run.ok(delete_version("p", 3));
    run.refused(set_default("p", 3), NotFound);
    // A number is not used again.
    run.ok(add_version("p", ALLOW, false));
    run.ok(set_default("p", 6));
    for version in [1, 2, 4, 5] {
        run.ok(delete_version("p", version));
    }
    run.ok(delete("p"));
    run.refused(delete("p"), NotFound);
    run.ok(create("p", ALLOW));
    let (_, policy) = run.fleet.policy("p").expect("created again");
    assert_eq!(policy.default_version(), 1);
}

#[test]
fn attachments() {
    let mut run = with_certificates([1, 2]);
    create_group(&mut run, "g", None);
    run.ok(create("p", ALLOW));
    run.refused(attach("q", to_certificate(1)), NotFound);
    run.refused(attach("p", to_certificate(3)), NotFound);
    run.refused(attach("p", to_group("h")), NotFound);
    run.refused(detach("p", to_certificate(3)), NotFound);
    run.ok(attach("p", to_certificate(1)));
    assert_eq!(run.ok(attach("p", to_certificate(1))), []);
    run.ok(attach("p", to_group("g")));
    assert_eq!(run.ok(attach("p", to_group("g"))), []);
    run.refused(delete("p"), Conflict);
    run.ok(detach("p", to_certificate(1)));
    assert_eq!(run.ok(detach("p", to_certificate(1))), []);
    run.refused(delete("p"), Conflict);
    run.ok(detach("p", to_group("g")));
    assert_eq!(run.ok(detach("p", to_group("g"))), []);
    run.ok(attach("p", to_group("g")));
    run.ok(Command::DeleteGroup {
        name: group("g"),
        dynamic: false,
        expected_version: None,
    });
    run.ok(delete("p"));
    // What is not there can still be detached.
    assert_eq!(run.ok(detach("p", to_certificate(1))), []);
}

#[test]
fn the_number_of_policies_is_bounded() {
    let mut run = with_certificates([1]);
    create_group(&mut run, "g", None);
    for number in 0..=limits::POLICIES_PER_CERTIFICATE_MAX {
        run.ok(create(&format!("p{number}"), ALLOW));
    }
    for number in 0..limits::POLICIES_PER_CERTIFICATE_MAX {
        run.ok(attach(&format!("p{number}"), to_certificate(1)));
    }
    run.refused(attach("p10", to_certificate(1)), TooMany);
    run.ok(attach("p0", to_group("g")));
    run.ok(attach("p1", to_group("g")));
    run.refused(attach("p2", to_group("g")), TooMany);
}

#[test]
fn groups_above_govern_too() {
    let mut run = with_certificates([1]);
    create_group(&mut run, "top", None);
    create_group(&mut run, "below", Some("top"));
    run.things(1);
    run.ok(Command::AddThingToGroup {
        group: group("below"),
        thing: thing("t0"),
    });
    run.ok(create("allow", ALLOW));
    run.ok(create("deny", DENY));
    assert_eq!(verdict(&run, 1, Some("t0")), Verdict::NotAllowed);
    run.ok(attach("allow", to_group("below")));
    assert_eq!(verdict(&run, 1, Some("t0")), Verdict::Allowed);
    assert_eq!(verdict(&run, 1, None), Verdict::NotAllowed);
    run.ok(attach("deny", to_group("top")));
    assert_eq!(verdict(&run, 1, Some("t0")), Verdict::Denied);
    run.ok(detach("deny", to_group("top")));
    run.ok(add_version("allow", DENY, true));
    assert_eq!(verdict(&run, 1, Some("t0")), Verdict::Denied);
    // What is saved says the same.
    let mut bytes = Vec::new();
    run.fleet.save(&mut bytes);
    run.fleet = crate::Fleet::load(crate::fleet::Settings::default(), &bytes).expect("saved");
    assert_eq!(verdict(&run, 1, Some("t0")), Verdict::Denied);
    run.refused(delete("allow"), Conflict);
}

#[test]
fn certificates_are_deleted_by_the_rules() {
    let mut run = with_certificates([1]);
    let fingerprint = Fingerprint([1; 32]);
    let delete_certificate =
        |force| Command::Certificate(certificate::Command::Delete { fingerprint, force });
    let set = |status| Command::SetCertificateStatus {
        fingerprint,
        status,
    };
    run.things(1);
    run.ok(create("p", ALLOW));
    run.ok(attach("p", to_certificate(1)));
    run.ok(Command::AttachCertificate {
        thing: thing("t0"),
        fingerprint,
    });
    run.refused(delete_certificate(true), WrongState);
    run.ok(set(Status::Inactive));
    run.refused(delete_certificate(true), Conflict);
    run.ok(Command::DetachCertificate {
        thing: thing("t0"),
        fingerprint,
    });
    run.refused(delete_certificate(false), Conflict);
    run.ok(set(Status::Revoked));
    run.refused(set(Status::Active), WrongState);
    run.ok(delete_certificate(true));
    run.refused(delete_certificate(true), NotFound);
    // It took its attachment along.
    run.ok(delete("p"));
}

#[test]
fn an_exclusive_certificate_acts_as_one_thing() {
    let mut run = with_certificates([1]);
    let fingerprint = Fingerprint([1; 32]);
    let attach = |name: &str, exclusive| {
        let thing = thing(name);
        Command::Certificate(certificate::Command::Attach {
            thing,
            fingerprint,
            exclusive,
        })
    };
    let detach = |name: &str| Command::DetachCertificate {
        thing: thing(name),
        fingerprint,
    };
    run.things(2);
    run.refused(attach("t9", false), NotFound);
    run.ok(attach("t0", false));
    run.ok(attach("t1", false));
    run.refused(attach("t0", true), WrongState);
    run.ok(detach("t1"));
    run.ok(attach("t0", true));
    assert_eq!(run.ok(attach("t0", true)), []);
    run.refused(attach("t1", false), WrongState);
    run.refused(
        Command::AttachCertificate {
            thing: thing("t1"),
            fingerprint,
        },
        WrongState,
    );
    run.ok(Command::DeleteThing {
        name: thing("t0"),
        expected_version: None,
        detach_certificates: true,
    });
    run.ok(attach("t1", false));
    run.ok(Command::CreateThing {
        name: thing("t0"),
        thing_type: None,
        attributes: Vec::new(),
        billing_group: None,
    });
    run.ok(attach("t0", false));
}
