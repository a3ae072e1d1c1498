"""Telnyx's own SDK judges what PyNaCl signs."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import base64

from cases import CHANCE, NOW, body, flipped, say, verdict, words
from nacl.signing import SigningKey
from telnyx import Telnyx

ask = Telnyx(api_key="none").webhooks
for turn in range(60):
    key = SigningKey(bytes(CHANCE.randrange(256) for _ in range(32)))
    public = base64.b64encode(bytes(key.verify_key)).decode()
    # Well inside and well outside of five minutes: the clock runs while this test does.
    stamp = str(NOW - CHANCE.choice([0, 0, 0, 200, 2_000, -200, -2_000]))
    told = body(data={"event_type": "message.received", "payload": {"text": words()}})
    given = base64.b64encode(key.sign(f"{stamp}|{told}".encode()).signature).decode()
    match turn % 4:
        case 1:
            told = told.replace("message", "messagf", 1)
        case 2:
            given = flipped(given)
        case 3 if turn % 3 == 0:
            stamp = str(int(stamp) + 1)
    headers = {"telnyx-signature-ed25519": given, "telnyx-timestamp": stamp}
    say(f"event {turn}", verdict(ask.unwrap, told, headers=headers, key=public), public, headers=headers, body=told)
