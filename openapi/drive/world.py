"""What the calls are about: a mandate with people, groups, roles, instances and rows, and new ones wherever a call uses them up.

Everything is made over REST, by two people who are never called against: the demo's SysAdmin, and the keeper, who is an admin of
the mandate and of its instances.
"""

import itertools
import random

import requests

PASSWORD = "quiet-Harbour-58-lantern"
SYS_ADMIN, ADMIN, MEMBER, OUTSIDER = ROLES = ("sysadmin", "admin", "member", "outsider")
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
REQUEST = {
    "eventTime": "2999-12-31T23:00:00+01:00",
    "durationMinutes": 90,
    "topic": "Annual accounts",
    "address": {"street": "Main Street 1", "city": "Springfield", "country": "United States"},
}


class Client:
    """Somebody's calls. A refusal is an error: whoever prepares something is entitled to it."""

    def __init__(self, base: str):
        self.base, self.session = base, requests.Session()

    def sign_in(self, username: str) -> str:
        password = "bailiwick-demo" if username == "sysadmin" else PASSWORD
        return self.call("POST", "/api/auth/login", None, json={"username": username, "password": password})["accessToken"]

    def call(self, method: str, path: str, token: str | None, mandate: str | None = None, instance: str | None = None, json=None):
        named = {"Authorization": token and f"Bearer {token}", "X-Mandate-Id": mandate, "X-Instance-Id": instance}
        headers = {name: value for name, value in named.items() if value}
        if method in ("PUT", "PATCH", "DELETE"):
            headers["If-Match"] = "*"
        response = self.session.request(method, self.base + path, headers=headers, json=json, timeout=60)
        if not response.ok:
            raise RuntimeError(f"{method} {path} is refused: {response.status_code} {response.text}")
        return response.json() if response.content else None


class World:
    def __init__(self, base: str, role: str, seed: int):
        self.client, self.role = Client(base), role
        self.chance = random.Random(seed)
        self.numbers = itertools.count(1)
        self.steward = self.client.sign_in("sysadmin")
        self.keeper_id = self._account("keeper")
        self.driver_id = self._account("driver", isSysAdmin=role == SYS_ADMIN)
        self._make_mandate()
        self._make_people()
        self._make_rows()
        # Calls that end or change something are made on others than these.
        self.protected = {self.mandate, self.driver_id, self.keeper_id, *self.colleagues, self.spare_role, self.playbook, self.booking}
        self.protected |= {*self.roles.values(), *self.instances.values(), *self.groups}
        self.protected |= {role for roles in self.instance_roles.values() for role in roles.values()}

    def unique(self, word: str = "thing") -> str:
        return f"{word}-{next(self.numbers)}"

    # People

    def _account(self, username: str, **more) -> str:
        body = {"username": username, "password": PASSWORD, "email": f"{username}@example.com"} | more
        return self.client.call("POST", "/api/users", self.steward, json=body)["id"]

    def account(self) -> tuple[str, str]:
        """A new account: its id and its name."""
        name = self.unique("person")
        return self._account(name), name

    def member(self) -> str:
        """A new member of the mandate, as `user`."""
        account, _ = self.account()
        self._join(account, "user")
        return account

    def _join(self, account: str, label: str) -> None:
        body = {"targetUserId": account, "roleIds": [self.roles[label]]}
        self.client.call("POST", f"/api/mandates/{self.mandate}/users", self.steward, json=body)

    def admitted(self) -> tuple[str, str]:
        """An instance, and a new member who is admitted to it."""
        account = self.member()
        self._admit("trustee", account, ["trustee-viewer"])
        return self.instances["trustee"], account

    def _admit(self, feature: str, account: str, labels: list[str]) -> None:
        body = {"userId": account, "roleIds": [self.instance_roles[feature][label] for label in labels]}
        self.by_keeper("POST", f"/api/features/instances/{self.instances[feature]}/users", body)

    # What is there from the beginning

    def _make_mandate(self) -> None:
        body = {"name": "Driven", "adminUserId": self.keeper_id}
        self.mandate = self.client.call("POST", "/api/mandates", self.steward, json=body)["id"]
        self.keeper = self.client.sign_in("keeper")
        self.roles = self._labelled(f"/api/mandates/{self.mandate}/roles")
        self.instances, self.instance_roles = {}, {}
        for feature in FEATURES:
            self.instances[feature] = self.instance(feature, f"{feature}-admin")
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
        self.driver = self.client.sign_in("driver")

    def _make_rows(self) -> None:
        self.groups = [self.group() for _ in range(2)]
        self.spare_role = self.mandate_role()
        self.playbook = self.playbook_with_versions()
        self.booking = self.new_booking()

    # What calls use up

    def by_keeper(self, method: str, path: str, body=None, feature: str | None = None):
        return self.client.call(method, path, self.keeper, self.mandate, feature and self.instances[feature], body)

    def by_owner(self, method: str, path: str, body, feature: str):
        """By the driver where that is somebody with rows of their own, so that these reach them."""
        token = self.driver if self.role in HELD else self.keeper
        return self.client.call(method, path, token, self.mandate, self.instances[feature], body)

    def new_mandate(self) -> str:
        admin = self.driver_id if self.role == ADMIN else self.keeper_id
        body = {"name": self.unique("mandate"), "adminUserId": admin}
        return self.client.call("POST", "/api/mandates", self.steward, json=body)["id"]

    def deleted_mandate(self) -> str:
        mandate = self.new_mandate()
        self.client.call("DELETE", f"/api/mandates/{mandate}", self.steward)
        return mandate

    def group(self) -> str:
        group = self.by_keeper("POST", f"/api/mandates/{self.mandate}/groups", {"name": self.unique("group")})["id"]
        self.by_keeper("PUT", f"/api/mandates/{self.mandate}/groups/{group}/members", {"userIds": self.colleagues})
        return group

    def mandate_role(self) -> str:
        return self.by_keeper("POST", f"/api/mandates/{self.mandate}/roles", {"label": self.unique("role")})["id"]

    def any_role(self) -> str:
        """A new role of the kind that the driver may change; for SysAdmins that is a template."""
        if self.role == SYS_ADMIN:
            body = {"roleLabel": self.unique("template"), "featureCode": "trustee"}
            return self.client.call("POST", "/api/features/templates/roles", self.steward, json=body)["id"]
        if self.chance.random() < 0.5:
            return self.mandate_role()
        path = f"/api/features/instances/{self.instances['trustee']}/roles"
        return self.by_keeper("POST", path, {"label": self.unique("role")})["id"]

    def spare_of(self, account: str) -> None:
        """Gives a member the spare role, beside what they hold."""
        self.by_keeper("PUT", f"/api/mandates/{self.mandate}/users/{account}/roles/{self.spare_role}")

    def instance(self, feature: str, creator_role: str | None = None) -> str:
        body = {"featureCode": feature, "label": self.unique("instance")}
        if creator_role:
            body["grantCreatorRole"] = creator_role
        return self.by_keeper("POST", "/api/features/instances", body)["id"]

    def feature(self) -> str:
        return self.client.call("POST", "/api/features", self.steward, json={"code": self.unique("feature")})["code"]

    def new_playbook(self) -> str:
        body = {"name": self.unique("playbook"), "title": "A title"}
        return self.by_owner("POST", "/api/playbooks", body, "playbooks")["id"]

    def deleted_playbook(self) -> str:
        playbook = self.new_playbook()
        self.by_keeper("DELETE", f"/api/playbooks/{playbook}", feature="playbooks")
        return playbook

    def playbook_with_versions(self) -> str:
        """Version 1 has two revisions; version 2 has one."""
        playbook = self.new_playbook()
        for content in ("one", "two"):
            self.by_owner("POST", f"/api/playbooks/{playbook}/versions", {"content": content}, "playbooks")
        self.by_owner("PUT", f"/api/playbooks/{playbook}/versions/1", {"content": "one, again"}, "playbooks")
        return playbook

    def playbook_with_a_deleted_version(self) -> str:
        """Version 2 is deleted."""
        playbook = self.playbook_with_versions()
        self.by_keeper("DELETE", f"/api/playbooks/{playbook}/versions/2", feature="playbooks")
        return playbook

    def new_booking(self) -> str:
        """Asked for by the keeper: nobody decides on a request of their own."""
        return self.by_keeper("POST", "/api/bookings", REQUEST, "bookings")["id"]

    def own_booking(self) -> str:
        return self.by_owner("POST", "/api/bookings", REQUEST, "bookings")["id"]
