"""What docs/clients.md shows for verifying tokens, with tokens of the real service and with those that must be refused.

The forged ones are signed with a key of our own, which a key set beside the service's publishes: what is wrong with each is the
one thing that it is named for. Where no keys can be fetched, no token is refused as a wrong one.
"""

import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from verify import AccessTokens, KeysUnavailable

BASE, ISSUER = os.environ["BASE"], os.environ["ISSUER"]
OURS, OTHERS = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEY = {**json.loads(OKPAlgorithm.to_jwk(OURS.public_key())), "kid": "ours", "use": "sig", "alg": "EdDSA"}


# Connections to the one are refused, those to the other never answered.
CLOSED, SILENT = socket.socket(), socket.socket()


def published(status: int, text: str) -> str:
    """Where this is answered to whoever asks for keys."""

    class KeySet(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), KeySet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def unavailable() -> dict[str, str]:
    for held in (CLOSED, SILENT):
        held.bind(("127.0.0.1", 0))
    SILENT.listen()
    return {
        "nobody listens": f"http://127.0.0.1:{CLOSED.getsockname()[1]}",
        "nobody answers": f"http://127.0.0.1:{SILENT.getsockname()[1]}",
        "it fails": published(503, "{}"),
        "it is not there": published(404, json.dumps({"keys": [KEY]})),
        "no JSON": published(200, "<html>"),
        "no keys": published(200, "{}"),
    }


def token(key: Any = OURS, algorithm: str = "EdDSA", typ: str | None = "at+jwt", **claims: Any) -> str:
    now = int(time.time())
    payload = {"iss": ISSUER, "aud": "bailiwick", "sub": "somebody", "iat": now, "exp": now + 600, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers={"kid": "ours", "typ": typ})


def forged() -> dict[str, str]:
    good = token()
    header, payload, signature = good.split(".")
    return {
        "another issuer": token(iss="https://id.example.org"),
        "no issuer": token(iss=None),
        "another audience": token(aud="another"),
        "no audience": token(aud=None),
        "another kind": token(typ="JWT"),
        "no kind": token(typ=None),
        "expired": token(exp=int(time.time()) - 600),
        "good for ever": token(exp=None),
        "of nobody": token(sub=None),
        "another key": token(OTHERS),
        "the public key as a secret": token(KEY["x"].encode(), "HS256"),
        "not signed": token(None, "none"),
        "another payload": ".".join([header, token(sub="root").split(".")[1], signature]),
        "no signature": f"{header}.{payload}.",
        "no token": "x",
    }


def signed_in() -> tuple[str, str]:
    credentials = {"username": "alice", "password": "bailiwick-demo"}
    access = httpx.post(f"{BASE}/api/auth/login", json=credentials).json()["accessToken"]
    me = httpx.get(f"{BASE}/api/auth/me", headers={"Authorization": f"Bearer {access}"}).json()
    return access, me["id"]


def check() -> None:
    access, alice = signed_in()
    assert AccessTokens(BASE, ISSUER).user(access) == alice
    base = published(200, json.dumps({"keys": [KEY]}))
    tokens = AccessTokens(base, ISSUER)
    assert tokens.user(token()) == "somebody", "the forged ones are refused for what they are named for"
    for what, refused in forged().items():
        try:
            tokens.user(refused)
        except jwt.PyJWTError:
            continue
        raise AssertionError(f"it was taken: {what}")
    without_keys = unavailable()
    for what, away in without_keys.items():
        try:
            AccessTokens(away, ISSUER).user(token())
        except KeysUnavailable:
            continue
        raise AssertionError(f"it was taken: {what}")
    if len(sys.argv) > 1:
        # For the other language: the same tokens, and where their keys are published for as long as that takes.
        made = {"base": base, "good": token(), "forged": forged(), "unavailable": without_keys}
        print(json.dumps({**made, "access": access, "alice": alice}), flush=True)
        sys.stdin.read()


check()
