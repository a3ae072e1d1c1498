#!/usr/bin/env python3
"""One abandoned cart from another language: opt in, send, click, STOP, refused, export.

    consentry sandbox            # a fresh one, in another terminal; prints the key
    pip install -r requirements.txt
    CONSENTRY_KEY=csk_... python3 journey.py [audit.tar]

The stubs are made from the contract in proto/ at start, so nothing generated is kept here.
The virtual phone is the sandbox's: the lines that type on it stand for a person and their carrier.
"""
import http.client
import json
import os
import sys
import tempfile
import time
import urllib.parse
import uuid
from pathlib import Path

import grpc
import grpc_tools
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"
SERVER = os.environ.get("CONSENTRY_SERVER", "127.0.0.1:50051").removeprefix("http://")
HTTP = os.environ.get("CONSENTRY_HTTP", "127.0.0.1:8080").removeprefix("http://")
SAM = "+17735550128"  # nobody ever asked him


def make_stubs(out):
    """Compiles consentry/v1; what it imports from google comes with googleapis-common-protos."""
    files = [str(file.relative_to(PROTO)) for file in PROTO.glob("consentry/v1/*.proto")]
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    paths = [f"-I{PROTO}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(["protoc", *paths, *files]) != 0:
        sys.exit("the contract does not compile")
    sys.path.insert(0, out)


stubs = tempfile.TemporaryDirectory(prefix="consentry-stubs-")
make_stubs(stubs.name)
from consentry.v1 import audit_pb2, audit_pb2_grpc, consent_pb2, consent_pb2_grpc  # noqa: E402
from consentry.v1 import evidence_pb2, link_pb2, link_pb2_grpc, message_pb2, message_pb2_grpc  # noqa: E402
from consentry.v1 import message_types_pb2, types_pb2  # noqa: E402

channel = grpc.insecure_channel(SERVER)
auth = {"metadata": [("authorization", f"Bearer {os.environ['CONSENTRY_KEY']}")], "timeout": 20}
consents = consent_pb2_grpc.ConsentServiceStub(channel)
messages = message_pb2_grpc.MessageServiceStub(channel)
links = link_pb2_grpc.LinkServiceStub(channel)
audit = audit_pb2_grpc.AuditServiceStub(channel)


def request(method, path, body=None, host=None):
    """One HTTP exchange with the sandbox; redirects are left alone."""
    connection = http.client.HTTPConnection(HTTP, timeout=20)
    headers = {"Content-Type": "application/json", "Accept": "text/html", "User-Agent": "Mozilla/5.0 (iPhone) Safari/604.1"}
    headers |= {"Host": host} if host else {}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer, answer.read()


def sandbox():
    return json.loads(request("GET", "/sandbox/state")[1])


def last_text():
    [phone] = [phone for phone in sandbox()["phones"] if phone["number"] == SAM]
    return phone["thread"][-1]["text"] if phone["thread"] else ""


def types_on_phone(text):
    request("POST", f"/sandbox/phones/{SAM}/texts", {"text": text})


def eventually(what, look):
    """Looks until there is an answer: texts travel, and answers to them come back, as they do in life."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    sys.exit(f"not seen in time: {what}")


def may_be_texted():
    """Whether consent stands, and why not."""
    ask = consent_pb2.CheckConsentsRequest(
        brand="acme", program="cart-reminders", channel="CHANNEL_SMS", subjects=[{"phone": SAM}])
    [check] = consents.CheckConsents(ask, **auth).checks
    return check.allowed, {reason.code for reason in check.reasons}


def send(cart):
    port = HTTP.rsplit(":")[-1]
    answer = messages.SendMessage(message_types_pb2.SendMessageRequest(
        brand="acme", program="cart-reminders", subject={"phone": SAM}, channel="CHANNEL_SMS",
        cart={"id": cart, "checkout_url": f"http://localhost:{port}/shop/checkout?cart={cart}"},
        body="Your cart waits: {{link}}", idempotency_key=f"python-{cart}"), **auth)
    outcome = types_pb2.Verdict.Outcome.Name(answer.verdict.outcome).removeprefix("OUTCOME_")
    codes = {reason.code for reason in answer.verdict.reasons}
    print(f"send    {outcome:<7} {' '.join(sorted(codes))}")
    return answer.message, outcome, codes


def main(bundle):
    request("POST", "/sandbox/clock", {"zone": "America/Chicago", "time": "12:30"})
    run = uuid.uuid4().hex[:8]
    _, outcome, codes = send(f"{run}-1")
    assert outcome == "REFUSE" and "CONSENT_MISSING" in codes, "nobody is texted without consent"

    now = sandbox()["now"]
    evidence = evidence_pb2.ConsentEvidence(
        disclosure={"id": "checkout-v1"}, method="CONSENT_METHOD_CHECKOUT_CHECKBOX", act="CONSENT_ACT_TICKED",
        control_default="CONTROL_DEFAULT_UNCHECKED", source_url="https://acme.example/checkout", locale="en-US")
    evidence.captured_at.FromJsonString(now)
    consents.RecordOptIn(consent_pb2.RecordOptInRequest(
        brand="acme", programs=["cart-reminders"], subject={"phone": SAM}, channels=["CHANNEL_SMS"],
        evidence=evidence, idempotency_key=f"python-opt-in-{run}"), **auth)
    print("opt-in  recorded:", *may_be_texted()[1])
    eventually("the request to confirm arrives", lambda: "YES" in last_text())
    types_on_phone("YES")
    eventually("YES is heard", lambda: may_be_texted()[0])
    print("opt-in  confirmed by YES")

    message, outcome, codes = send(f"{run}-2")
    assert outcome == "ADMIT", codes
    eventually("the text is delivered", lambda: messages.GetMessage(
        message_pb2.GetMessageRequest(id=message.id), **auth).state == message_types_pb2.MESSAGE_STATE_DELIVERED)

    link = urllib.parse.urlsplit(message.link)
    answer, _ = request("GET", link.path, host=link.netloc)
    assert answer.status == 302, answer.status
    clicked = link_pb2.GetLinkRequest(code=link.path.strip("/"))
    eventually("the click is counted", lambda: links.GetLink(clicked, **auth).human_clicks == 1)
    print("click   302 to", answer.headers["Location"])

    types_on_phone("STOP")
    eventually("STOP is heard", lambda: "OPTED_OUT" in may_be_texted()[1])
    print("STOP    heard")
    _, outcome, codes = send(f"{run}-3")
    assert outcome == "REFUSE" and "OPTED_OUT" in codes, "STOP holds at once"

    export = audit.ExportAudit(audit_pb2.ExportAuditRequest(
        brand="acme", subject={"phone": SAM}, format="EXPORT_FORMAT_BUNDLE"), **auth)
    with open(bundle, "wb") as file:
        for part in export:
            file.write(part.chunk)
    print(f"export  {bundle}, {os.path.getsize(bundle)} bytes; check it with: consentry verify")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "audit.tar")
