"""An application with tickets of its own, guarded as Bailiwick's table `tickets` of its feature `helpdesk`."""

from dataclasses import dataclass

from fastapi import Body, Depends, FastAPI, HTTPException, Request

from fastapi_guard import Bailiwick


@dataclass
class Ticket:
    owner: str
    text: str


def helpdesk(base: str, tickets: list[Ticket]) -> FastAPI:
    """The application. Each route names the table and the operation that it is guarded by."""
    app = FastAPI()
    bailiwick = Bailiwick(base, app)

    @app.get("/tickets", dependencies=[Depends(bailiwick.guard("tickets", "read"))])
    async def list_tickets(request: Request) -> list[Ticket]:
        # The caller is let in at any level above none; the level picks the rows.
        first = tickets[:100]
        reached = await bailiwick.reached(request, "tickets", "read", [ticket.owner for ticket in first])
        return [ticket for ticket, reaches in zip(first, reached) if reaches]

    @app.post("/tickets", status_code=201, dependencies=[Depends(bailiwick.guard("tickets", "create"))])
    async def open_ticket(request: Request, text: str = Body(media_type="text/plain")) -> None:
        tickets.append(Ticket(await bailiwick.caller(request), text))

    @app.put("/tickets/{number}", status_code=204, dependencies=[Depends(bailiwick.guard("tickets", "update"))])
    async def rewrite_ticket(request: Request, number: int, text: str = Body(media_type="text/plain")) -> None:
        if not 0 <= number < len(tickets):
            raise HTTPException(404)
        # Whose ticket it is turns out when it is found; then the question is about that owner.
        await bailiwick.require(request, "tickets", "update", tickets[number].owner)
        tickets[number].text = text

    return app
