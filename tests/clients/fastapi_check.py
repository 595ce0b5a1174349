"""The guard of docs/clients.md at work: a small application under uvicorn, before the real service at `BASE`."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from fastapi_helpdesk import Ticket, helpdesk

BASE = os.environ["BASE"]


class Person:
    """Somebody who is signed in, with the headers of the mandate and the instance that they work in."""

    def __init__(self, username: str) -> None:
        answer = httpx.post(f"{BASE}/api/auth/login", json={"username": username, "password": "bailiwick-demo"})
        self.headers = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
        self.id: str = self.call("GET", f"{BASE}/api/auth/me", 200)["id"]

    def send(self, method: str, url: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, url, headers=self.headers, json=body)

    def call(self, method: str, url: str, status: int, body: Any = None) -> Any:
        answer = self.send(method, url, body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@contextmanager
def served(bailiwick: str, tickets: list[Ticket]) -> Iterator[str]:
    """The application on a free port."""
    server = uvicorn.Server(uvicorn.Config(helpdesk(bailiwick, tickets), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/tickets"
    server.should_exit = True
    thread.join()


def refused(answer: httpx.Response, status: int, code: str) -> httpx.Response:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["code"]) == (status, code), answer.text
    return answer


def opened(alice: Person, bob: Person) -> str:
    """Opens a help desk in Acme, where Bob is an agent: reads the tickets of his groups, changes his own."""
    sysadmin = Person("sysadmin")
    sysadmin.call("POST", f"{BASE}/api/features", 201, {"code": "helpdesk", "tables": ["tickets"]})
    agent = {"featureCode": "helpdesk", "roleLabel": "agent"}
    template = sysadmin.call("POST", f"{BASE}/api/features/templates/roles", 201, agent)["id"]
    tickets = {"view": True, "read": "g", "create": "m", "update": "m", "delete": "n"}
    permissions = {"tables": {"tickets": tickets}}
    sysadmin.call("PUT", f"{BASE}/api/roles/{template}/permissions", 200, permissions)
    instances = f"{BASE}/api/features/instances"
    instance = alice.call("POST", instances, 201, {"featureCode": "helpdesk", "label": "Help desk"})["id"]
    [role] = alice.call("GET", f"{instances}/{instance}/roles", 200)["items"]
    alice.call("POST", f"{instances}/{instance}/users", 201, {"userId": bob.id, "roleIds": [role["id"]]})
    return f"{instances}/{instance}"


def check(alice: Person, bob: Person, carol: Person, dave: Person) -> None:
    acme = alice.call("GET", f"{BASE}/api/auth/me", 200)["mandates"][0]["id"]
    for person in (alice, bob, carol, dave):
        person.headers["X-Mandate-Id"] = acme
    instance = opened(alice, bob)
    for person in (bob, carol, dave):
        person.headers["X-Instance-Id"] = instance.rsplit("/", 1)[1]
    tickets = [Ticket(owner.id, "It does not print") for owner in (bob, alice, carol)]
    with served(BASE, tickets) as url:
        allowed_and_refused(url, alice, bob)
        # What Bailiwick refuses is passed on.
        assert refused(httpx.get(url), 401, "unauthenticated").headers["WWW-Authenticate"] == "Bearer"
        refused(carol.send("GET", url), 403, "mandate_access_denied")
        refused(dave.send("GET", url), 403, "instance_access_denied")
        # A right that is taken away is gone with the next request.
        alice.call("DELETE", f"{instance}/users/{bob.id}", 204)
        refused(bob.send("GET", url), 403, "instance_access_denied")
    nothing_is_allowed_while_bailiwick_cannot_tell(bob)


def allowed_and_refused(url: str, alice: Person, bob: Person) -> None:
    assert [ticket["owner"] for ticket in bob.call("GET", url, 200)] == [bob.id, alice.id]
    bob.call("POST", url, 201, "It does not scan")
    assert [ticket["owner"] for ticket in bob.call("GET", url, 200)] == [bob.id, alice.id, bob.id]
    bob.call("PUT", f"{url}/0", 204, "It prints")
    assert bob.call("GET", url, 200)[0]["text"] == "It prints"
    bob.call("PUT", f"{url}/9", 404, "It is not there")
    for number in (1, 2):
        answer = refused(bob.send("PUT", f"{url}/{number}", "It prints"), 403, "permission_denied")
        assert answer.json()["detail"] == "You may not update this in `tickets`."


def nothing_is_allowed_while_bailiwick_cannot_tell(bob: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # Takes connections, and never answers.
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with served(address, []) as url:
            refused(bob.send("GET", url), 503, "access_unknown")
    # Now nobody is there.
    with served(address, []) as url:
        refused(bob.send("GET", url), 503, "access_unknown")


check(Person("alice"), Person("bob"), Person("carol"), Person("dave"))
