#!/usr/bin/env python3
"""One abandoned cart from another language: refused, allowed, stopped, refused for good.

    consentry sandbox            # in another terminal; prints the address and the key
    pip install -r requirements.txt
    CONSENTRY_SERVER=127.0.0.1:50051 CONSENTRY_KEY=csk_... python3 journey.py

The stubs are made from the contract at start, so nothing generated is kept here.
"""
import os
import pathlib
import sys
import tempfile
import uuid

import grpc
from grpc_tools import protoc

HERE = pathlib.Path(__file__).resolve()
PROTO = HERE.parents[2] / "proto"


def stubs():
    out = tempfile.mkdtemp(prefix="consentry-stubs-")
    files = [str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto") if "ledger" not in p.parts]
    import grpc_tools

    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    common = pathlib.Path(__import__("google.rpc.status_pb2", fromlist=["x"]).__file__).parents[2]
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"-I{common}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(arguments + [f for f in files if not f.startswith("google/")]) != 0:
        sys.exit("the contract does not compile")
    sys.path.insert(0, out)


stubs()
from consentry.v1 import consent_pb2, consent_pb2_grpc, message_pb2, message_pb2_grpc, types_pb2  # noqa: E402


def main():
    channel = grpc.insecure_channel(os.environ.get("CONSENTRY_SERVER", "127.0.0.1:50051"))
    key = [("authorization", f"Bearer {os.environ['CONSENTRY_KEY']}")]
    messages = message_pb2_grpc.MessageServiceStub(channel)

    def send(phone):
        request = message_pb2.SendMessageRequest(
            brand="acme",
            program="cart-reminders",
            subject={"phone": phone},
            channel=types_pb2.CHANNEL_SMS,
            body="You left something behind.",
            idempotency_key=f"python-{uuid.uuid4()}",
        )
        answer = messages.SendMessage(request, metadata=key, timeout=10)
        codes = sorted({reason.code for reason in answer.verdict.reasons})
        print(phone[:5] + "…", answer.verdict.outcome, codes)
        return codes

    unknown, known = "+17735550128", "+12125550123"
    assert "CONSENT_MISSING" in send(unknown), "nobody is texted without consent"
    assert "OPTED_OUT" not in send(known), "the seeded phone has opted in"
    consent = consent_pb2_grpc.ConsentServiceStub(channel)
    stop = consent_pb2.RecordOptOutRequest(subject={"phone": known}, text="STOP", idempotency_key=str(uuid.uuid4()))
    consent.RecordOptOut(stop, metadata=key, timeout=10)
    assert "OPTED_OUT" in send(known), "STOP holds at once"
    print("ok")


if __name__ == "__main__":
    main()
