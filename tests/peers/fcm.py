"""Google's two sides: a token service whose assertions google-auth and PyJWT judge, and messages:send, which takes what its
reference lists and nothing else. Prints where it listens, then one verdict a request; ends when its input ends."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import google.auth.jwt
import jwt
from cryptography.hazmat.primitives import serialization

given = json.loads(sys.stdin.readline())
account = json.loads(given["service_account"])
KEY = serialization.load_pem_private_key(account["private_key"].encode(), None).public_key()
PEM = KEY.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
KNOWN = {
    "": {"token", "notification", "data", "android", "apns", "webpush"},
    "notification": {"title", "body", "image"},
    "android": {"collapse_key", "priority", "ttl", "notification", "restricted_package_name", "data"},
    "android.notification": {"tag", "channel_id", "title", "body", "image"},
    "apns": {"headers", "payload", "fcm_options"},
    "apns.payload": {"aps"},
    "apns.payload.aps": {"alert", "mutable-content"},
    "apns.fcm_options": {"image"},
    "webpush": {"headers", "data", "notification", "fcm_options"},
    "webpush.notification": {"title", "body", "image", "tag", "actions"},
    "webpush.fcm_options": {"link"},
}


def say(**what):
    print(json.dumps(what), flush=True)


def judge_assertion(form, url):
    faults = []
    if form.get("grant_type") != [GRANT]:
        faults.append("grant_type")
    assertion = form["assertion"][0]
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, KEY, algorithms=["RS256"], audience=url)
        by_google = google.auth.jwt.decode(assertion, certs={account["private_key_id"]: PEM}, audience=url)
        if by_google != claims:
            faults.append("google-auth reads other claims")
        if header.get("kid") != account["private_key_id"]:
            faults.append("kid")
        if claims["iss"] != account["client_email"] or claims["scope"] != SCOPE:
            faults.append("iss or scope")
        if not 0 < claims["exp"] - claims["iat"] <= 3600:
            faults.append("exp")
    except Exception as error:
        faults.append(repr(error))
    return faults


def judge_message(message):
    faults = []
    for path, names in KNOWN.items():
        at = message
        for step in filter(None, path.split(".")):
            at = at.get(step, {})
        faults += [f"{path}.{name}" for name in at if name not in names]
    for name, value in message.get("data", {}).items():
        if not isinstance(value, str) or name == "from" or name.startswith(("google", "gcm")):
            faults.append(f"data.{name}")
    for part in ("apns", "webpush"):
        faults += [f"{part}.headers.{n}" for n, v in message[part].get("headers", {}).items() if not isinstance(v, str)]
    ttl = message["android"]["ttl"]
    if not (ttl.endswith("s") and ttl[:-1].isdigit() and int(ttl[:-1]) <= 2419200):
        faults.append("android.ttl")
    if message["android"]["priority"] not in ("NORMAL", "HIGH"):
        faults.append("android.priority")
    # In the background Android shows a notification itself, without the buttons.
    data = message.get("data", {})
    if "actions" in data and ("notification" in message or "notification" in message["android"] or not data.get("title")):
        faults.append("buttons that Android never shows")
    if not message["webpush"].get("fcm_options", {}).get("link", "https://").startswith("https://"):
        faults.append("webpush.fcm_options.link")
    if len(json.dumps(message).encode()) > 4096:
        faults.append("too large")
    return faults


class Google(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tokens = 0

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/token":
            faults = judge_assertion(parse_qs(body.decode()), f"http://127.0.0.1:{server.server_port}/token")
            say(path=self.path, faults=faults)
            if faults:
                return self.answer(400, {"error": "invalid_grant"})
            Google.tokens += 1
            return self.answer(200, {"access_token": f"ya29.{Google.tokens}", "expires_in": 3599, "token_type": "Bearer"})
        faults = [] if self.path == f"/v1/projects/{account['project_id']}/messages:send" else ["path"]
        if self.headers["authorization"] != f"Bearer ya29.{Google.tokens}":
            faults.append("authorization")
        message = json.loads(body)["message"]
        faults += judge_message(message)
        say(path=self.path, faults=faults, message=message)
        if message["token"] == "gone":
            return self.answer(404, {"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND", "details": [
                {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"}]}})
        self.answer(200, {"name": f"projects/{account['project_id']}/messages/0:1"})


server = ThreadingHTTPServer(("127.0.0.1", 0), Google)
threading.Thread(target=server.serve_forever, daemon=True).start()
say(port=server.server_port)
sys.stdin.read()
os._exit(0)
