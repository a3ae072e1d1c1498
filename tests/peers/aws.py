"""botocore signs the same requests with SigV4: reads one JSON request a line, answers its Authorization."""

import sys
from pathlib import Path

# Behind the packages, because this file has the name of the one it asks for; run with `python -P`.
sys.path.append(str(Path(__file__).parent))

import datetime
import json

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

for line in sys.stdin:
    asked = json.loads(line)
    at = datetime.datetime.strptime(asked["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ")

    # The signer asks for the time by one of these names, by its version.
    botocore.auth.get_current_datetime = lambda *_, **__: at
    fixed = type("Fixed", (datetime.datetime,), {"utcnow": classmethod(lambda _: at), "now": classmethod(lambda *_: at)})
    botocore.auth.datetime = type("Module", (), {"datetime": fixed, "timezone": datetime.timezone})
    kept = {name: value for name, value in asked["headers"].items() if name in ("content-type", "x-amz-target")}
    request = AWSRequest("POST", asked["url"], headers=kept, data=asked["body"].encode())
    keys = Credentials(asked["key_id"], asked["secret"], asked["headers"].get("x-amz-security-token"))
    botocore.auth.SigV4Auth(keys, "sms-voice", asked["region"]).add_auth(request)
    print(request.headers["Authorization"])
