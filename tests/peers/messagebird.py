"""MessageBird's own RequestValidator judges signed tokens."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import hashlib

import jwt
from cases import CHANCE, NOW, ORIGIN, PATH, body, flipped, form, pairs, say, verdict, words
from messagebird.request_validator import RequestValidator

KEY = "mb-signing-key-0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
ask = RequestValidator(KEY)
digest = lambda text: hashlib.sha256(text.encode()).hexdigest()
for turn in range(80):
    is_get = turn % 3 == 0
    path = PATH + "?" + form(pairs(["id", "status", "recipient", "x"]))
    told = "" if is_get else body(id="i1", originator="1", body=words())
    claims = {"iss": "MessageBird", "nbf": NOW - 5, "exp": NOW + 60, "jti": str(turn), "url_hash": digest(ORIGIN + path)}
    if told:
        claims["payload_hash"] = digest(told)
    match turn % 8:
        case 1:
            claims["iss"] = "Other"
        case 2:
            claims["exp"] = NOW - 100
        case 3:
            claims["nbf"] = NOW + 100
        case 4:
            del claims["exp"]
        case 5:
            claims.pop("payload_hash", None)
        case 6:
            claims["url_hash"] = flipped(claims["url_hash"])
    token = jwt.encode(claims, KEY if turn % 7 else "x" * 64, CHANCE.choice(["HS256", "HS384", "HS512"]))
    if turn % 5 == 4:
        token = flipped(token)
    good = verdict(ask.validate_signature, token, ORIGIN + path, told.encode())
    headers = {"messagebird-signature-jwt": token, "content-type": "application/json"}
    say(f"token {turn}", good, KEY, path, "GET" if is_get else "POST", headers, told)
