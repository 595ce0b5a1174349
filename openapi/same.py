"""Whether two OpenAPI documents say the same to a client once all references are followed: prose,
examples and the order of parameters and headers left out. The codes of refusals count, wherever
they stand.

    python3 openapi/same.py OLD NEW
"""

import json
import re
import sys


def resolved(document, part, open=()):
    """A part with what its references lead to; a schema that holds itself is named there."""
    if isinstance(part, list):
        return [resolved(document, item, open) for item in part]
    if not isinstance(part, dict):
        return part
    if reference := part.get("$ref"):
        if reference in open:
            return reference
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        beside = {name: said for name, said in part.items() if name != "$ref"}
        return resolved(document, target | beside, (*open, reference))
    return {name: resolved(document, member, open) for name, member in part.items()}


def codes(document, answer):
    known = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    named = answer.get("x-codes") or re.findall("[a-z_]+", answer["description"])
    return sorted(code for code in known if code in named)


def bare(part, data=False):
    """A part without prose and examples. `data`: its members have names of their own."""
    if isinstance(part, list):
        return [bare(item) for item in part]
    if not isinstance(part, dict):
        return part
    prose = ("description", "summary", "example", "examples", "x-codes")
    kept = part if data else {n: m for n, m in part.items() if n not in prose}
    return {name: bare(member, name == "properties") for name, member in kept.items()}


def told(document):
    answer = {"schemes": document["components"]["securitySchemes"]}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            whole = resolved(document, operation)
            responses = whole["responses"].items()
            refused = {status: codes(document, one) for status, one in responses if status[0] in "45"}
            plain = bare(whole)
            parameters = plain.get("parameters", [])
            plain["parameters"] = {f"{one['in']} {one['name']}": one for one in parameters}
            answer[f"{method} {path}"] = plain | {"refused": refused}
    return answer


old, new = (told(json.load(open(name))) for name in sys.argv[1:])
differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
for name in differing:
    print("differs:", name)
    for part in sorted((old.get(name) or {}).keys() | (new.get(name) or {}).keys()):
        was, now = ((one.get(name) or {}).get(part) for one in (old, new))
        if was != now:
            print(" ", part)
            print("    was", json.dumps(was)[:2000])
            print("    is ", json.dumps(now)[:2000])
print(f"{len(old)} and {len(new)} operations and schemes, {len(differing)} differ")
sys.exit(bool(differing))
