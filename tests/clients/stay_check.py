"""What docs/clients.md shows for staying signed in, with the real service."""

import os
from concurrent.futures import ThreadPoolExecutor

from bailiwick_client import AuthenticatedClient, Client
from bailiwick_client.api.sign_in import change_password, get_me, login, logout
from bailiwick_client.models import ChangePassword, Login, Me, Problem, TokenAnswer

from stay import SignedOut, signed_in

BASE = os.environ["BASE"]


def check() -> None:
    pair = login.sync(client=Client(BASE), body=Login(username="bob", password="bailiwick-demo"))
    assert isinstance(pair, TokenAnswer)
    kept: list[TokenAnswer] = []
    # As one that has expired meanwhile.
    expired = TokenAnswer.from_dict({**pair.to_dict(), "accessToken": f"{pair.access_token}x"})
    api = signed_in(BASE, expired, kept.append)

    def asked(_: int) -> str:
        me = get_me.sync(client=api)  # type: ignore[arg-type]
        assert isinstance(me, Me)
        return me.username

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(asked, range(3))) == ["bob"] * 3
    assert len(kept) == 1 and kept[0].refresh_token != pair.refresh_token

    # What is refused for another reason is refused.
    wrong = ChangePassword(current="wrong", password="drifting-Lantern-71-quay")
    refused = change_password.sync(client=api, body=wrong)  # type: ignore[arg-type]
    assert isinstance(refused, Problem) and refused.code == "invalid_credentials"

    logout.sync_detailed(client=AuthenticatedClient(BASE, token=kept[0].access_token))
    try:
        get_me.sync(client=api)  # type: ignore[arg-type]
    except SignedOut:
        assert len(kept) == 1
        return
    raise AssertionError("the session is over")


check()
