"""The browser's side: http_ece opens what we sealed, py-vapid and PyJWT judge the token. One JSON object a line in and out."""

import base64
import json
import sys

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02


def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


for line in sys.stdin:
    asked = json.loads(line)
    headers, body = asked["headers"], raw(asked["body"])
    private = ec.derive_private_key(int.from_bytes(raw(asked["ua_private"]), "big"), ec.SECP256R1())
    said = {"length": len(body)}
    try:
        said["plain"] = http_ece.decrypt(
            body, private_key=private, auth_secret=raw(asked["ua_auth"]), version="aes128gcm").decode()
    except Exception as error:
        said["plain_error"] = repr(error)
    authorization = headers["authorization"]
    try:
        said["signed"] = bool(Vapid02.verify(authorization))
    except Exception as error:
        said["signed"] = False
        said["signed_error"] = repr(error)
    token = authorization.split("t=", 1)[1].split(",", 1)[0]
    point = raw(authorization.split("k=", 1)[1])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    try:
        said["claims"] = jwt.decode(token, key, algorithms=["ES256"], audience=asked["origin"])
    except Exception as error:
        said["claims_error"] = repr(error)
    print(json.dumps(said))
