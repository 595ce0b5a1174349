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

import targets
from world import ADMIN, SYS_ADMIN, World

SEED = int(os.environ["DRIVE_SEED"])
WORLD = World(os.environ["DRIVE_BASE"], os.environ["DRIVE_ROLE"], SEED)
# Every case as it was generated, in order: what two runs of the same seed have in common.
CASES = Path(os.environ["DRIVE_CASES"]).open("w")
# How often what was generated is sent as it is.
AS_GENERATED = 0.1
# How often a body that is known to be taken is sent as it is; else it is put over what was generated.
AS_KNOWN = 0.5
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

# After these, what was called on, or named in the body, may not do any more.
USED_UP = {404, 409, 410} if WORLD.role in (SYS_ADMIN, ADMIN) else {409, 410}

seen: set[str] = set()
# What each operation is called on, and with.
paths: dict[str, targets.Path] = {}
bodies: dict[str, dict] = {}
answers: dict[str, Counter] = defaultdict(Counter)
# Whether a case is sent with the query and the body that it was found with.
replays = False


@schemathesis.auth(refresh_interval=300)
class SignedIn:
    def get(self, case, context):
        return WORLD.client.sign_in("driver")

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
    path = choose_path(case, operation)
    choose_headers(case, path)
    if not replays:
        choose_query(case, operation)
        choose_body(case, operation)


@schemathesis.hook
def after_call(context, case, response):
    operation = operation_id(case)
    if case.method.upper() != case.operation.method.upper():
        return
    answers[operation][response.status_code] += 1
    if response.status_code < 300 or response.status_code in USED_UP:
        paths.pop(operation, None)
        bodies.pop(operation, None)
    # A refusal repeats what it was asked, and the document's examples are nobody's.
    if response.status_code < 300 and operation != "get_openapi":
        seen.update(UUID.findall(response.text[:100_000]))


def report() -> None:
    Path(os.environ["DRIVE_COUNTS"]).write_text(json.dumps(answers, indent=1, sort_keys=True))


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


def choose_path(case, operation: str) -> targets.Path:
    """Answers what the call is made on."""
    names = list(case.path_parameters or {})
    known = targets.common(WORLD)
    is_signed_in = "Authorization" in case.headers and is_valid(case, ParameterLocation.HEADER)
    if is_signed_in and (replaced := targets.caller(WORLD, operation)):
        case.headers["Authorization"] = f"Bearer {replaced[0]}"
        known |= replaced[1]
    elif operation in targets.OF_ITS_OWN:
        if operation not in paths:
            paths[operation] = targets.OF_ITS_OWN[operation](WORLD)
        known |= paths[operation]
    if not is_valid(case, ParameterLocation.PATH):
        return known
    links = {str(case.path_parameters[name]) for name in names if name in known}
    is_spared = operation in targets.OF_ITS_OWN and not WORLD.protected.isdisjoint(links)
    is_kept = links <= seen or WORLD.chance.random() < AS_GENERATED
    if is_spared or not is_kept:
        case.path_parameters.update({name: known[name] for name in names if name in known})
    return known | case.path_parameters


def choose_headers(case, path: targets.Path) -> None:
    if not is_valid(case, ParameterLocation.HEADER):
        return
    declared = {parameter.name for parameter in case.operation.headers}
    if "X-Mandate-Id" in declared and "X-Mandate-Id" in case.headers:
        case.headers["X-Mandate-Id"] = str(path["mandateId"]) if "mandateId" in case.path_parameters else WORLD.mandate
    if "X-Instance-Id" in declared and "X-Instance-Id" in case.headers:
        case.headers["X-Instance-Id"] = WORLD.instances[feature(case)]
    if "If-Match" in declared and "If-Match" in case.headers and WORLD.chance.random() >= AS_GENERATED:
        case.headers["If-Match"] = "*"


def feature(case) -> str:
    """The feature whose table the operation is about; any of them where it is about none."""
    clauses = case.operation.definition.raw["x-access"].get("anyOf", [])
    return next((clause["feature"] for clause in clauses if "feature" in clause), WORLD.chance.choice(list(WORLD.instances)))


def choose_query(case, operation: str) -> None:
    if not is_valid(case, ParameterLocation.QUERY) or not case.query or WORLD.chance.random() < AS_GENERATED:
        return
    if operation in targets.QUERIES:
        merge(case.query, targets.QUERIES[operation](WORLD))
    for name in targets.ONLY_FROM_ANSWERS:
        case.query.pop(name, None)


def choose_body(case, operation: str) -> None:
    if not isinstance(case.body, dict) or not is_valid(case, ParameterLocation.BODY) or WORLD.chance.random() < AS_GENERATED:
        return
    if operation in targets.BODIES:
        if operation not in bodies:
            bodies[operation] = targets.BODIES[operation](WORLD)
        if WORLD.chance.random() < AS_KNOWN:
            case.body = {}
        merge(case.body, bodies[operation])
    case.body.pop("version", None)


def merge(into: dict, known: dict) -> None:
    """Puts what is known over it; null takes away."""
    into.update({name: value for name, value in known.items() if value is not None})
    for name in [name for name, value in known.items() if value is None]:
        into.pop(name, None)
