"""Schemathesis' hooks: signs the driver in, points calls at things that exist, and counts what was answered.

Only what was generated to be valid is changed: an invalid parameter or body stays as it is, and is sent to something real.
"""

import copy
import json
import os
import random
import re
from collections import Counter, defaultdict
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from targets import ONLY_FROM_ANSWERS, Call, Targets
from unspoken import Unspoken
from world import ADMIN, DRIVER, SYS_ADMIN, World, session_of

SEED = int(os.environ["DRIVE_SEED"])
# Before anybody calls.
UNSPOKEN = Unspoken()
WORLD = World(os.environ["DRIVE_BASE"], os.environ["DRIVE_ROLE"], SEED)
# What is logged or kept of what was refused is as good as told.
UNSPOKEN.secrets.update(WORLD.tell_in_vain())
DOCUMENT = Path(__file__).resolve().parent.parent / "openapi.json"
TARGETS = Targets(WORLD, json.loads(DOCUMENT.read_text()), json.loads(Path(os.environ["DRIVE_DESCRIBED"]).read_text()))
# Every case as it was generated, in order: what two runs of the same seed have in common.
CASES = Path(os.environ["DRIVE_CASES"]).open("w")
# How often what was generated is sent as it is.
AS_GENERATED = 0.1
# How often what is known to be taken is sent as it is; else it is put over what was generated.
AS_KNOWN = 0.5
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

# After these, what was called on, or named in the body, may not do any more.
USED_UP = {404, 409, 410} if WORLD.role in (SYS_ADMIN, ADMIN) else {409, 410}

seen: set[str] = set()
# What each operation is called on, and with, until that is used up.
calls: dict[str, Call] = {}
answers: dict[str, Counter] = defaultdict(Counter)
# Whether a case is sent with the query and the body that it was found with.
replays = False


@schemathesis.auth(refresh_interval=300)
class SignedIn:
    def get(self, case, context):
        token = WORLD.client.sign_in(DRIVER)
        # The driver sees its own sessions, and without this one all that follows would be refused.
        WORLD.protected.add(session_of(token))
        return token

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = operation_id(case)
    note(case, operation)
    # Cases share parts with each other: what is changed for one is not generated for the next.
    for part in ("path_parameters", "query", "body"):
        if isinstance(getattr(case, part), dict):
            setattr(case, part, copy.deepcopy(getattr(case, part)))
    if case.method.upper() != case.operation.method.upper():
        return
    # Of each call by itself: one call more or less of another operation changes no choice.
    WORLD.chance = random.Random(f"{SEED} {operation} {answers[operation].total()}")
    if operation not in calls:
        calls[operation] = TARGETS.choose(operation)
    call = calls[operation]
    choose_path(case, operation, call)
    choose_headers(case, call)
    if not replays:
        choose_query(case, call)
        choose_body(case, call)


@schemathesis.hook
def after_call(context, case, response):
    operation = operation_id(case)
    if case.method.upper() != case.operation.method.upper():
        return
    answers[operation][response.status_code] += 1
    is_anothers = response.status_code == 403 and TARGETS.may_be_anothers(operation)
    if response.status_code < 300 or response.status_code in USED_UP or is_anothers:
        calls.pop(operation, None)
    # A refusal repeats what it was asked, and the document's examples are nobody's.
    if response.status_code < 300 and operation != "get_openapi":
        seen.update(UUID.findall(response.text[:100_000]))


def denies_what_is_wrong(case, response) -> bool:
    """Whether a question among several was found to be wrong, and denied for that."""
    if operation_id(case) != "evaluate_accesses" or response.status_code != 200:
        return False
    answers = response.json().get("evaluations", [])
    return any(not answer["decision"] and answer["context"]["reason"] for answer in answers)


def answers_line_by_line(case, response) -> bool:
    """Whether it is a file: whatever is wrong with it is told of each line, and any text is one."""
    return case.path.endswith("/import") and response.status_code == 200


def report() -> None:
    Path(os.environ["DRIVE_COUNTS"]).write_text(json.dumps(answers, indent=1, sort_keys=True))
    Path(os.environ["DRIVE_SECRETS"]).write_text(json.dumps(UNSPOKEN.told()))


def note(case, operation: str) -> None:
    parts = {
        "path": case.path_parameters,
        "query": case.query,
        "headers": {name: value for name, value in (case.headers or {}).items() if name != "Authorization"},
        "body": case.body,
    }
    sent = {name: part for name, part in parts.items() if isinstance(part, (dict, list, str, int, float, bool)) and part != {}}
    print(case.method, operation, json.dumps(sent, sort_keys=True, default=str), file=CASES, flush=True)


def named(operation) -> str:
    return operation.definition.raw["operationId"]


def operation_id(case) -> str:
    return named(case.operation)


def is_valid(case, location: ParameterLocation) -> bool:
    return case.meta is None or not case.meta.is_negative_at(location)


def choose_path(case, operation: str, call: Call) -> None:
    if call.caller and "Authorization" in case.headers and is_valid(case, ParameterLocation.HEADER):
        case.headers["Authorization"] = f"Bearer {WORLD.client.sign_in(call.caller)}"
    if not case.path_parameters or not is_valid(case, ParameterLocation.PATH):
        return
    links = {str(value) for value in case.path_parameters.values()}
    is_spared = TARGETS.changes(operation) and not WORLD.protected.isdisjoint(links)
    is_kept = links <= seen or WORLD.chance.random() < AS_GENERATED
    if is_spared or not is_kept:
        case.path_parameters.update(call.path)


def choose_headers(case, call: Call) -> None:
    if not is_valid(case, ParameterLocation.HEADER):
        return
    declared = {parameter.name for parameter in case.operation.headers}
    if "X-Mandate-Id" in declared and "X-Mandate-Id" in case.headers:
        case.headers["X-Mandate-Id"] = str((case.path_parameters or {}).get("mandateId", WORLD.mandate))
    if "X-Instance-Id" in declared and "X-Instance-Id" in case.headers:
        case.headers["X-Instance-Id"] = WORLD.instances.get(feature(case), call.instance)
    if "If-Match" in declared and "If-Match" in case.headers and WORLD.chance.random() >= AS_GENERATED:
        case.headers["If-Match"] = "*"


def feature(case) -> str | None:
    """The feature whose table the operation is about."""
    clauses = case.operation.definition.raw["x-access"].get("anyOf", [])
    return next((clause["feature"] for clause in clauses if "feature" in clause), None)


def choose_query(case, call: Call) -> None:
    if not is_valid(case, ParameterLocation.QUERY) or not case.query or WORLD.chance.random() < AS_GENERATED:
        return
    # Parameters may stand in each other's way.
    if call.query and WORLD.chance.random() < AS_KNOWN:
        case.query = {}
    case.query.update(call.query)
    for name in ONLY_FROM_ANSWERS:
        case.query.pop(name, None)


def choose_body(case, call: Call) -> None:
    if isinstance(call.body, str):
        choose_lines(case, call)
        return
    if not isinstance(case.body, dict) or not is_valid(case, ParameterLocation.BODY) or WORLD.chance.random() < AS_GENERATED:
        return
    if call.body and WORLD.chance.random() < AS_KNOWN:
        case.body = {}
    case.body.update(copy.deepcopy(call.body or {}))
    case.body.pop("version", None)


def choose_lines(case, call: Call) -> None:
    """A file is a text to those who generate it."""
    if isinstance(case.body, str) and is_valid(case, ParameterLocation.BODY) and WORLD.chance.random() >= AS_GENERATED:
        case.body = as_csv(call.body) if case.media_type == "text/csv" else call.body


def as_csv(line: str) -> str:
    row = json.loads(line)
    fields = [";".join(value) if isinstance(value, list) else str(value) for value in row.values()]
    return ",".join(row) + "\n" + ",".join(fields) + "\n"


@schemathesis.serializer("application/x-ndjson", "text/csv")
def lines(context, value):
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
