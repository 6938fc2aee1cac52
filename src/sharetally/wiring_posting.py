"""The platforms that can be posted to: how an account is connected there, and how a post gets there.

POST_PLATFORMS names the built-in ones; installed packages add others through the entry-point groups
`sharetally.connectors` and `sharetally.publishers`. Every request goes through one guarded client, because users name
the servers of Mastodon and Bluesky.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from sharetally.domain.errors import ConfigurationError
from sharetally.flow.delivery.handler import Handler
from sharetally.flow.posting.handler import PostHandler
from sharetally.flow.posting.spending import PostSpending
from sharetally.ports import Clock, Database
from sharetally.ports.outbound import Outbound
from sharetally.ports.posting_platform import Connector, Publisher
from sharetally.ports.spending import SpendingStore
from sharetally.settings import Settings

CONNECTORS_GROUP = "sharetally.connectors"
PUBLISHERS_GROUP = "sharetally.publishers"
Connectors: TypeAlias = Mapping[str, Connector]
Publishers: TypeAlias = Mapping[str, Publisher]


@contextmanager
def _naming_the_extra() -> Iterator[None]:
    """Turn a package that is missing into an error that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"POST_PLATFORMS needs: pip install 'sharetally[posting]' ({error.name})") from error


@_naming_the_extra()
def posting_outbound(settings: Settings) -> Outbound:
    """The client for requests to platforms: it connects to public addresses only, and to POST_PRIVATE_SERVERS."""
    from sharetally.adapters.outbound import OutboundClient
    from sharetally.adapters.outbound_guard import AddressGuard

    if settings.outbound_proxies:  # the proxy resolves the names, so it has to guard the addresses
        return OutboundClient(proxies_from_env=True)
    hosts = frozenset(urlsplit(server).hostname or "" for server in settings.post_private_servers)
    return OutboundClient(guard=AddressGuard(exempt_hosts=hosts))


@_naming_the_extra()
def create_connectors(settings: Settings, outbound: Callable[[], Outbound]) -> Connectors:
    """By platform: those of POST_PLATFORMS, and those of installed packages."""
    from sharetally.ports.server_names import ServerNames

    names = ServerNames(exceptions=frozenset(settings.post_private_servers))
    connectors: list[Connector] = []
    for platform in settings.post_platforms:
        match platform:
            case "mastodon":
                from sharetally.adapters.platforms.mastodon.connect import MastodonConnector

                connectors.append(
                    MastodonConnector(
                        outbound(),
                        client_name=settings.mastodon_client_name,
                        website=settings.public_url,
                        names=names,
                    )
                )
            case "bluesky":
                from sharetally.adapters.platforms.bluesky.connect import BlueskyConnector

                try:
                    bluesky = BlueskyConnector(
                        outbound(),
                        public_url=settings.public_url or "",
                        client_keys=settings.bluesky_client_keys or (),
                        server=settings.bluesky_server,
                        plc_directory=settings.bluesky_directory,
                        names=names,
                    )
                except ValueError:  # its message could say something about the key
                    raise ConfigurationError(
                        "BLUESKY_CLIENT_KEYS: has a key whose parts do not belong to each other; "
                        "create one with: sharetally accounts new-client-key"
                    ) from None
                connectors.append(bluesky)
            case "twitter":
                from sharetally.adapters.platforms.twitter.connect import TwitterConnector

                connectors.append(
                    TwitterConnector(
                        outbound(), client_id=settings.x_client_id or "", client_secret=settings.x_client_secret
                    )
                )
            case "linkedin":
                from sharetally.adapters.platforms.linkedin.connect import LinkedInConnector

                connectors.append(
                    LinkedInConnector(
                        outbound(),
                        client_id=settings.linkedin_client_id or "",
                        client_secret=settings.linkedin_client_secret or "",
                    )
                )
            case "facebook":
                from sharetally.adapters.platforms.facebook.connect import FacebookConnector

                connectors.append(
                    FacebookConnector(
                        outbound(),
                        client_id=settings.facebook_client_id or "",
                        client_secret=settings.facebook_client_secret or "",
                        api_version=settings.facebook_version,
                    )
                )
            case "threads":
                from sharetally.adapters.platforms.threads.connect import ThreadsConnector

                connectors.append(
                    ThreadsConnector(
                        outbound(),
                        client_id=settings.threads_client_id or "",
                        client_secret=settings.threads_client_secret or "",
                    )
                )
    return {each.platform: each for each in connectors} | _load_installed(CONNECTORS_GROUP, settings, outbound)


@_naming_the_extra()
def create_publishers(settings: Settings, outbound: Callable[[], Outbound]) -> Publishers:
    """By platform: those of POST_PLATFORMS, and those of installed packages."""
    publishers: list[Publisher] = []
    for platform in settings.post_platforms:
        match platform:
            case "mastodon":
                from sharetally.adapters.platforms.mastodon.client import MastodonPublisher

                publishers.append(MastodonPublisher(outbound()))
            case "bluesky":
                from sharetally.adapters.platforms.bluesky.client import BlueskyPublisher

                publishers.append(BlueskyPublisher(outbound()))
            case "twitter":
                from sharetally.adapters.platforms.twitter.client import TwitterPublisher

                publishers.append(TwitterPublisher(outbound()))
            case "linkedin":
                from sharetally.adapters.platforms.linkedin.client import LinkedInPublisher

                publishers.append(LinkedInPublisher(outbound(), api_version=settings.linkedin_version))
            case "facebook":
                from sharetally.adapters.platforms.facebook.client import FacebookPublisher

                publishers.append(FacebookPublisher(outbound(), api_version=settings.facebook_version))
            case "threads":
                from sharetally.adapters.platforms.threads.client import ThreadsPublisher

                publishers.append(ThreadsPublisher(outbound()))
    return {each.platform: each for each in publishers} | _load_installed(PUBLISHERS_GROUP, settings, outbound)


def _load_installed(group: str, settings: Settings, outbound: Callable[[], Outbound]) -> dict[str, Any]:
    """What the entry points of a group create, by platform; `ConfigurationError` names the first that is invalid."""
    created = {}
    for entry in sorted(entry_points(group=group), key=lambda each: each.name):
        client = outbound()
        try:
            made = entry.load()(settings, client)
            platform = made.platform
        except Exception as error:  # code that is not ours may raise anything
            raise ConfigurationError(f"{group} {entry.name!r} ({entry.value}) does not load: {error}") from error
        if platform != entry.name:
            raise ConfigurationError(f"{group} {entry.name!r} ({entry.value}) is for the platform {platform!r}")
        created[entry.name] = made
    return created


def create_spending(settings: Settings, store: SpendingStore, clock: Clock) -> PostSpending:
    """What may be spent a day on each platform whose posts cost money, and what was."""
    budgets = {"twitter": settings.x_budget} if "twitter" in settings.post_platforms else {}
    return PostSpending(store=store, clock=clock, budgets=budgets, spent_fails=settings.x_budget_spent == "fail")


def discarding_handlers(database: Database, clock: Clock) -> Sequence[Handler]:
    """Handlers that send nothing, for whoever lists, replays or discards dead deliveries."""
    return [PostHandler(ledger=database, posts=database.posts, deliveries=database.deliveries, clock=clock)]
