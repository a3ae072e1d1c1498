"""Vonage's own SDK signs and judges parameters (HMAC methods) and judges signed tokens."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import hashlib

import jwt
from cases import CHANCE, NOW, body, flipped, form, pairs, say, verdict, words
from vonage_http_client.auth import Auth
from vonage_jwt import verify_signature

SECRET = "my_signature_secret_0123456789abcdef"
NAMES = ["messageId", "msisdn", "to", "text", "type", "keyword", "nonce", "message-timestamp"]

for turn in range(60):
    method = CHANCE.choice(["sha256", "sha512", "sha1", "md5"])
    ask = Auth(api_key="abcd1234", signature_secret=SECRET, signature_method=method)
    told = dict(pairs(NAMES)) | {"timestamp": str(NOW), "api-key": "abcd1234"}
    told["sig"] = ask.sign_params(dict(told))
    match turn % 3:
        case 1:
            told["timestamp"] = str(NOW - 1)
        case 2:
            told["sig"] = told["sig"].upper() if turn % 2 else flipped(told["sig"])
    settings = {"api": "sms", "api_key": "abcd1234", "signature_method": method}
    good = verdict(ask.check_signature, dict(told))
    if turn % 2:
        say(f"form {turn}", good, SECRET, body=form(told), settings=settings)
    else:
        path = f"/webhooks/main/token?{form(told)}"
        say(f"query {turn}", good, SECRET, path=path, method="GET", settings=settings)

for turn in range(40):
    told = body(message_uuid="u1", text=words())
    claims = {
        "iat": NOW, "jti": str(turn), "iss": "Vonage", "api_key": "abcd1234",
        "payload_hash": hashlib.sha256(told.encode()).hexdigest(),
    }
    token = jwt.encode(claims, SECRET if turn % 4 else SECRET + "x", CHANCE.choice(["HS256", "HS256", "HS384"]))
    whole = True
    if turn % 5 == 1:
        told, whole = told + " ", False
    # The SDK judges the token; that the body is the one it names is for its user to check.
    good = verdict(verify_signature, token, SECRET) and whole
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    say(f"token {turn}", good, SECRET, headers=headers, body=told, settings={"api": "messages", "api_key": "abcd1234"})
