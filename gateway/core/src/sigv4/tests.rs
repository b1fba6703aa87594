use super::{Presigned, date};

/// The example of AWS' documentation of S3, "Authenticating Requests: Using Query Parameters".
#[test]
fn a_url_is_signed_as_aws_documents_it() {
    let presigned = Presigned {
        key_id: "AKIAIOSFODNN7EXAMPLE",
        region: "us-east-1",
        session_token: None,
        host: "examplebucket.s3.amazonaws.com",
        path: "/test.txt",
        object_version: None,
        expires_in_seconds: 86_400,
    };
    let query = presigned.query(
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        date::parse("20130524T000000Z").unwrap(),
    );
    assert_eq!(
        query,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}
