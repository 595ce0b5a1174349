from typing import Any

import jwt


class KeysUnavailable(Exception):
    """The keys cannot be fetched, which says nothing of a token: to be answered with 503."""


class PublishedKeys(jwt.PyJWKClient):
    def fetch_data(self) -> Any:
        try:
            return super().fetch_data()
        except (jwt.PyJWTError, OSError, ValueError) as error:
            raise KeysUnavailable("the keys cannot be fetched") from error


class AccessTokens:
    """Verifies access tokens of Bailiwick, with the keys that it publishes. `issuer` is its `BAILIWICK_ISSUER`."""

    def __init__(self, base: str, issuer: str) -> None:
        # Fetched when a token names a key that is not there yet, and anew after five minutes.
        self._keys = PublishedKeys(f"{base}/.well-known/jwks.json", timeout=2)
        self._issuer = issuer

    def user(self, token: str) -> str:
        """The id of the user whom the token names. Answer `jwt.PyJWTError` with 401, `KeysUnavailable` with 503."""
        found = jwt.decode_complete(
            token,
            self._keys.get_signing_key_from_jwt(token),
            algorithms=["EdDSA", "ES256"],
            issuer=self._issuer,
            audience="bailiwick",
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        if found["header"].get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("another kind of token")
        return str(found["payload"]["sub"])
