import os
import uuid
from typing import TypeVar

from bailiwick_client import AuthenticatedClient, Client
from bailiwick_client.api.access import check_access
from bailiwick_client.api.playbooks import create_playbook, list_playbooks, update_playbook
from bailiwick_client.api.sign_in import get_me, login
from bailiwick_client.models import Check, CheckAccess, CreatePlaybook, Login, Operation, Problem, UpdatePlaybook

T = TypeVar("T")


def told(answer: T | Problem | None) -> T:
    if answer is None or isinstance(answer, Problem):
        raise RuntimeError(answer and f"{answer.code}: {answer.detail} (request {answer.request_id})")
    return answer


base, bob = os.environ.get("BASE", "http://127.0.0.1:8080"), Login(username="bob", password="bailiwick-demo")
api = AuthenticatedClient(base, token=told(login.sync(client=Client(base), body=bob)).access_token)
mandate = str(told(get_me.sync(client=api)).mandates[0].id)

checks = CheckAccess(checks=[Check(table="playbooks", operation=Operation.CREATE)])
print(told(check_access.sync(client=api, x_mandate_id=mandate, body=checks)).results[0].allowed)

key = str(uuid.uuid4())  # the same one if it has to be sent again
rota = CreatePlaybook(name="rota", title="On call")
made = told(create_playbook.sync(client=api, x_mandate_id=mandate, idempotency_key=key, body=rota))
tag, today = f'"{made.version}"', UpdatePlaybook(title="On call today")  # 412 if it has another by now
told(update_playbook.sync(str(made.id), client=api, x_mandate_id=mandate, if_match=tag, body=today))

page = told(list_playbooks.sync(client=api, x_mandate_id=mandate, limit=1))
print(page.items[0].name, page.items[0].title)
while page.next_cursor is not None:
    page = told(list_playbooks.sync(client=api, x_mandate_id=mandate, limit=1, cursor=page.next_cursor))
    print(page.items[0].name, page.items[0].title)
