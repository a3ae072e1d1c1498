"""What all peers share: webhooks made by chance from a seed, printed one JSON object a line.

A line: name, settings, secret, method, path, headers, body, now (Unix seconds), good (the vendor's own verdict).
The public address of the gateway is https://gw.example.com.
"""

import json
import random
import sys
import time
from urllib.parse import urlencode

ORIGIN = "https://gw.example.com"
PATH = "/webhooks/main/token"
NOW = int(time.time())
CHANCE = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
WORDS = ["STOP", "stop ", "", "a&b=c", "é ñ", "привет", "🙂", "100%", "+1 (212)", "x\ny", "a+b", "'\"<>", "ARRÊT", "~", "%2B", "_"]


def words():
    return " ".join(CHANCE.choice(WORDS) for _ in range(CHANCE.randint(1, 4)))


def plain(text):
    """Without what is not ASCII."""
    return text.encode("ascii", "ignore").decode()


def pairs(names, of=words):
    """Parameters of a form, in an order made by chance."""
    chosen = [(name, of()) for name in names if CHANCE.random() < 0.9]
    CHANCE.shuffle(chosen)
    return chosen


def body(**fields):
    """A JSON body; not ASCII only, and with spaces where the vendor may put them."""
    separators = CHANCE.choice([(",", ":"), (", ", ": ")])
    return json.dumps(fields, ensure_ascii=CHANCE.random() < 0.5, separators=separators)


def form(parameters):
    return urlencode(parameters)


def say(name, good, secret, path=PATH, method="POST", headers=None, body="", settings=None, now=NOW):
    print(json.dumps({
        "name": name, "good": bool(good), "secret": secret, "path": path, "method": method,
        "headers": headers or {}, "body": body, "settings": settings or {}, "now": now,
    }))


def flipped(text):
    """The same with one character changed."""
    if not text:
        return "x"
    # In the first half: the last digit of Base64 has bits that mean nothing.
    at = CHANCE.randrange((len(text) + 1) // 2)
    other = "A" if text[at] != "A" else "B"
    return text[:at] + other + text[at + 1:]


def verdict(judge, *arguments, **named):
    """What an SDK says: false, or an exception, is no."""
    try:
        return judge(*arguments, **named) is not False
    except Exception:
        return False
