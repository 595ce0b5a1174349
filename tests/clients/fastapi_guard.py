"""Guards the tables of a FastAPI application by what Bailiwick says of the caller.

Nothing is remembered from one request to the next: a right that was taken away is gone with the next request. Where
Bailiwick cannot tell, nothing is allowed.
"""

import json
from collections.abc import Awaitable, Callable
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


class Bailiwick:
    """Where Bailiwick is. One for the whole application, since it keeps the connections open."""

    def __init__(self, base: str, app: FastAPI) -> None:
        self._http = httpx.AsyncClient(base_url=base, timeout=2.0)

        @app.exception_handler(Refused)
        async def answer(request: Request, refused: Refused) -> Response:
            return refused.response

    def guard(self, table: str, operation: str) -> Callable[[Request], Awaitable[None]]:
        """A dependency that asks before the route does anything."""

        async def asked(request: Request) -> None:
            await self.require(request, table, operation)

        return asked

    async def require(self, request: Request, table: str, operation: str, owner: str | None = None) -> None:
        """Goes on only where the caller may do this; with an owner, only where they may do it to rows of that user."""
        if await self.reached(request, table, operation, [owner]) != [True]:
            raise problem(HTTPStatus.FORBIDDEN, "permission_denied", f"You may not {operation} this in `{table}`.")

    async def reached(self, request: Request, table: str, operation: str, owners: list[str | None]) -> list[bool]:
        """Of which of these owners the caller may do this to rows, in one question of at most 100."""
        checks = [{"table": table, "operation": operation, "ownerId": owner} for owner in owners]
        answer = await self._send(request, "POST", "/api/access/check", {"checks": checks})
        results = answer.get("results")
        if not isinstance(results, list) or len(results) != len(owners):
            raise unavailable()
        return [isinstance(result, dict) and result.get("allowed") is True for result in results]

    async def caller(self, request: Request) -> str:
        """The caller's user id: the owner of what they create."""
        user = (await self._send(request, "GET", "/api/access/me")).get("userId")
        if not isinstance(user, str):
            raise unavailable()
        return user

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
