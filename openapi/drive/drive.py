"""Drives the service with Schemathesis, as a SysAdmin, a mandate admin, a member and an outsider.

Each has a service and a world of their own. Fails when a check of Schemathesis fails, when an operation was called too seldom by
somebody, when an operation answered 2xx to nobody, or when anything that the service printed or keeps holds a secret of the run.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from service import Service
from unspoken import finds, mailed, spoken
from world import LEAST_CALLS, ROLES

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "openapi.json"
OUTPUT = HERE.parents[1] / "target" / "openapi"
# How the gates call each operation, as they wrote it down.
DESCRIBED = OUTPUT / "described.json"
# Passwords and tokens that a run makes at least.
LEAST_SECRETS = 100
METHODS = ("get", "put", "post", "delete", "patch")
# Those that call; each has a service that ends after it.
running: list[subprocess.Popen] = []


def operations() -> list[str]:
    paths = json.loads(DOCUMENT.read_text())["paths"]
    return sorted(item[method]["operationId"] for item in paths.values() for method in METHODS if method in item)


def drive(role: str, seed: int, more: list[str]) -> tuple[int, list[str], dict[str, Counter]]:
    """Answers Schemathesis' exit code, where secrets were found, and how often each operation answered with each status."""
    counts, log = OUTPUT / f"{role}.json", OUTPUT / f"{role}.log"
    counts.unlink(missing_ok=True)
    secrets = OUTPUT / f"{role}.secrets"
    secrets.unlink(missing_ok=True)
    with Service(OUTPUT / f"{role}.service.log") as service, log.open("w") as output:
        environment = os.environ | {
            "DRIVE_BASE": service.base,
            "DRIVE_ROLE": role,
            "DRIVE_SEED": str(seed),
            "DRIVE_COUNTS": str(counts),
            "DRIVE_SECRETS": str(secrets),
            "DRIVE_CASES": str(OUTPUT / f"{role}.cases"),
            "DRIVE_DESCRIBED": str(DESCRIBED),
            "DRIVE_MAIL": str(service.mail),
            # The order of sets is a choice too.
            "PYTHONHASHSEED": "0",
        }
        command = [sys.executable, HERE / "as_role.py", *more]
        child = subprocess.Popen(command, cwd=OUTPUT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        running.append(child)
        code = child.wait()
        leaks = leaked(role, service, secrets) if secrets.exists() else [f"{role}: no secrets were noted"]
    told = json.loads(counts.read_text()) if counts.exists() else {}
    return code, leaks, {operation: Counter({int(status): n for status, n in by.items()}) for operation, by in told.items()}


def leaked(role: str, service: Service, noted: Path) -> list[str]:
    """Where anything of a service that is done holds a secret of its run."""
    told = json.loads(noted.read_text())
    noted.unlink()
    printed = OUTPUT / f"{role}.printed"
    printed.write_text(service.printed + requests.get(service.metrics, timeout=60).text)
    secrets = set(told["secrets"]) | mailed(service.mail)
    files = [printed, service.log, *service.stop()]
    size = sum(file.stat().st_size for file in files) >> 20
    print(f"{role}: looked for {len(secrets)} secrets in {len(files)} files, {size} MiB.", flush=True)
    enough = [] if finds() else ["what is hidden is not found"]
    enough += [] if len(secrets) >= LEAST_SECRETS else [f"only {len(secrets)} secrets were made"]
    return [f"{role}: {what}" for what in enough + told["repeated"] + spoken(secrets, files)]


def is_ok(status: int) -> bool:
    return 200 <= status < 300


def succeeded(answers: Counter) -> int:
    return sum(n for status, n in answers.items() if is_ok(status))


def table(found: dict[str, dict[str, Counter]]) -> str:
    """Calls and successes by operation and role."""
    lines = [f"{'calls / 2xx':34}" + "".join(f"{role:>16}" for role in found)]
    for operation in operations():
        by_role = (by.get(operation, Counter()) for by in found.values())
        lines.append(f"{operation:34}" + "".join(f"{f'{answers.total()} / {succeeded(answers)}':>16}" for answers in by_role))
    return "\n".join(lines)


def shortcomings(codes: dict[str, int], found: dict[str, dict[str, Counter]]) -> list[str]:
    failed = [f"{role}: Schemathesis failed; see {OUTPUT / role}.log" for role, code in codes.items() if code != 0]
    seldom = [
        f"{role}: `{operation}` was called {by.get(operation, Counter()).total()} times, less than {LEAST_CALLS}"
        for role, by in found.items()
        for operation in operations()
        if by.get(operation, Counter()).total() < LEAST_CALLS
    ]
    never = [op for op in operations() if not any(succeeded(by.get(op, Counter())) for by in found.values())]
    print(f"{len(operations()) - len(never)} of {len(operations())} operations answered 2xx.")
    if set(found) != set(ROLES):
        # Some are for one of them only.
        print("Never 2xx: " + ", ".join(never))
        never = []
    return failed + seldom + [f"`{operation}` answered 2xx to nobody; see targets.py" for operation in never]


def stop_in_order(pool: ThreadPoolExecutor) -> None:
    """When told to stop: nobody begins any more, and no service is left behind."""

    def stop(*_) -> None:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in running:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=20260101, help="of all chance")
    arguments.add_argument("--role", choices=ROLES, action="append", help="only as this one; may be repeated")
    arguments.add_argument("more", nargs="*", help="further arguments for `schemathesis run`, after `--`")
    given = arguments.parse_args()
    roles = given.role or list(ROLES)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        stop_in_order(pool)
        results = dict(zip(roles, pool.map(lambda role: drive(role, given.seed, given.more), roles)))
    found = {role: by for role, (*_, by) in results.items()}
    print(table(found))
    wrong = shortcomings({role: code for role, (code, *_) in results.items()}, found)
    wrong += [leak for _, leaks, _ in results.values() for leak in leaks]
    for line in wrong:
        print(line)
    print(f"Seed {given.seed}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
