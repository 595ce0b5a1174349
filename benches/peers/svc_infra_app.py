"""`svc_infra_app.py MODEL FOLDER ADDRESS`: svc-infra on uvicorn, a worker for each core.

A tenant's rows by its CRUD router, and a route that asks its permissions with an owner. Who asks is
told by a header, since its sign-in is not what is compared.
"""

import asyncio
import json
import os
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import uvicorn
from fastapi import FastAPI, Header
from pydantic import BaseModel
from sqlalchemy import DateTime, String, func
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from svc_infra.api.fastapi.auth.security import Principal
from svc_infra.api.fastapi.db.sql.add import setup_sql
from svc_infra.db.sql.resource import SqlResource
from svc_infra.security.permissions import (
    enforce_abac,
    has_permission,
    owns_resource,
    register_role,
)

MODEL, FOLDER, ADDRESS = sys.argv[1:] if len(sys.argv) > 3 else os.environ["PEER"].split("\n")
MEMBERS = 80
model = json.loads(Path(MODEL).read_text())
host, database = os.environ["PGHOST"], os.environ["PGDATABASE"]
URL = f"postgresql+asyncpg://{os.environ['PGUSER']}@/{database}?host={host}"


class Base(DeclarativeBase):
    pass


class Member(Base):
    """As much as the service tells of a member."""

    __tablename__ = "members"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(36), index=True)
    user_id: Mapped[str] = mapped_column(String(36))
    username: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(120))
    first_name: Mapped[str] = mapped_column(String(120))
    last_name: Mapped[str] = mapped_column(String(120))
    enabled: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[object] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


for role, tables in model["roles"].items():
    held = {
        f"{table}.{operation}.{level}"
        for table, rule in tables.items()
        for operation, level in rule.items()
        if level in ("a", "m")
    }
    register_role(role, held)

app = FastAPI()
resource = SqlResource(model=Member, prefix="/members", tenant_field="tenant_id")
setup_sql(app, [resource], url=URL)


class Question(BaseModel):
    table: str
    operation: str
    owner: str


@app.get("/ping")
async def ping():
    return "pong"


@app.post("/check")
async def check(question: Question, x_user: str = Header()):
    principal = Principal(user=SimpleNamespace(id=x_user, roles=model["held"]))
    permission = f"{question.table}.{question.operation}"
    if not has_permission(principal, f"{permission}.a"):
        row = SimpleNamespace(owner_id=question.owner)
        enforce_abac(
            principal, permission=f"{permission}.m", resource=row, predicate=owns_resource()
        )
    return {"allowed": True}


async def prepare() -> None:
    engine = create_async_engine(URL)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        rows = [
            {
                "id": f"00000000-0000-4000-8000-{number:012}",
                "tenant_id": "load" if number < MEMBERS else "other",
                "user_id": f"00000000-0000-4000-9000-{number:012}",
                "username": f"load-{number}",
                "email": f"load-{number}@load.example",
                "first_name": "Load",
                "last_name": f"Number {number}",
                "enabled": True,
                "version": 1,
            }
            for number in range(2 * MEMBERS)
        ]
        await connection.execute(Member.__table__.insert(), rows)
    await engine.dispose()


def ask(method: str, path: str, headers: dict, body: dict | None = None) -> dict:
    if body is not None:
        headers = {"Content-Type": "application/json", **headers}
    text = "" if body is None else json.dumps(body)
    return {"method": method, "path": path, "callers": [list(headers.items())], "body": text}


def tell() -> None:
    keys = ("table", "operation", "owner")
    allowed, refused = (
        ask("POST", "/check", {"X-User": model["user"]}, {key: asked[key] for key in keys})
        for asked in model["questions"][:2]
    )
    members = ask("GET", "/_sql/members?limit=50", {"X-Tenant-Id": "load"})
    said = {
        "version": version("svc-infra"),
        "check": {"ask": allowed, "status": 200, "contains": "true"},
        "refused": {"ask": refused, "status": 403, "contains": "missing_permissions"},
        "list": {"ask": members, "status": 200, "contains": f'"total":{MEMBERS}'},
    }
    Path(FOLDER, "said.json").write_text(json.dumps(said))


def end_with_harness() -> None:
    """The benchmarks hold the other end of standard input: when they end, so does this."""
    sys.stdin.read()
    os.killpg(0, 15)


if __name__ == "__main__":
    # The workers import this module by its name, and are told the same.
    os.environ["PEER"] = "\n".join((MODEL, FOLDER, ADDRESS))
    os.setpgid(0, 0)
    threading.Thread(target=end_with_harness, daemon=True).start()
    asyncio.run(prepare())
    tell()
    where, port = ADDRESS.split(":")
    uvicorn.run(
        "svc_infra_app:app",
        host=where,
        port=int(port),
        workers=os.cpu_count(),
        app_dir=str(Path(__file__).parent),
        access_log=False,
        timeout_worker_healthcheck=60,
    )
