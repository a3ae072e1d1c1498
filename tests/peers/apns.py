"""A push service that speaks HTTP/2 over TLS and nothing else (hyper-h2), judges every header by Apple's documentation and
every provider token by PyJWT, and answers as Apple does. Prints where it listens, then one verdict a request; ends when its
input ends."""

import datetime
import ipaddress
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

given = json.loads(sys.stdin.readline())
PUBLIC = serialization.load_pem_private_key(given["private_key"].encode(), None).public_key()
DEAD_AT = int(time.time() * 1000)


def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "apns peer")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256()))
    pem = cert.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, private


def judge(headers, body):
    """What Apple would complain of, and its answer."""
    faults = []
    expect = lambda name, fine: faults.append(name) if not fine(headers.get(name, "")) else None
    expect(":method", lambda v: v == "POST")
    expect("apns-topic", lambda v: v == given["topic"])
    expect("apns-push-type", lambda v: v == "alert")
    expect("apns-priority", lambda v: v in ("5", "10"))
    expect("apns-collapse-id", lambda v: 0 < len(v.encode()) <= 64)
    expect("apns-expiration", lambda v: v.isdigit() and time.time() < int(v) < time.time() + 3 * 3600)
    expect("apns-id", lambda v: len(v) == 36 and v.count("-") == 4)
    authorization = headers.get("authorization", "")
    if not authorization.startswith("bearer "):
        return faults + ["authorization"], 403, "MissingProviderToken"
    token = authorization.removeprefix("bearer ")
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, PUBLIC, algorithms=["ES256"], options={"require": ["iss", "iat"]})
        age = time.time() - claims["iat"]
        if header.get("kid") != given["key_id"] or claims["iss"] != given["team_id"]:
            faults.append("kid or iss")
        if not -5 <= age < 3600:
            return faults + ["iat"], 403, "ExpiredProviderToken"
    except jwt.PyJWTError as error:
        return faults + [repr(error)], 403, "InvalidProviderToken"
    payload = json.loads(body)
    if len(body) > 4096 or not payload["aps"]["alert"]["title"]:
        faults.append("payload")
    device = headers[":path"].removeprefix("/3/device/")
    if device.startswith("dead"):
        return faults, 410, "Unregistered"
    if device.startswith("bad"):
        return faults, 400, "BadDeviceToken"
    return faults, 200, None


def say(**what):
    print(json.dumps(what), flush=True)


def talk(stream):
    connection = H2Connection(config=H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    stream.sendall(connection.data_to_send())
    requests = {}
    while data := stream.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, RequestReceived):
                names = [name for name, _ in event.headers]
                requests[event.stream_id] = [dict(event.headers), b"", len(names) != len(set(names))]
            elif isinstance(event, DataReceived):
                requests[event.stream_id][1] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                headers, body, twice = requests.pop(event.stream_id)
                faults, status, reason = judge(headers, body)
                say(faults=faults + (["DuplicateHeaders"] if twice else []), status=status,
                    token=headers.get("authorization"), collapse=headers.get("apns-collapse-id"),
                    connection=id(connection))
                answer = b""
                if reason:
                    told = {"reason": reason}
                    if status == 410:
                        told["timestamp"] = DEAD_AT
                    answer = json.dumps(told).encode()
                connection.send_headers(
                    event.stream_id, [(":status", str(status)), ("apns-id", headers.get("apns-id", "x"))])
                connection.send_data(event.stream_id, answer, end_stream=True)
        stream.sendall(connection.data_to_send())


pem, private = certificate()
with tempfile.NamedTemporaryFile() as file:
    file.write(private + pem)
    file.flush()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file.name)
context.set_alpn_protocols(["h2"])
listener = socket.create_server(("127.0.0.1", 0))


def accept():
    while True:
        plain, _ = listener.accept()
        try:
            stream = context.wrap_socket(plain, server_side=True)
            if stream.selected_alpn_protocol() != "h2":
                say(faults=["no h2"], status=0)
                continue
            threading.Thread(target=talk, args=(stream,), daemon=True).start()
        except (OSError, ssl.SSLError) as error:
            say(faults=[repr(error)], status=0)


threading.Thread(target=accept, daemon=True).start()
say(port=listener.getsockname()[1], certificate=pem.decode())
sys.stdin.read()
os._exit(0)
