"""The guard of docs/clients.md at work: a small application under uvicorn, before the real service at `BASE`."""

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import uvicorn

from fastapi_helpdesk import TABLE, helpdesk

BASE = os.environ["BASE"]


class Person:
    """Somebody who is signed in, with the headers of the mandate and the instance that they work in."""

    def __init__(self, username: str) -> None:
        answer = httpx.post(f"{BASE}/api/auth/login", json={"username": username, "password": "bailiwick-demo"})
        self.headers = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
        me = self.call("GET", f"{BASE}/api/auth/me", 200)
        self.id: str = me["id"]
        self.mandates: dict[str, str] = {mandate["name"]: mandate["id"] for mandate in me["mandates"]}

    def at(self, mandate: str, instance: str | None = None) -> "Person":
        """From now on they work there."""
        self.headers |= {"X-Mandate-Id": mandate}
        self.headers.pop("X-Instance-Id", None)
        if instance is not None:
            self.headers["X-Instance-Id"] = instance
        return self

    def send(self, method: str, url: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, url, headers=self.headers, json=body)

    def call(self, method: str, url: str, status: int, body: Any = None) -> Any:
        answer = self.send(method, url, body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


class Store:
    """The application's own database, around its routes."""

    def __init__(self) -> None:
        self.sql = sqlite3.connect(":memory:", check_same_thread=False)
        self.sql.execute(TABLE)

    def ticket(self, mandate: str, instance: str, owner: str) -> str:
        ticket = str(uuid4())
        with self.sql:
            row = (mandate, instance, ticket, owner, "It does not print")
            self.sql.execute("insert into tickets values (?, ?, ?, ?, ?)", row)
        return ticket


@contextmanager
def served(bailiwick: str, store: Store) -> Iterator[str]:
    """The application on a free port."""
    server = uvicorn.Server(uvicorn.Config(helpdesk(bailiwick, store.sql), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/tickets"
    finally:
        # Else a check that fails would wait for ever.
        server.should_exit = True
        thread.join()


def refused(answer: httpx.Response, status: int, code: str) -> httpx.Response:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["code"]) == (status, code), answer.text
    return answer


def feature_made() -> None:
    """Three roles: agents read the tickets of their groups and change their own, leads all, customers their own."""
    sysadmin = Person("sysadmin")
    sysadmin.call("POST", f"{BASE}/api/features", 201, {"code": "helpdesk", "tables": ["tickets"]})
    for label, read, update in (("agent", "g", "m"), ("lead", "a", "a"), ("customer", "m", "m")):
        role = {"featureCode": "helpdesk", "roleLabel": label}
        template = sysadmin.call("POST", f"{BASE}/api/features/templates/roles", 201, role)["id"]
        tickets = {"view": True, "read": read, "create": "m", "update": update, "delete": "n"}
        permissions = {"tables": {"tickets": tickets}}
        sysadmin.call("PUT", f"{BASE}/api/roles/{template}/permissions", 200, permissions)


def opened(admin: Person, label: str, **people: Person) -> str:
    """An instance in the admin's mandate, with a person in each of these roles."""
    instances = f"{BASE}/api/features/instances"
    instance: str = admin.call("POST", instances, 201, {"featureCode": "helpdesk", "label": label})["id"]
    roles = admin.call("GET", f"{instances}/{instance}/roles", 200)["items"]
    by_label = {found["label"]: found["id"] for found in roles}
    for role, person in people.items():
        admission = {"userId": person.id, "roleIds": [by_label[role]]}
        admin.call("POST", f"{instances}/{instance}/users", 201, admission)
    return instance


def check(alice: Person, bob: Person, carol: Person, dave: Person) -> None:
    acme, globex = dave.mandates["Acme"], dave.mandates["Globex"]
    feature_made()
    first = opened(alice.at(acme), "First", agent=bob, lead=alice, customer=dave)
    second = opened(alice, "Second", agent=dave)
    foreign = opened(carol.at(globex), "Theirs", agent=dave)
    store = Store()
    tickets = {owner.id: store.ticket(acme, first, owner.id) for owner in (bob, alice, carol)}
    with served(BASE, store) as url:
        levels_pick_rows(url, tickets, alice.at(acme, first), bob.at(acme, first), carol, dave.at(acme, first))
        rows_of_other_mandates_and_instances_are_unknown(
            url, store, dave, [(acme, first), (acme, second), (globex, foreign)]
        )
        # What Bailiwick refuses is passed on.
        assert refused(httpx.get(url), 401, "unauthenticated").headers["WWW-Authenticate"] == 'Bearer realm="bailiwick"'
        refused(carol.at(acme, first).send("GET", url), 403, "mandate_access_denied")
        refused(carol.at(globex, first).send("GET", url), 403, "instance_access_denied")
        refused(bob.at(acme).send("GET", url), 400, "instance_context_missing")
        # A right that is taken away is gone with the next request.
        alice.call("DELETE", f"{BASE}/api/features/instances/{first}/users/{bob.id}", 204)
        refused(bob.at(acme, first).send("GET", url), 403, "instance_access_denied")
    nothing_is_allowed_while_bailiwick_cannot_tell(bob)


def owners_listed(url: str, person: Person) -> list[str]:
    return sorted(ticket["owner"] for ticket in person.call("GET", url, 200))


def levels_pick_rows(
    url: str, tickets: dict[str, str], alice: Person, bob: Person, carol: Person, dave: Person
) -> None:
    assert owners_listed(url, bob) == sorted([bob.id, alice.id]), "g: whoever is in a group of his"
    assert owners_listed(url, alice) == sorted([bob.id, alice.id, carol.id]), "a: everybody's"
    assert owners_listed(url, dave) == [], "m: his own"
    own = f"{url}/{bob.call('POST', url, 201, 'It does not scan')}"
    assert owners_listed(url, bob) == sorted([bob.id, alice.id, bob.id]), "who opens a ticket owns it"
    bob.call("PUT", own, 204, "It scans")
    assert bob.call("GET", own, 200)["text"] == "It scans"
    answer = refused(bob.send("PUT", f"{url}/{tickets[alice.id]}", "It prints"), 403, "permission_denied")
    assert answer.json()["detail"] == "You may not update this in `tickets`."
    refused(bob.send("PUT", f"{url}/{tickets[carol.id]}", "It prints"), 404, "not_found")
    alice.call("PUT", f"{url}/{tickets[carol.id]}", 204, "It prints")
    refused(dave.send("GET", own), 404, "not_found")


def rows_of_other_mandates_and_instances_are_unknown(
    url: str, store: Store, dave: Person, places: list[tuple[str, str]]
) -> None:
    """The same person in two mandates, and in two instances of one: what decides is where the row is."""
    made = {place: store.ticket(*place, dave.id) for place in places}
    for place in places:
        dave.at(*place)
        assert [ticket["id"] for ticket in dave.call("GET", url, 200)] == [made[place]]
        for elsewhere, ticket in made.items():
            if elsewhere != place:
                refused(dave.send("GET", f"{url}/{ticket}"), 404, "not_found")
                refused(dave.send("PUT", f"{url}/{ticket}", "It prints"), 404, "not_found")
        refused(dave.send("GET", f"{url}/{uuid4()}"), 404, "not_found")
    texts = store.sql.execute("select distinct text from tickets where owner = ?", (dave.id,)).fetchall()
    assert texts == [("It does not print",)], "nobody wrote across"


def nothing_is_allowed_while_bailiwick_cannot_tell(bob: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # Takes connections, and never answers.
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with served(address, Store()) as url:
            refused(bob.send("GET", url), 503, "access_unknown")
    # Now nobody is there.
    with served(address, Store()) as url:
        refused(bob.send("GET", url), 503, "access_unknown")


check(Person("alice"), Person("bob"), Person("carol"), Person("dave"))
