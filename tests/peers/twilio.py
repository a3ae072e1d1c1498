"""Twilio's own RequestValidator signs and judges forms and JSON bodies."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import hashlib
from urllib.parse import urlencode

from cases import CHANCE, ORIGIN, PATH, flipped, form, pairs, say, words
from twilio.request_validator import RequestValidator

TOKEN = "0123456789abcdef0123456789abcdef"
NAMES = ["MessageSid", "From", "To", "Body", "NumMedia", "FromCity", "a", "B", "ApiVersion"]
TYPE = {"content-type": "application/x-www-form-urlencoded"}


class Parameters(dict):
    """Names with all their values, as web frameworks hand them to the validator."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.pairs = pairs

    def getlist(self, name):
        return [value for other, value in self.pairs if other == name]


ask = RequestValidator(TOKEN)
for turn in range(60):
    path = PATH + CHANCE.choice(["", "?ref=07070707070707070707070707070707", "?" + urlencode({"x": words()})])
    told = pairs(NAMES)
    if told and CHANCE.random() < 0.3:
        told.append((told[0][0], words()))
    port = ":443" if CHANCE.random() < 0.3 else ""
    given, where = ask.compute_signature(ORIGIN + port + path, Parameters(told)), path
    match turn % 4:
        case 1 if told:
            told[0] = (told[0][0], flipped(told[0][1]))
        case 2:
            given = flipped(given)
        case 3:
            where = path + ("&" if "?" in path else "?") + "z=1"
    good = ask.validate(ORIGIN + where, Parameters(told), given)
    say(f"form {turn}", good, TOKEN, where, headers={**TYPE, "x-twilio-signature": given}, body=form(told))

for turn in range(20):
    body = '{"a": "%s"}' % words().replace('"', "'").replace("\n", " ")
    path = f"{PATH}?bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    signature = ask.compute_signature(ORIGIN + path, {})
    told = flipped(body) if turn % 2 else body
    good = ask.validate(ORIGIN + path, told, signature)
    headers = {"content-type": "application/json", "x-twilio-signature": signature}
    say(f"json {turn}", good, TOKEN, path, headers=headers, body=told)

for turn in range(20):
    told = pairs(NAMES)
    signature = ask.compute_signature(ORIGIN + PATH, Parameters(told), "HMAC_SHA256")
    given = flipped(signature) if turn % 2 else signature
    good = ask.validate(ORIGIN + PATH, Parameters(told), given, "HMAC_SHA256")
    headers = {
        **TYPE,
        "x-twilio-signature": given,
        "x-twilio-webhooks-signature-settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
    }
    settings = {"webhook_key_ids": "webhooks_sharedkey_1"}
    say(f"shared key {turn}", good, TOKEN, headers=headers, body=form(told), settings=settings)
