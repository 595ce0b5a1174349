"""Secrets of a run, and whether anything of the service holds one: what it answered to who did something wrong, what it printed, what
its metrics say, and every byte that it and its PostgreSQL keep, the write-ahead log included.

Secrets are what was taken: passwords that were chosen or told, and tokens that were given or used; and what is told in vain on purpose.
What PostgreSQL compresses, which are values of more than 2 kB, is not read.
"""

import email
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import requests

# What holds a secret in a request, and in an answer.
SENT = ("password", "current", "refreshToken", "token")
GIVEN = ("accessToken", "refreshToken", "token")
# A shorter one may be part of anything.
SHORTEST = 12
# The demo's, which everybody knows: the service says it when it starts.
PUBLIC = {"bailiwick-demo"}
WORD = re.compile(rb"[A-Za-z0-9_-]{32,}")
TOKEN = re.compile(r"bwm_[A-Za-z0-9_-]{43}")
# A file is read in parts of so many bytes, each with the end of the one before.
PART, OVERLAP = 1 << 24, 1 << 12


class Unspoken:
    """Notes the secrets of every exchange of this process, and refusals that repeat one."""

    def __init__(self):
        self.secrets: set[str] = set()
        self.repeated: list[str] = []
        send = requests.Session.send

        def noting(session, request, **more):
            response = send(session, request, **more)
            self._note(request, response)
            return response

        requests.Session.send = noting

    def _note(self, request, response) -> None:
        bearer = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        sent = {bearer, *_secrets(request.body, SENT)}
        if response.ok:
            given = sent.union(_secrets(response.content, GIVEN))
            self.secrets |= {secret for secret in given if len(secret) >= SHORTEST} - PUBLIC
            return
        for secret in sent & self.secrets:
            if secret in response.text:
                self.repeated.append(f"{request.method} {request.path_url} is refused with a secret in the answer: {response.text}")

    def told(self) -> dict:
        return {"secrets": sorted(self.secrets), "repeated": self.repeated}


def _secrets(body: bytes | str | None, names: Iterable[str]) -> Iterator[str]:
    try:
        value = json.loads(body or b"null")
    except (TypeError, ValueError):
        return
    if isinstance(value, dict):
        yield from (value[name] for name in names if isinstance(value.get(name), str))


def mailed(folder: Path) -> set[str]:
    """Tokens that people were mailed, and nobody used."""
    found = set()
    for file in folder.glob("*.eml"):
        parts = email.message_from_bytes(file.read_bytes()).walk()
        texts = (part.get_payload(decode=True) or b"" for part in parts if part.get_content_type() == "text/plain")
        found.update(token for text in texts for token in TOKEN.findall(text.decode()))
    return found


def finds() -> bool:
    """Whether what is hidden is found, wherever it stands: else nothing found would mean nothing."""
    hidden = ["plum-Kettle-94-orbit", "bwr_" + "aB3_" * 20, "eyJh." + "cD4-" * 20 + "." + "eF5x" * 20]
    with tempfile.TemporaryDirectory() as folder:
        for at in (0, PART - 30):
            for secret in hidden:
                place = Path(folder) / "haystack"
                place.write_bytes(b"." * at + b"W" + secret.encode() + b"\0" * 100)
                if not spoken([secret], [place]):
                    return False
    return True


def spoken(secrets: Iterable[str], places: Iterable[Path]) -> list[str]:
    """Which files hold a secret, or what makes a token one."""
    wanted = {needle.encode() for secret in secrets for needle in _needles(secret)}
    # Words of the alphabet of tokens are looked up; there are thousands of them.
    words = {needle for needle in wanted if WORD.fullmatch(needle)}
    lengths = sorted({len(word) for word in words})
    phrases = wanted - words
    found = []
    for place in places:
        for part in _parts(place):
            held = {phrase for phrase in phrases if phrase in part}
            for word in WORD.findall(part):
                held |= {word[at : at + n] for n in lengths for at in range(len(word) - n + 1)} & words
            found += [f"{place} holds {needle.decode()}" for needle in held]
    return sorted(set(found))


def _needles(secret: str) -> list[str]:
    """All of it; of a signed token what it says and its signature, since its beginning is that of all."""
    parts = secret.split(".")
    return parts[1:] if len(parts) == 3 and secret.startswith("ey") else [secret]


def _parts(place: Path) -> Iterator[bytes]:
    before = b""
    with place.open("rb") as file:
        while part := file.read(PART):
            yield before + part
            before = part[-OVERLAP:]
