"""The standardwebhooks library judges what we signed: one JSON object a line in (secret, headers, body), a verdict out."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    case = json.loads(line)
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
        print("good")
    except WebhookVerificationError:
        print("bad")
