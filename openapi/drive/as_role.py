"""One role's part: Schemathesis' coverage and sequences, then what is drawn for each operation, and the cases that were found before.

What is drawn is not left to Schemathesis' own phase: run as often as one likes, that does not draw the same twice.

`drive.py` runs it and tells it by the environment where the service is. Its arguments are Schemathesis'.
"""

import json
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
from schemathesis.generation import GenerationMode

# Makes the world, and is known to Schemathesis from then on.
import hooks
from world import DRIVER, LEAST_CALLS

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "openapi.json"
CONFIGURATION = HERE / "schemathesis.toml"
# Cases that failed once, and are sent by every run.
FOUND = HERE / "found.json"
# How many are drawn of each kind, for each operation.
EACH = 30
# As in the configuration.
EXCLUDED = [CHECKS.get_one("positive_data_acceptance")]
NEGATIVE = CHECKS.get_one("negative_data_rejection")


def main() -> int:
    base, seed = os.environ["DRIVE_BASE"], int(os.environ["DRIVE_SEED"])
    arguments = ["--config-file", str(CONFIGURATION), "run", str(DOCUMENT), "--url", base, "--seed", str(seed), *sys.argv[1:]]
    try:
        command.main(arguments, standalone_mode=False)
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    known = operations(base)
    failed = [failure for operation in known for failure in draw(operation, seed)]
    failed += [failure for found in json.loads(FOUND.read_text()) if found["as"] == hooks.WORLD.role for failure in replay(known, found)]
    for failure in failed:
        print(failure)
    hooks.report()
    return code or bool(failed)


def operations(base: str):
    configuration = SchemathesisConfig.from_path(CONFIGURATION)
    schema = schemathesis.openapi.from_path(DOCUMENT, config=configuration)
    schema.config.update(base_url=base)
    return [found.ok() for found in schema.get_all_operations()]


def replay(known: list, found: dict) -> list[str]:
    """Sends a case that was found once, whatever was drawn this time, and answers what failed."""
    operation = next(one for one in known if hooks.named(one) == found["operation"])
    parameters = operation.path_parameters or ()
    case = operation.Case(
        path_parameters={parameter.name: "" for parameter in parameters},
        query=found.get("query", {}),
        headers={"Authorization": f"Bearer {hooks.WORLD.client.sign_in(DRIVER)}", "X-Mandate-Id": hooks.WORLD.mandate},
        **({"body": found["body"], "media_type": "application/json"} if "body" in found else {}),
    )
    hooks.replays = True
    try:
        response = case.call_and_validate(excluded_checks=EXCLUDED)
    except FailureGroup as failures:
        return [str(failures)]
    finally:
        hooks.replays = False
    if response.status_code == found["answered"]:
        return []
    return [f"{found['operation']} answers {response.status_code} instead of {found['answered']}: {found['about']} {response.text}"]


def draw(operation, seed: int) -> list[str]:
    """Calls an operation with what it allows and what it does not, and as often as it then lacks calls; answers what failed.

    One without parameters has one request, which is drawn once and no more; but the service that it meets is another each time.
    """
    name = hooks.named(operation)
    failed, session = [], requests.Session()

    def call(case) -> None:
        response = case.call(session=session)
        # Of several questions each answers for itself: one that is wrong is denied, with the reason.
        each_by_itself = hooks.denies_what_is_wrong(case, response) or hooks.answers_line_by_line(case, response)
        excluded = EXCLUDED + [NEGATIVE] * each_by_itself
        try:
            case.validate_response(response, excluded_checks=excluded)
        except FailureGroup as failures:
            failed.append(str(failures))

    for mode in GenerationMode:
        once_more(operation, call, EACH, seed, mode)
    while (missing := LEAST_CALLS - hooks.answers[name].total()) > 0:
        once_more(operation, call, missing, seed, GenerationMode.POSITIVE)
        # As many as there are different ones; the rest repeats them.
        seed += 1
    return failed


def once_more(operation, call, most: int, seed: int, mode: GenerationMode) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=most,
        phases=[hypothesis.Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode, auth_storage=schemathesis.auths.GLOBAL_AUTH_STORAGE))
    def run(case):
        call(case)

    try:
        run()
    except hypothesis.errors.Unsatisfiable:
        # There is nothing to send wrong.
        assert mode == GenerationMode.NEGATIVE


if __name__ == "__main__":
    sys.exit(main())
