"""Plivo's own SDK signs and judges both generations."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import base64
import hashlib
import hmac
from urllib.parse import urlencode

from cases import CHANCE, ORIGIN, PATH, flipped, form, pairs, plain, say, verdict, words
from plivo.utils import validate_signature
from plivo.utils.signature_v3 import (
    construct_get_url,
    construct_post_url,
    get_signature_v3,
    validate_v3_signature,
)

TOKEN = "MzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy"
NAMES = ["MessageUUID", "From", "To", "Text", "Type", "Units"]

for turn in range(80):
    is_get = turn % 3 == 0
    # The SDK stumbles over a query that is not ASCII; bodies may say what they like.
    told = dict(pairs(NAMES, lambda: plain(words()) if is_get else words()))
    query = CHANCE.choice([{}, {"ref": "07070707070707070707070707070707"}, {"x": plain(words()), "a": "1"}])
    path = PATH + ("?" + urlencode(query) if query else "")
    nonce = str(CHANCE.randrange(10**20))
    if is_get:
        path = PATH + "?" + urlencode(query | told)
        told, base = {}, construct_get_url(ORIGIN + path, {})
    else:
        base = construct_post_url(ORIGIN + path, dict(told))
    given = get_signature_v3(TOKEN.encode(), base, nonce).decode()
    match turn % 4:
        case 1:
            given = flipped(given)
        case 2 if told:
            name = sorted(told)[0]
            told[name] = flipped(told[name])
        case 3:
            given = f"AAAA,{given}"
    method = "GET" if is_get else "POST"
    good = verdict(validate_v3_signature, method, ORIGIN + path, nonce, TOKEN, given, dict(told))
    headers = {"x-plivo-signature-v3": given, "x-plivo-signature-v3-nonce": nonce}
    say(f"v3 {turn}", good, TOKEN, path, method, headers, "" if is_get else form(told))

for turn in range(20):
    nonce = str(CHANCE.randrange(10**20))
    signed = hmac.new(TOKEN.encode(), (ORIGIN + PATH + nonce).encode(), hashlib.sha256).digest()
    given = base64.b64encode(signed).decode()
    given = flipped(given) if turn % 2 else given
    good = verdict(validate_signature, ORIGIN + PATH + "?a=1", nonce, given, TOKEN)
    headers = {"x-plivo-signature-v2": given, "x-plivo-signature-v2-nonce": nonce}
    say(f"v2 {turn}", good, TOKEN, PATH + "?a=1", headers=headers, body=form(pairs(NAMES)), settings={"signature": "v2"})
