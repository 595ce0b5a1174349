"""Guards the tables of a FastAPI application by what Bailiwick says of the caller.

Nothing is remembered from one request to the next: a right that was taken away is gone with the next request. Where
Bailiwick cannot tell, nothing is allowed.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response

# Who asks, in which mandate and instance; and the id under which both sides log it.
FORWARDED = ("authorization", "x-mandate-id", "x-instance-id", "x-request-id")
PASSED_ON = ("content-type", "www-authenticate", "retry-after")


class Refused(Exception):
    """An answer that the request ends with: a problem document of Bailiwick's, or one of our own."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def problem(status: HTTPStatus, code: str, detail: str) -> Refused:
    body = {"type": "about:blank", "title": status.phrase, "status": status, "code": code, "detail": detail}
    return Refused(Response(json.dumps(body), status, media_type="application/problem+json"))


def unavailable() -> Refused:
    detail = "Whether this is allowed could not be found out. Try again."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "access_unknown", detail)


@dataclass(frozen=True)
class Scope:
    """Where a request stands, as Bailiwick says. Every statement about rows names this mandate and this instance; the
    headers of a request are only what its caller asks for."""

    mandate: str
    instance: str
    # The owner of what the caller creates.
    user: str
    table: str
    # By operation: `n` none, `m` the caller's own rows, `g` those of people who share a group with them, `a` all of the
    # instance.
    levels: dict[str, Any]

    def level(self, operation: str) -> str:
        level = self.levels.get(operation)
        return level if level in ("m", "g", "a") else "n"

    def denied(self, operation: str) -> Refused:
        return problem(HTTPStatus.FORBIDDEN, "permission_denied", f"You may not {operation} this in `{self.table}`.")


class Bailiwick:
    """Where Bailiwick is. One for the whole application, since it keeps the connections open."""

    def __init__(self, base: str, app: FastAPI) -> None:
        self._http = httpx.AsyncClient(base_url=base, timeout=2.0)

        @app.exception_handler(Refused)
        async def answer(request: Request, refused: Refused) -> Response:
            return refused.response

    def guard(self, table: str, operation: str) -> Callable[[Request], Awaitable[Scope]]:
        """A dependency that asks before the route does anything: the scope, where the caller may do this to any row."""

        async def asked(request: Request) -> Scope:
            access = await self._send(request, "GET", "/api/access/me")
            for header, what in (("X-Mandate-Id", "mandate"), ("X-Instance-Id", "instance")):
                if access.get(f"{what}Id") is None:
                    detail = f"The header {header} is missing."
                    raise problem(HTTPStatus.BAD_REQUEST, f"{what}_context_missing", detail)
            try:
                levels = dict(access["tables"].get(table, {}))
                scope = Scope(access["mandateId"], access["instanceId"], access["userId"], table, levels)
            except (KeyError, AttributeError, TypeError, ValueError):
                raise unavailable() from None
            if scope.level(operation) == "n":
                raise scope.denied(operation)
            return scope

        return asked

    async def reaches(self, request: Request, scope: Scope, operation: str, owner: str) -> bool:
        """Whether the caller may do this to a row of that owner, in the mandate and instance of the scope."""
        match scope.level(operation):
            case "a":
                return True
            case "g":
                return await self.near(request, scope, operation, [owner]) == [owner]
            case "m":
                return owner == scope.user
            case _:
                return False

    async def near(self, request: Request, scope: Scope, operation: str, owners: list[str]) -> list[str]:
        """At level `g`: those of these owners whose rows the caller reaches. One question has room for 100."""
        near: list[str] = []
        for first in range(0, len(owners), 100):
            some = owners[first : first + 100]
            checks = [{"table": scope.table, "operation": operation, "ownerId": owner} for owner in some]
            results = (await self._send(request, "POST", "/api/access/check", {"checks": checks})).get("results")
            if not isinstance(results, list) or len(results) != len(some):
                raise unavailable()
            allowed = [isinstance(result, dict) and result.get("allowed") is True for result in results]
            near += [owner for owner, reached in zip(some, allowed) if reached]
        return near

    async def _send(self, request: Request, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        try:
            answer = await self._http.request(method, path, headers=headers, json=body)
            if answer.status_code == HTTPStatus.OK:
                return dict(answer.json())
        except (httpx.HTTPError, ValueError, TypeError):
            raise unavailable() from None
        if answer.is_client_error:
            # What Bailiwick refuses (401, 403, 429 …) it refuses this caller: it is passed on as it stands.
            passed_on = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
            raise Refused(Response(answer.content, answer.status_code, passed_on))
        raise unavailable()
