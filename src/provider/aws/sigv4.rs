//! AWS Signature Version 4 (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::inbound::voice::hmac_sha256;

/// What is signed.
pub struct Signed<'a> {
    pub method: &'a str,
    /// Encoded as it is sent.
    pub path: &'a str,
    /// Sorted and encoded as it is sent.
    pub query: &'a str,
    /// Names in lower case, sorted; `host` and `x-amz-date` among them.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// Who signs, and for what.
pub struct Credentials<'a> {
    pub key_id: &'a str,
    pub secret: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

/// The value of the `Authorization` header; `date` is that of `x-amz-date`, as in `20260101T120000Z`.
pub fn authorization(signed: &Signed<'_>, keys: &Credentials<'_>, date: &str) -> String {
    let names: Vec<&str> = signed.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let headers: String =
        signed.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let Signed { method, path, query, body, .. } = signed;
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{}", hash(body));
    let day = &date[..date.len().min(8)];
    let scope = format!("{day}/{}/{}/aws4_request", keys.region, keys.service);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(canonical.as_bytes()));
    let secret = Zeroizing::new(format!("AWS4{}", keys.secret));
    let key = [day, keys.region, keys.service, "aws4_request"]
        .iter()
        .fold(secret.as_bytes().to_vec(), |key, part| hmac_sha256(&key, &[part.as_bytes()]));
    let signature = hex::encode(hmac_sha256(&key, &[text.as_bytes()]));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.key_id
    )
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of AWS's own published test suite, and one made with botocore.
    #[test]
    fn the_published_vectors() {
        let keys = |service| Credentials {
            key_id: "AKIDEXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            service,
        };
        let host = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        let get = |query| Signed { method: "GET", path: "/", query, headers: &host, body: b"" };
        for (query, signature) in [
            ("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "Param1=value1&Param2=value2",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let header = authorization(&get(query), &keys("service"), "20150830T123600Z");
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(header, expected, "{query}");
        }
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("host", "sms-voice.us-east-1.amazonaws.com"),
            ("x-amz-date", "20260101T120000Z"),
            ("x-amz-target", "PinpointSMSVoiceV2.SendTextMessage"),
        ];
        let body = br#"{"DestinationPhoneNumber":"+15555550123","OriginationIdentity":"+15555550100","MessageBody":"hello","MessageType":"TRANSACTIONAL"}"#;
        let post = Signed { method: "POST", path: "/", query: "", headers: &headers, body };
        let header = authorization(&post, &keys("sms-voice"), "20260101T120000Z");
        assert!(
            header.ends_with("Signature=24974d5635bdb334e2cf7e9658ca321bee2e58a263423f882e80fc102bae7f83"),
            "{header}"
        );
    }
}
