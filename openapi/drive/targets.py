"""What each operation is called on and with: the cases by which the gates call it (`tests/it/core`, `tests/it/features`), filled
with ids of things that are there.

The gates put rows into tables; here everything is made over REST, by the operations that the same descriptions name for it. An
operation that has an effect gets things of its own, and new ones when those are used up.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from world import ADMIN, DRIVER, HELD, KEEPER, PASSWORD, STEWARD, SYS_ADMIN, Refused, World, session_of

NAME = re.compile(r"\$([a-z]+)")
# Where things are made, rather than what is changed.
PLACES = ("mandate", "instance")
# Tokens that only a mail tells.
MAILED = ("registertoken", "resettoken", "invitetoken")
# What nobody else goes on with.
BEGUN_BY_ONESELF = "start_impersonation"
# Query parameters that only an earlier answer can tell.
ONLY_FROM_ANSWERS = ("cursor",)

Names = dict[str, str]


def mentioned(text: str) -> list[str]:
    return NAME.findall(text)


def fill(text: str, names: Names) -> str:
    return NAME.sub(lambda name: names[name.group(1)], text)


@dataclass
class Call:
    """One way to call an operation, with what its names stand for."""

    path: dict[str, str]
    query: dict[str, str]
    body: dict | str | None
    instance: str
    # Who calls instead of the driver.
    caller: str | None


@dataclass
class Operation:
    id: str
    method: str
    path: str
    access: dict
    cases: list[dict] = field(default_factory=list)

    def clauses(self, key: str) -> list[str]:
        return [clause[key] for clause in self.access.get("anyOf", []) if key in clause]

    @property
    def is_for_sys_admins(self) -> bool:
        return not self.clauses("table") and "sysAdmin" in self.clauses("principal")

    def path_of(self, uri: str) -> dict[str, str]:
        """What the parameters are in the path of a case."""
        parts = zip(self.path.split("/"), uri.partition("?")[0].split("/"))
        return {known.strip("{}"): own for known, own in parts if known.startswith("{")}


def told(answer: dict, what: str) -> str:
    """What an answer tells of what is new: a member, or a claim of the access token in it."""
    return session_of(answer["accessToken"]) if what == "sid" else answer.get(what) or answer["code"]


class Targets:
    def __init__(self, world: World, document: dict, described: dict):
        self.world = world
        self.operations = {
            found["operationId"]: Operation(found["operationId"], method.upper(), path, found["x-access"])
            for path, item in document["paths"].items()
            for method, found in item.items()
            if isinstance(found, dict) and "operationId" in found
        }
        for case in described["cases"]:
            self.operations[case["operation"]].cases.append(case)
        self.made = {made["name"]: made for made in described["made"]}
        # What stays: read by everybody, and changed by nobody.
        self.standing: Names = {}

    def changes(self, operation: str) -> bool:
        """Whether it changes or ends what its path names, rather than to add to it."""
        case = self.operations[operation].cases[0]
        return case["hasEffect"] and case["status"] != 201

    def may_be_anothers(self, operation: str) -> bool:
        """Whether it is about rows that may be the driver's own or not, and be refused for that."""
        return self.world.role in HELD and bool(self.operations[operation].clauses("feature"))

    def choose(self, name: str) -> Call:
        """A call that may succeed, on things that are there."""
        operation, world = self.operations[name], self.world
        open_to_role = [case for case in operation.cases if world.role == SYS_ADMIN or not case["sysOnly"]]
        case = world.chance.choice(open_to_role)
        path, _, query = case["uri"].partition("?")
        names, aimed = self.places(), mentioned(path)[-1:]
        if self.changes(name):
            names |= {place: self.new(place, names) for place in PLACES if [place] == aimed}
        for wanted in mentioned(case["uri"]) + mentioned(case["body"] or ""):
            if wanted not in names:
                names[wanted] = self.new(wanted, names) if case["hasEffect"] else self.lasting(wanted)
        caller = self.caller(operation, case, names, aimed)
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        return Call(
            path={parameter: fill(text, names) for parameter, text in operation.path_of(path).items()},
            query={key: fill(value, names) for key, _, value in pairs},
            body=case["body"] and self.filled(case, names),
            instance=names["instance"],
            caller=caller,
        )

    @staticmethod
    def filled(case: dict, names: Names) -> dict | str:
        """The body of a case; lines, where that is what it is made of."""
        text = fill(case["body"], names)
        return text if case["media"] else json.loads(text)

    def caller(self, operation: Operation, case: dict, names: Names, aimed: list[str]) -> str | None:
        """Somebody else who calls in the driver's place: where the call would end the driver's session or account, and those who
        may do it with themselves only."""
        world = self.world
        if case["concernsTheCaller"]:
            return world.usernames[self.new("account", names)]
        may = "oneself" in operation.clauses("principal") and world.role in HELD
        if may and (not operation.clauses("table") or world.chance.random() < 0.5):
            return world.usernames[names[aimed[0]]]
        return None

    def places(self) -> Names:
        world = self.world
        return {
            "mandate": world.mandate,
            "instance": world.chance.choice(list(world.instances.values())),
            "username": DRIVER,
            "admin": world.driver_id,
            "password": PASSWORD,
            "person": world.person,
            "unique": world.unique(),
        }

    def lasting(self, name: str) -> str:
        """Something that everybody reads, and nobody changes."""
        if name not in self.standing:
            self.standing[name] = self.new(name, self.places())
            self.world.protected.add(self.standing[name])
        return self.standing[name]

    def new(self, name: str, names: Names) -> str:
        """A new thing: what an operation makes, or another thing that something was done with."""
        world = self.world
        if name in MAILED:
            return world.mailed(name)
        made = self.made[name]
        own = {other: value for other, value in names.items() if other != name}
        if name == "mandate":
            own["newcomer"] = world.driver_id if world.role == ADMIN else world.keeper_id
        if made["from"]:
            own[name] = own[made["from"]] = self.new(made["from"], own)
        by_driver = world.role in HELD and world.chance.random() < 0.5
        for step in made["by"]:
            answer = self.make(step, own, by_driver)
            if name not in own:
                own[name] = told(answer, made["told"])
        # Whatever else was needed for it belongs to it: who holds a role, say.
        names |= {other: value for other, value in own.items() if other not in (*names, name, made["from"])}
        return own[name]

    def make(self, step: str, names: Names, by_driver: bool) -> dict:
        """Calls an operation as its case says; a step may name another path."""
        operation = self.operations[step.partition(" ")[0]]
        case = operation.cases[0]
        behind, body = step.partition(" ")[2], case["body"] or ""
        uri = behind if behind.startswith("/") else case["uri"]
        names["unique"] = self.world.unique()
        if behind and uri != behind:
            names[behind] = names.get(behind) or self.new(behind, names)
            names["username"] = self.world.usernames[names[behind]]
        for wanted in mentioned(uri) + mentioned(body):
            if wanted not in names:
                names[wanted] = self.new(wanted, names)
        filled = json.loads(fill(body, names)) if body else None
        answer = self.send(operation, fill(uri, names), filled, by_driver)
        if operation.id == "create_user":
            self.world.usernames[answer["id"]] = filled["username"]
        return answer or {}

    def send(self, operation: Operation, uri: str, body: dict | None, by_driver: bool):
        """By the driver, whose rows they then are; by the keeper where the driver may not. Of SysAdmins whoever began to act as
        somebody else ends it."""
        world = self.world
        if operation.is_for_sys_admins:
            own = operation.id == BEGUN_BY_ONESELF and world.role == SYS_ADMIN
            # In a session of its own: what is called meanwhile may have ended the driver's others.
            token = world.client.sign_in(DRIVER) if own else world.token(STEWARD)
            return world.client.call(operation.method, uri, token, json=body)
        feature = next(iter(operation.clauses("feature")), None)
        if by_driver and feature:
            try:
                return world.in_mandate(operation.method, uri, world.token(DRIVER), body, feature)
            except Refused:
                pass
        return world.in_mandate(operation.method, uri, world.token(KEEPER), body, feature)
