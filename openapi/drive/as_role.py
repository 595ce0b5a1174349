"""One role's part: Schemathesis, and then what it called too seldom.

`drive.py` runs it and tells it by the environment where the service is. Its arguments are Schemathesis'.
"""

import os
import sys
from pathlib import Path

import hypothesis
import requests
import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.cli import schemathesis as command
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

# Makes the world, and is known to Schemathesis from then on.
import hooks
from world import LEAST_CALLS

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "openapi.json"
CONFIGURATION = HERE / "schemathesis.toml"


def main() -> int:
    base, seed = os.environ["DRIVE_BASE"], int(os.environ["DRIVE_SEED"])
    arguments = ["--config-file", str(CONFIGURATION), "run", str(DOCUMENT), "--url", base, "--seed", str(seed), *sys.argv[1:]]
    try:
        command.main(arguments, standalone_mode=False)
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    failed = [failure for operation in operations(base) for failure in make_up(operation, seed)]
    for failure in failed:
        print(failure)
    hooks.report()
    return code or bool(failed)


def operations(base: str):
    configuration = SchemathesisConfig.from_path(CONFIGURATION)
    schema = schemathesis.openapi.from_path(DOCUMENT, config=configuration)
    schema.config.update(base_url=base)
    return [found.ok() for found in schema.get_all_operations()]


def make_up(operation, seed: int) -> list[str]:
    """Calls an operation as often as it lacks calls, and answers what failed.

    One without parameters has one request, which Schemathesis sends a few times and no more; but the service that it meets is
    another each time.
    """
    name = operation.definition.raw["operationId"]
    failed, session = [], requests.Session()

    def call(case) -> None:
        try:
            case.call_and_validate(session=session, excluded_checks=[CHECKS.get_one("positive_data_acceptance")])
        except FailureGroup as failures:
            failed.append(str(failures))

    while (missing := LEAST_CALLS - hooks.answers[name].total()) > 0:
        once_more(operation, call, missing, seed)
        # As many as there are different ones; the rest repeats them.
        seed += 1
    return failed


def once_more(operation, call, most: int, seed: int) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=most,
        phases=[hypothesis.Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(auth_storage=schemathesis.auths.GLOBAL_AUTH_STORAGE))
    def run(case):
        call(case)

    run()


if __name__ == "__main__":
    sys.exit(main())
