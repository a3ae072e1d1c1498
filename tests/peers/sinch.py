"""Sinch's own SDK judges what is signed here."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import base64
import hashlib
import hmac

from cases import CHANCE, NOW, body, flipped, say, verdict, words
from sinch.domains.authentication.sinch_events.v1.authentication_validation import (
    validate_sinch_event_signature_with_nonce,
)

SECRET = "foo_secret1234"
for turn in range(60):
    told = body(type="mo_text", id="i1", body=words())
    nonce, stamp = str(CHANCE.randrange(10**20)), str(NOW)
    signed = hmac.new(SECRET.encode(), f"{told}.{nonce}.{stamp}".encode(), hashlib.sha256).digest()
    given = base64.b64encode(signed).decode()
    match turn % 4:
        case 1:
            given = flipped(given)
        case 2:
            told += " "
        case 3 if turn % 3 == 0:
            nonce = flipped(nonce)
    headers = {
        "x-sinch-webhook-signature": given,
        "x-sinch-webhook-signature-nonce": nonce,
        "x-sinch-webhook-signature-timestamp": stamp,
        "x-sinch-webhook-signature-algorithm": "HmacSHA256",
    }
    good = verdict(validate_sinch_event_signature_with_nonce, SECRET, headers, told)
    say(f"event {turn}", good, SECRET, headers=headers, body=told)
