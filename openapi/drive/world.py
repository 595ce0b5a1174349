"""What the calls are about: a mandate with people, groups, roles, instances and rows, and new ones wherever a call uses them up.

Everything is made over REST, by two people who are never called against: the demo's SysAdmin, and the keeper, who is an admin of
the mandate and of its instances.
"""

import base64
import itertools
import math
import os
import random
import re
import time
from json import loads
from pathlib import Path

import requests

PASSWORD = "quiet-Harbour-58-lantern"
SYS_ADMIN, ADMIN, MEMBER, OUTSIDER = ROLES = ("sysadmin", "admin", "member", "outsider")
# Who prepares things: the demo's SysAdmin, and an admin of the mandate and of its instances.
STEWARD, KEEPER, DRIVER = "sysadmin", "keeper", "driver"
# In seconds.
REFRESHED_AFTER = 300
MAILED_WITHIN = 30
# How many calls send the same token: the first that is right uses it up.
CALLS_OF_A_TOKEN = 8
# Where the service puts its mail, and what a token looks like there.
MAIL = Path(os.environ.get("DRIVE_MAIL", ""))
TOKEN = re.compile(r"^bwm_[A-Za-z0-9_-]{43}$", re.MULTILINE)
# Of each operation, by everybody.
LEAST_CALLS = 50
FEATURES = ("playbooks", "bookings", "trustee")
# What the mandate admin and the member hold in the instances.
HELD = {
    ADMIN: {"playbooks": ["playbooks-admin"], "bookings": ["bookings-admin"], "trustee": ["trustee-admin"]},
    MEMBER: {
        "playbooks": ["playbooks-editor"],
        "bookings": ["bookings-requester", "bookings-decider"],
        "trustee": ["trustee-viewer"],
    },
}


class Refused(RuntimeError):
    """Whoever called was not entitled to it."""


def session_of(token: str) -> str:
    """The session that an access token is of."""
    claims = token.split(".")[1]
    return loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sid"]


class Client:
    """Somebody's calls. A refusal is an error."""

    def __init__(self, base: str):
        self.base, self.session = base, requests.Session()

    def sign_in(self, username: str) -> str:
        password = "bailiwick-demo" if username == STEWARD else PASSWORD
        return self.call("POST", "/api/auth/login", None, json={"username": username, "password": password})["accessToken"]

    def call(self, method: str, path: str, token: str | None, mandate: str | None = None, instance: str | None = None, json=None):
        named = {"Authorization": token and f"Bearer {token}", "X-Mandate-Id": mandate, "X-Instance-Id": instance}
        headers = {name: value for name, value in named.items() if value}
        if method in ("PUT", "PATCH", "DELETE"):
            headers["If-Match"] = "*"
        response = self.session.request(method, self.base + path, headers=headers, json=json, timeout=60)
        if not response.ok:
            raise Refused(f"{method} {path} is refused: {response.status_code} {response.text}")
        return response.json() if response.content else None


class World:
    def __init__(self, base: str, role: str, seed: int):
        self.client, self.role = Client(base), role
        self.chance = random.Random(seed)
        self.usernames: dict[str, str] = {}
        self.numbers = itertools.count(1)
        self.tokens: dict[str, tuple[float, str]] = {}
        self.tokens_mailed: dict[str, tuple[int, str]] = {}
        self.keeper_id = self._account(KEEPER)
        self.driver_id = self._account(DRIVER, isSysAdmin=role == SYS_ADMIN)
        self._make_mandate()
        self._make_people()
        # Somebody to be looked for.
        self.person = "known"
        self._account(f"newcomer-{self.person}")
        steward_id = self.client.call("GET", "/api/auth/me", self.token(STEWARD))["id"]
        # Calls that end or change something are made on others than these.
        self.protected = {self.mandate, steward_id, self.driver_id, self.keeper_id, *self.colleagues}
        self.protected |= {*self.roles.values(), *self.instances.values()}
        self.protected |= {role for roles in self.instance_roles.values() for role in roles.values()}

    def token(self, username: str) -> str:
        """Of somebody who stays; a new one before the last one ends."""
        since, token = self.tokens.get(username, (-math.inf, ""))
        if time.monotonic() - since > REFRESHED_AFTER:
            since, token = self.tokens[username] = time.monotonic(), self.client.sign_in(username)
        return token

    def unique(self, word: str = "thing") -> str:
        return f"{word}-{next(self.numbers)}"

    # People

    def _account(self, username: str, **more) -> str:
        body = {"username": username, "password": PASSWORD, "email": f"{username}@example.com", "mustChangePassword": False} | more
        account = self.client.call("POST", "/api/users", self.token(STEWARD), json=body)["id"]
        self.usernames[account] = username
        return account

    def member(self) -> str:
        """A new member of the mandate, as `user`."""
        account = self._account(self.unique("person"))
        self._join(account, "user")
        return account

    def _join(self, account: str, label: str) -> None:
        body = {"targetUserId": account, "roleIds": [self.roles[label]]}
        self.client.call("POST", f"/api/mandates/{self.mandate}/users", self.token(STEWARD), json=body)

    def _admit(self, feature: str, account: str, labels: list[str]) -> None:
        body = {"userId": account, "roleIds": [self.instance_roles[feature][label] for label in labels]}
        self.by_keeper("POST", f"/api/features/instances/{self.instances[feature]}/users", body)

    def tell_in_vain(self) -> list[str]:
        """Passwords that are refused, each where it is told."""
        wrong = [f"wrong-Otter-{number}-ladder-quay" for number in range(1, 6)]
        token = self.client.sign_in(DRIVER)
        for method, path, body in (
            ("POST", "/api/auth/login", {"username": DRIVER, "password": wrong[0]}),
            ("POST", "/api/auth/register", {"username": "no name", "email": "nobody", "password": wrong[1]}),
            ("POST", "/api/auth/password/reset", {"token": "bwm_nothing", "password": wrong[2]}),
            ("PUT", "/api/auth/password", {"current": wrong[3], "password": PASSWORD + "-2"}),
            ("PUT", "/api/auth/password", {"current": PASSWORD, "password": wrong[4], "more": 1}),
        ):
            try:
                self.client.call(method, path, token if method == "PUT" else None, json=body)
            except Refused:
                continue
            raise RuntimeError(f"{method} {path} took {body}")
        return wrong

    # What is told by mail

    def mailed(self, name: str) -> str:
        """A token of a registration or an invitation, or one to reset a password: a new one every few calls, since a mail takes a second or two."""
        times, token = self.tokens_mailed.get(name, (0, ""))
        if times % CALLS_OF_A_TOKEN == 0:
            token = self._newly_mailed(name)
        self.tokens_mailed[name] = times + 1, token
        return token

    def _newly_mailed(self, name: str) -> str:
        """The token of a new registration or invitation, or one to reset the password of a new account."""
        username = self.unique("mailed")
        address = f"{username}@example.com"
        if name == "invitetoken":
            self.by_keeper("POST", f"/api/mandates/{self.mandate}/invitations", {"email": address, "roleIds": [self.roles["user"]]})
            return self._token_for(address)
        body = {"username": username, "email": address, "password": PASSWORD}
        self.client.call("POST", "/api/auth/register", None, json=body)
        token = self._token_for(address)
        if name == "registertoken":
            return token
        self.client.call("POST", "/api/auth/verify", None, json={"token": token, "password": PASSWORD})
        self.client.call("POST", "/api/auth/password/forgot", None, json={"email": address})
        return self._token_for(address)

    def _token_for(self, address: str) -> str:
        """Of the mail that comes next to this address, which is taken away."""
        until = time.monotonic() + MAILED_WITHIN
        while time.monotonic() < until:
            for file in MAIL.glob("*.eml"):
                text = file.read_text()
                if f"To: {address}" in text and (token := TOKEN.search(text)):
                    file.unlink()
                    return token.group()
            time.sleep(0.1)
        raise RuntimeError(f"no mail came to {address}")

    # What is there from the beginning

    def _make_mandate(self) -> None:
        body = {"name": "Driven", "adminUserId": self.keeper_id}
        self.mandate = self.client.call("POST", "/api/mandates", self.token(STEWARD), json=body)["id"]
        self.by_keeper("PATCH", f"/api/mandates/{self.mandate}", {"allowImpersonation": True})
        self.roles = self._labelled(f"/api/mandates/{self.mandate}/roles")
        self.instances, self.instance_roles = {}, {}
        for feature in FEATURES:
            self.instances[feature] = self.instance(feature)
            self.instance_roles[feature] = self._labelled(f"/api/features/instances/{self.instances[feature]}/roles")

    def _labelled(self, roles: str) -> dict[str, str]:
        """A list's roles by label: of the first page, which is all that there is in the beginning."""
        return {role["label"]: role["id"] for role in self.by_keeper("GET", roles)["items"]}

    def _make_people(self) -> None:
        if self.role in HELD:
            self._join(self.driver_id, "admin" if self.role == ADMIN else "user")
            for feature, labels in HELD[self.role].items():
                self._admit(feature, self.driver_id, labels)
        self.colleagues = [self.member() for _ in range(3)]

    def in_mandate(self, method: str, path: str, token: str, body=None, feature: str | None = None):
        return self.client.call(method, path, token, self.mandate, feature and self.instances[feature], body)

    def by_keeper(self, method: str, path: str, body=None):
        return self.in_mandate(method, path, self.token(KEEPER), body)

    def instance(self, feature: str) -> str:
        """An instance in which the keeper is its admin."""
        body = {"featureCode": feature, "label": self.unique("instance"), "grantCreatorRole": f"{feature}-admin"}
        return self.by_keeper("POST", "/api/features/instances", body)["id"]
