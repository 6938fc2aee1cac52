"""The fake Threads as a platform that an installed package adds to processes of the service."""

from __future__ import annotations

import os

from sharetally.adapters.platforms.threads.client import ThreadsPublisher
from sharetally.adapters.platforms.threads.connect import ThreadsConnector
from sharetally.ports.outbound import Outbound
from sharetally.settings import Settings
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET

ADDRESS = "THREADS_FOR_TESTS"  # the variable that tells the package where the server is


def connector(settings: Settings, outbound: Outbound) -> ThreadsConnector:
    """What the package adds for connecting."""
    return ThreadsConnector(outbound, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url=os.environ[ADDRESS])


def publisher(settings: Settings, outbound: Outbound) -> ThreadsPublisher:
    """What the package adds for posting."""
    return ThreadsPublisher(outbound, base_url=os.environ[ADDRESS])
