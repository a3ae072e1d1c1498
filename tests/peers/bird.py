"""The standardwebhooks library, which Bird's SDK verifies with, signs and judges."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import base64
from datetime import datetime, timezone

from cases import CHANCE, NOW, body, flipped, say, verdict, words
from standardwebhooks import Webhook

for turn in range(60):
    key = base64.b64encode(bytes(CHANCE.randrange(256) for _ in range(24))).decode()
    secret = f"whsec_{key}"
    ask = Webhook(secret)
    told = body(type="sms.received", data={"text": words()})
    # Well inside and well outside of five minutes: the clock runs while this test does.
    stamp = NOW - CHANCE.choice([0, 0, 0, 200, 2_000, -200, -2_000])
    name = f"msg_{turn}"
    given = ask.sign(name, datetime.fromtimestamp(stamp, tz=timezone.utc), told)
    match turn % 5:
        case 1:
            told += " "
        case 2:
            given = flipped(given)
        case 3:
            given = f"v1,AAAA v2,x {given}"
        case 4 if turn % 2:
            name += "x"
    headers = {"webhook-id": name, "webhook-timestamp": str(stamp), "webhook-signature": given}
    say(f"event {turn}", verdict(ask.verify, told, headers), secret, headers=headers, body=told)
