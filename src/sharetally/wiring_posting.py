"""The platforms that can be posted to: how an account is connected there, and how a post gets there.

POST_PLATFORMS names the built-in ones; installed packages add others through the entry-point groups
`sharetally.connectors` and `sharetally.publishers`. Every request goes through one guarded client, because users name
the servers of Mastodon and Bluesky.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TypeAlias
from urllib.parse import urlsplit

from sharetally.domain.errors import ConfigurationError
from sharetally.flow.delivery.handler import Handler
from sharetally.flow.posting.handler import PostHandler
from sharetally.ports import Clock, Database
from sharetally.ports.outbound import Outbound
from sharetally.ports.posting_platform import Connector, Publisher
from sharetally.settings import Settings

CONNECTORS_GROUP = "sharetally.connectors"
PUBLISHERS_GROUP = "sharetally.publishers"
Connectors: TypeAlias = Mapping[str, Connector]
Publishers: TypeAlias = Mapping[str, Publisher]


def posting_outbound(settings: Settings) -> Outbound:
    """The client for requests to platforms: it connects to public addresses only, and to POST_PRIVATE_SERVERS."""
    try:
        from sharetally.adapters.outbound import OutboundClient
        from sharetally.adapters.outbound_guard import AddressGuard
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"POST_PLATFORMS needs: pip install 'sharetally[posting]' ({error.name})") from error
    if settings.outbound_proxies:  # the proxy resolves the names, so it has to guard the addresses
        return OutboundClient(proxies_from_env=True)
    hosts = frozenset(urlsplit(server).hostname or "" for server in settings.post_private_servers)
    return OutboundClient(guard=AddressGuard(exempt_hosts=hosts))


def create_connectors(settings: Settings, outbound: Callable[[], Outbound]) -> Connectors:
    """By platform: those of POST_PLATFORMS, and those of installed packages."""
    from sharetally.adapters.platforms._servers import ServerNames

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

                connectors.append(
                    BlueskyConnector(
                        outbound(),
                        public_url=settings.public_url or "",
                        server=settings.bluesky_server,
                        plc_directory=settings.bluesky_directory,
                        names=names,
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
    installed = sorted(entry_points(group=CONNECTORS_GROUP), key=lambda each: each.name)
    connectors += [each.load()(settings, outbound()) for each in installed]
    return {each.platform: each for each in connectors}


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
            case "linkedin":
                from sharetally.adapters.platforms.linkedin.client import LinkedInPublisher

                publishers.append(LinkedInPublisher(outbound(), api_version=settings.linkedin_version))
            case "facebook":
                from sharetally.adapters.platforms.facebook.client import FacebookPublisher

                publishers.append(FacebookPublisher(outbound(), api_version=settings.facebook_version))
            case "threads":
                from sharetally.adapters.platforms.threads.client import ThreadsPublisher

                publishers.append(ThreadsPublisher(outbound()))
    installed = sorted(entry_points(group=PUBLISHERS_GROUP), key=lambda each: each.name)
    publishers += [each.load()(settings, outbound()) for each in installed]
    return {each.platform: each for each in publishers}


def discarding_handlers(database: Database, clock: Clock) -> Sequence[Handler]:
    """Handlers that send nothing, for whoever lists, replays or discards dead deliveries."""
    return [PostHandler(ledger=database, posts=database.posts, deliveries=database.deliveries, clock=clock)]
