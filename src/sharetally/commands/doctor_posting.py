"""What `doctor` says about posting: each platform, the public address, whether commits are durable, and pauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from importlib.metadata import entry_points
from ipaddress import ip_address
from urllib.parse import urlsplit

from sharetally.adapters.platforms._terms import COSTS, facebook_end, linkedin_end
from sharetally.commands.database import open_database
from sharetally.commands.finding import Finding, Level
from sharetally.domain.errors import ConfigurationError, SharetallyError
from sharetally.ports.posting_platform import version_of
from sharetally.settings import POSTING_SETTINGS, Settings, stores_tokens
from sharetally.wiring_posting import PUBLISHERS_GROUP, create_connectors, create_publishers, posting_outbound

NOTICE = timedelta(days=60)  # before a version of an API ends


async def posting_findings(settings: Settings, today: date) -> list[Finding]:
    """Everything that there is to say about posting."""
    installed = {entry.name: entry.value for entry in entry_points(group=PUBLISHERS_GROUP)}
    platforms = dict.fromkeys((*settings.share_platforms, *settings.post_platforms, *installed))
    findings = [await _platform(platform, settings, installed, today) for platform in platforms]
    if settings.post_platforms or installed:
        findings += [_public_url(settings), *await _database(settings)]
    return findings


async def _platform(platform: str, settings: Settings, installed: Mapping[str, str], today: date) -> Finding:
    name = f"platform {platform}"
    if platform not in settings.post_platforms and platform not in installed:
        return Finding(Level.OK, name, _why_not(platform, settings))
    if platform not in settings.share_platforms:
        text = "nobody can post there, because it is not in SHARE_PLATFORMS; add it there too"
        return Finding(Level.WARNING, name, text)
    if not stores_tokens(settings):
        text = "nobody can connect an account, because TOKEN_KEYS is not set; set it for all processes"
        return Finding(Level.WRONG, name, text)
    if platform in installed:
        return Finding(Level.OK, name, f"can post, by the installed package that provides {installed[platform]}")
    try:
        await _create_parts(replace(settings, post_platforms=(platform,)))
    except ConfigurationError as error:
        return Finding(Level.WRONG, name, error.detail)
    level, version = api_version_report(platform, settings, today)
    ability = "posting probably fails" if level is Level.WRONG else "can post"
    return Finding(level, name, f"{ability}; a post is {COSTS[platform]}{version}")


def _why_not(platform: str, settings: Settings) -> str:
    if platform not in POSTING_SETTINGS:
        return "shares are recorded; this version cannot post there"
    needed = [setting.upper() for setting in POSTING_SETTINGS[platform] if getattr(settings, setting) is None]
    needed += [] if stores_tokens(settings) else ["TOKEN_KEYS"]
    also = f", which needs {', '.join(needed)} too" if needed else ""
    return f"shares are recorded; to post there, add it to POST_PLATFORMS{also} (a post is {COSTS[platform]})"


async def _create_parts(settings: Settings) -> None:
    """Raise `ConfigurationError` if a package is missing; nothing is sent."""
    outbound = posting_outbound(settings)
    try:
        create_connectors(settings, lambda: outbound)
        create_publishers(settings, lambda: outbound)
    finally:
        await outbound.close()


def api_version_report(platform: str, settings: Settings, today: date) -> tuple[Level, str]:
    """What to say about the version of the platform's API that is set."""
    match platform:
        case "linkedin":
            version, end = settings.linkedin_version, linkedin_end(settings.linkedin_version)
        case "facebook":
            version, found = settings.facebook_version, facebook_end(settings.facebook_version)
            if found is None:
                return Level.OK, f"; API version {version}, whose end is not announced"
            end = found
        case _:
            return Level.OK, ""
    setting = f"{platform.upper()}_VERSION"
    if today >= end:
        return Level.WRONG, f"; API version {version} has probably ended on {end}: set {setting} to a newer one"
    if today >= end - NOTICE:
        return Level.WARNING, f"; API version {version} may end on {end}: set {setting} to a newer one before that day"
    return Level.OK, f"; API version {version}, which is answered until {end} at least"


def _public_url(settings: Settings) -> Finding:
    """Platforms send people back to PUBLIC_URL, and the address in each post begins with it."""
    name = "public url"
    if settings.public_url is None:
        return Finding(Level.WARNING, name, "PUBLIC_URL is not set, so nobody can connect an account or post; set it")
    parts = urlsplit(settings.public_url)
    if _is_loopback(parts.hostname or ""):
        text = "leads to this machine only, so that the addresses in posts lead readers nowhere; set PUBLIC_URL"
        return Finding(Level.WARNING, name, f"{settings.public_url} {text}")
    if parts.scheme != "https":
        text = "is not https, which most platforms require of the address that they send people back to"
        return Finding(Level.WARNING, name, f"{settings.public_url} {text}; set PUBLIC_URL")
    return Finding(Level.OK, name, settings.public_url)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _database(settings: Settings) -> list[Finding]:
    """Whether a crash could repeat a post, and what is paused; the check of the database says if it is away."""
    outbound = posting_outbound(settings)
    try:
        publishers = create_publishers(settings, lambda: outbound)
        versions = {version for publisher in publishers.values() if (version := version_of(publisher))}
        async with open_database(settings) as (database, _):
            weak = await database.durability.weak_settings()
            gates = await database.deliveries.closed_gates(versions)
    except SharetallyError:
        return []
    finally:
        await outbound.close()
    values = ", ".join(f"{name} is {value}" for name, value in weak.items())
    text = f"{values}: after a crash of the database, the posts of the last moments may be made again; see the runbook"
    commits = Finding(Level.WARNING, "commits", text) if weak else Finding(Level.OK, "commits", "survive a crash")
    paused = [
        Finding(
            Level.WRONG if gate.version else Level.WARNING,
            f"posting to {gate.gate}",
            f"paused until {gate.until.isoformat(timespec='seconds') if gate.until else 'somebody ends that'}: "
            f"{gate.reason}",
        )
        for gate in gates
    ]
    return [commits, *paused]
