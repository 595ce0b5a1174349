import threading
from collections.abc import Callable, Generator

import httpx
from bailiwick_client import Client
from bailiwick_client.api.sign_in import refresh_session
from bailiwick_client.models import RefreshSession, TokenAnswer


class SignedOut(Exception):
    """The session is over: sign in anew."""


class StayingSignedIn(httpx.Auth):
    """Sends the access token, and where that has expired gets the next pair. `keep` puts each new one where the next start of
    the application finds it."""

    def __init__(self, base: str, pair: TokenAnswer, keep: Callable[[TokenAnswer], None]) -> None:
        self._base, self._pair, self._keep = base, pair, keep
        self._renewing = threading.Lock()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        used = self._pair
        request.headers["Authorization"] = f"Bearer {used.access_token}"
        answer = yield request
        if answer.status_code != 401:
            return
        answer.read()
        if answer.json()["code"] != "unauthenticated":
            return
        # A token is good once: whoever comes meanwhile waits for the same pair.
        with self._renewing:
            if self._pair is used:
                self._renew()
        request.headers["Authorization"] = f"Bearer {self._pair.access_token}"
        yield request

    def _renew(self) -> None:
        body = RefreshSession(refresh_token=self._pair.refresh_token)
        answer = refresh_session.sync(client=Client(self._base), body=body)
        if isinstance(answer, TokenAnswer):
            self._pair = answer
            self._keep(answer)
        elif answer is not None and answer.code == "session_revoked":
            raise SignedOut(answer.detail)
        else:  # to be tried again, as any request
            raise RuntimeError(answer and f"{answer.code}: {answer.detail}")


def signed_in(base: str, pair: TokenAnswer, keep: Callable[[TokenAnswer], None]) -> Client:
    return Client(base, httpx_args={"auth": StayingSignedIn(base, pair, keep)})
