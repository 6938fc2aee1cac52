"""What every fake of a platform can do besides answering requests."""

from __future__ import annotations

from abc import abstractmethod

from tests.fakes.api_server import ApiServer
from tests.fakes.oauth import Grants


class FakePlatform(ApiServer):
    """A platform with one user; `pkce` says whether it verifies code challenges."""

    pkce = False

    def __init__(self) -> None:
        super().__init__()
        self.grants = Grants()

    def agree(self, url: str) -> dict[str, str]:
        """The user opens the authorization URL and agrees; returns the parameters of the callback."""
        return self.grants.agree(url, pkce=self.pkce)

    @abstractmethod
    def texts(self) -> list[str]:
        """The text of each post that is there."""
