"""An application with tickets of its own, guarded as Bailiwick's table `tickets` of its feature `helpdesk`.

All tenants' tickets are in one table: every statement names mandate and instance.
"""

import json
import sqlite3
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Body, Depends, FastAPI, Request

from fastapi_guard import Bailiwick, Scope, problem

TABLE = """create table tickets (
    mandate text not null, instance text not null, id text not null, owner text not null, text text not null,
    primary key (mandate, instance, id))"""


@dataclass
class Ticket:
    id: str
    owner: str
    text: str


def helpdesk(base: str, sql: sqlite3.Connection) -> FastAPI:
    """The application. Each route names the table and the operation that it is guarded by."""
    app = FastAPI()
    bailiwick = Bailiwick(base, app)
    Reader = Annotated[Scope, Depends(bailiwick.guard("tickets", "read"))]
    Creator = Annotated[Scope, Depends(bailiwick.guard("tickets", "create"))]
    Updater = Annotated[Scope, Depends(bailiwick.guard("tickets", "update"))]

    @app.get("/tickets")
    async def list_tickets(request: Request, scope: Reader) -> list[Ticket]:
        # The caller is let in at any level above none; the level picks the rows, in SQL, so that pages and counts are
        # right too.
        here = (scope.mandate, scope.instance)
        owners = None
        if scope.level("read") == "g":
            everybody = sql.execute("select distinct owner from tickets where mandate = ? and instance = ?", here)
            owners = await bailiwick.near(request, scope, "read", [owner for (owner,) in everybody])
        elif scope.level("read") != "a":
            owners = [scope.user]
        listed = """select id, owner, text from tickets where mandate = ?1 and instance = ?2
            and (?3 is null or owner in (select value from json_each(?3))) order by id limit 100"""
        found = sql.execute(listed, (*here, None if owners is None else json.dumps(owners)))
        return [Ticket(*ticket) for ticket in found]

    @app.post("/tickets", status_code=201)
    async def open_ticket(scope: Creator, text: str = Body(media_type="text/plain")) -> str:
        ticket = (scope.mandate, scope.instance, str(uuid4()), scope.user, text)
        with sql:
            sql.execute("insert into tickets (mandate, instance, id, owner, text) values (?, ?, ?, ?, ?)", ticket)
        return ticket[2]

    @app.get("/tickets/{ticket}")
    async def show_ticket(request: Request, scope: Reader, ticket: UUID) -> Ticket:
        return await seen(request, scope, ticket)

    @app.put("/tickets/{ticket}", status_code=204)
    async def rewrite_ticket(
        request: Request, scope: Updater, ticket: UUID, text: str = Body(media_type="text/plain")
    ) -> None:
        # Whose ticket it is turns out when it is found; then the question is about that owner.
        found = await seen(request, scope, ticket)
        if not await bailiwick.reaches(request, scope, "update", found.owner):
            raise scope.denied("update")
        here = (scope.mandate, scope.instance, found.id)
        with sql:
            sql.execute("update tickets set text = ? where mandate = ? and instance = ? and id = ?", (text, *here))

    async def seen(request: Request, scope: Scope, ticket: UUID) -> Ticket:
        """One that is not there, one of another mandate or instance, and one that the caller may not read are the same
        404."""
        here = (scope.mandate, scope.instance, str(ticket))
        statement = "select id, owner, text from tickets where mandate = ? and instance = ? and id = ?"
        found = sql.execute(statement, here).fetchone()
        if found is None or not await bailiwick.reaches(request, scope, "read", found[1]):
            detail = "There is no such ticket, or you may not see it."
            raise problem(HTTPStatus.NOT_FOUND, "not_found", detail)
        return Ticket(*found)

    return app
