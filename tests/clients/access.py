"""Who may do what, with boto3: certificates, policies, CAs, provisioning templates and things registered by them."""

import json

from service import client, equal, refused

iot = client("iot")

ALLOW = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
)
ROLE = "arn:aws:iam::000000000000:role/provisioning"


def keys(active=True):
    made = iot.create_keys_and_certificate(setAsActive=active)
    assert made["keyPair"]["PrivateKey"].startswith("-----BEGIN"), "a private key"
    assert made["keyPair"]["PublicKey"].startswith("-----BEGIN PUBLIC KEY"), "a public key"
    return made


def pages(call, member, token, sent, **arguments):
    """All items of a list, page by page."""
    items = []
    while True:
        answer = call(**arguments)
        items += answer[member]
        if token not in answer:
            return items
        arguments[sent] = answer[token]


def a_certificate_lives_and_ends():
    made = keys()
    certificate, arn = made["certificateId"], made["certificateArn"]
    described = iot.describe_certificate(certificateId=certificate)["certificateDescription"]
    equal(described["status"], "ACTIVE")
    equal(described["certificatePem"], made["certificatePem"])
    assert described["validity"]["notBefore"] < described["validity"]["notAfter"]

    iot.create_thing(thingName="pump-1")
    iot.attach_thing_principal(thingName="pump-1", principal=arn)
    equal(iot.list_thing_principals(thingName="pump-1")["principals"], [arn])
    equal(iot.list_principal_things(principal=arn)["things"], ["pump-1"])

    iot.create_policy(policyName="p.@+=", policyDocument=ALLOW)
    iot.attach_policy(policyName="p.@+=", target=arn)
    equal([policy["policyName"] for policy in iot.list_attached_policies(target=arn)["policies"]], ["p.@+="])
    equal(iot.list_targets_for_policy(policyName="p.@+=")["targets"], [arn])
    equal(iot.list_policy_principals(policyName="p.@+=")["principals"], [arn])
    refused("DeleteConflictException", 409, iot.delete_policy, policyName="p.@+=")

    refused("CertificateStateException", 406, iot.delete_certificate, certificateId=certificate)
    iot.update_certificate(certificateId=certificate, newStatus="INACTIVE")
    refused("DeleteConflictException", 409, iot.delete_certificate, certificateId=certificate)
    iot.detach_thing_principal(thingName="pump-1", principal=arn)
    iot.delete_certificate(certificateId=certificate, forceDelete=True)
    refused("ResourceNotFoundException", 404, iot.describe_certificate, certificateId=certificate)
    iot.delete_policy(policyName="p.@+=")


def lists_come_in_pages():
    made = [keys(active=False)["certificateId"] for _ in range(3)]
    ascending = pages(
        iot.list_certificates, "certificates", "nextMarker", "marker", pageSize=2, ascendingOrder=True
    )
    equal([certificate["certificateId"] for certificate in ascending], made)
    newest = iot.list_certificates(pageSize=1)["certificates"]
    equal(newest[0]["certificateId"], made[-1])
    for certificate in made:
        iot.delete_certificate(certificateId=certificate)


def policies_have_versions():
    iot.create_policy(policyName="fleet", policyDocument=ALLOW)
    refused("ResourceAlreadyExistsException", 409, iot.create_policy, policyName="fleet", policyDocument=ALLOW)
    refused("MalformedPolicyException", 400, iot.create_policy, policyName="bad", policyDocument="{}")
    added = iot.create_policy_version(policyName="fleet", policyDocument=ALLOW, setAsDefault=True)
    equal((added["policyVersionId"], added["isDefaultVersion"]), ("2", True))
    for _ in range(3):
        iot.create_policy_version(policyName="fleet", policyDocument=ALLOW)
    refused(
        "VersionsLimitExceededException", 409, iot.create_policy_version, policyName="fleet", policyDocument=ALLOW
    )
    versions = iot.list_policy_versions(policyName="fleet")["policyVersions"]
    equal([version["versionId"] for version in versions], ["5", "4", "3", "2", "1"])
    refused(
        "DeleteConflictException", 409, iot.delete_policy_version, policyName="fleet", policyVersionId="2"
    )
    iot.set_default_policy_version(policyName="fleet", policyVersionId="1")
    for version in "2345":
        iot.delete_policy_version(policyName="fleet", policyVersionId=version)
    equal(iot.get_policy(policyName="fleet")["defaultVersionId"], "1")


def tags_and_role_aliases_are_kept():
    tags = [{"Key": "team", "Value": "edge"}]
    made = iot.create_role_alias(roleAlias="downloads", roleArn=ROLE, tags=tags)
    arn = made["roleAliasArn"]
    equal(iot.list_tags_for_resource(resourceArn=arn)["tags"], tags)
    iot.tag_resource(resourceArn=arn, tags=[{"Key": "cost", "Value": "7"}])
    iot.untag_resource(resourceArn=arn, tagKeys=["team"])
    equal(iot.list_tags_for_resource(resourceArn=arn)["tags"], [{"Key": "cost", "Value": "7"}])
    iot.update_role_alias(roleAlias="downloads", credentialDurationSeconds=900)
    described = iot.describe_role_alias(roleAlias="downloads")["roleAliasDescription"]
    equal((described["roleArn"], described["credentialDurationSeconds"]), (ROLE, 900))
    equal(iot.list_role_aliases()["roleAliases"], ["downloads"])
    iot.delete_role_alias(roleAlias="downloads")
    refused("ResourceNotFoundException", 404, iot.list_tags_for_resource, resourceArn=arn)


def things_are_registered_by_templates():
    template = {
        "Parameters": {"SerialNumber": {"Type": "String"}, "Certificate": {"Type": "String"}},
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": {"Fn::Join": ["", ["dev-", {"Ref": "SerialNumber"}]]},
                    "ThingGroups": ["g1"],
                },
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "Certificate"}, "Status": "ACTIVE"},
                "OverrideSettings": {"Status": "REPLACE"},
            },
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}},
        },
    }
    body = json.dumps(template)
    iot.create_provisioning_template(
        templateName="pumps", templateBody=body, provisioningRoleArn=ROLE, enabled=True
    )
    equal(iot.describe_provisioning_template(templateName="pumps")["templateBody"], body)
    added = iot.create_provisioning_template_version(templateName="pumps", templateBody=body)
    equal((added["versionId"], added["isDefaultVersion"]), (2, False))
    iot.update_provisioning_template(templateName="pumps", defaultVersionId=2)
    iot.delete_provisioning_template_version(templateName="pumps", versionId=1)

    made = keys(active=False)
    parameters = {"SerialNumber": "7", "Certificate": made["certificateId"]}
    refused(
        "ResourceRegistrationFailureException", 400, iot.register_thing, templateBody=body, parameters=parameters
    )
    refused("ResourceNotFoundException", 404, iot.describe_thing, thingName="dev-7")
    iot.create_thing_group(thingGroupName="g1")
    answer = iot.register_thing(templateBody=body, parameters=parameters)
    equal(answer["certificatePem"], made["certificatePem"])
    equal(sorted(answer["resourceArns"]), ["certificate", "policy", "thing"])
    described = iot.describe_certificate(certificateId=made["certificateId"])
    equal(described["certificateDescription"]["status"], "ACTIVE")
    equal(iot.list_thing_principals(thingName="dev-7")["principals"], [made["certificateArn"]])

    claim = iot.create_provisioning_claim(templateName="pumps")
    assert claim["expiration"] and claim["keyPair"]["PrivateKey"] and claim["certificatePem"]
    listed = [certificate["certificateId"] for certificate in iot.list_certificates()["certificates"]]
    assert claim["certificateId"] not in listed, "a claim is not listed"
    iot.delete_provisioning_template(templateName="pumps")


a_certificate_lives_and_ends()
lists_come_in_pages()
policies_have_versions()
tags_and_role_aliases_are_kept()
things_are_registered_by_templates()
