"""What serves HTTP, put around the core: who may come in, how often, what the handlers work with, the application.

Only `serve` and an application that is mounted need it all; single parts of it sign a token at the command line,
or tell `doctor` whether the provider answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from sharetally.adapters import platforms
from sharetally.adapters.clock import DatabaseClock
from sharetally.domain.errors import Misconfigured
from sharetally.flow.analytics import Analytics
from sharetally.flow.delivery.stuck import StuckDeliveries
from sharetally.flow.looking import Looking
from sharetally.ports.outbound import Outbound
from sharetally.settings import Settings, ensure_secret
from sharetally.settings_values import Rate
from sharetally.web.app import Application
from sharetally.web.count_answers import CountAnswers
from sharetally.web.endpoints.console_oidc import OpenId, sign_in_endpoints
from sharetally.web.endpoints.pages import page_endpoints
from sharetally.web.network import BehindProxies
from sharetally.web.parts import Parts, Places
from sharetally.web.routes import Routes
from sharetally.web.table import API, OPERATION
from sharetally.web.who.callers import Callers
from sharetally.web.who.identity import ApiKeys, Identity
from sharetally.web.who.jwks import Jwks, over_http
from sharetally.web.who.oidc import Client, Provider
from sharetally.web.who.quota import LocalQuota, Quota, Unlimited
from sharetally.web.who.quota_shared import SharedQuota
from sharetally.web.who.sessions import Sessions
from sharetally.web.who.tokens import KeySource, Rules, SharedSecret, Signer, Verifier
from sharetally.web.who.visitors import Visitors
from sharetally.wiring import Core, allowed_platforms, own_platforms

if TYPE_CHECKING:
    from sharetally.web.endpoint import Endpoint

ALLOWED = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id"),
    *("traceparent", "tracestate"),
)
QUOTA_TIMEOUT = 0.05  # seconds that a write waits for the shared window
EXPOSED = ("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "Location", "X-Request-Id")


def rules(settings: Settings) -> Rules:
    """What tokens must say."""
    return Rules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        user_claim=settings.jwt_user_claim,
        scope_claim=settings.jwt_scope_claim,
    )


def signer(settings: Settings, clock: DatabaseClock) -> Signer | None:
    """Who signs our own tokens, if there is a secret."""
    if settings.jwt_secret is None:
        return None
    return Signer(
        secret=SharedSecret(settings.jwt_secret),
        algorithm=settings.secret_algorithm,
        rules=rules(settings),
        clock=clock,
    )


def issued(settings: Settings, *, user: str, scopes: frozenset[str], ttl: int) -> str:
    """A token signed with the configured secret, good for `ttl` seconds."""
    signs = signer(ensure_secret(settings), DatabaseClock())
    if signs is None:
        raise Misconfigured("JWT_SECRET is not set: tokens come from the issuer of JWKS_URL")
    return signs.sign(user_id=user, scopes=scopes, ttl=ttl)


def _verifier(core: Core) -> Verifier:
    settings = core.settings
    sources: dict[str, KeySource] = {}
    if settings.jwt_secret is not None:
        sources[settings.secret_algorithm] = SharedSecret(settings.jwt_secret)
    if settings.jwks_url is not None:
        outbound = core.outbound(setting="JWKS_URL", extra="jwks")
        keys = Jwks(fetch=over_http(settings.jwks_url, outbound))
        sources |= dict.fromkeys(settings.key_algorithms, keys)
    return Verifier(sources=sources, rules=rules(settings), clock=core.clock, visitors=settings.anonymous_shares)


def _quota(core: Core, rate: Rate | None, *, of: str) -> Quota:
    if rate is None:
        return Unlimited()
    if not core.settings.cache_url.startswith("redis"):
        return LocalQuota(limit=rate.limit, window=rate.window)
    from sharetally.adapters.quota_redis import RedisLeases
    from sharetally.adapters.redis_asking import Asking

    # one fault is enough: a write waits for this, and the process's own window is nearly as good
    redis = Asking(core.settings.cache_url, purpose="quota", timeout=QUOTA_TIMEOUT, faults=1)
    core.on_close(redis.close)
    leases = RedisLeases(redis, prefix=f"sharetally:{of}:")
    return SharedQuota(limit=rate.limit, window=rate.window, leases=leases)


def _visitors(core: Core) -> Visitors | None:
    settings, signs = core.settings, signer(core.settings, core.clock)
    if not settings.anonymous_shares or signs is None:
        return None
    return Visitors(signer=signs, quota=_quota(core, settings.anonymous_rate, of="visitors"), clock=core.clock)


def openid(settings: Settings, outbound: Outbound, clock: DatabaseClock) -> OpenId:
    """The provider of OIDC_ISSUER, which signs people in to the console."""
    client = Client(
        issuer=settings.oidc_issuer or "",
        client_id=settings.oidc_client_id or "",
        secret=settings.oidc_client_secret,
        redirect_uri=f"{settings.public_url}/console/sign-in/oidc/callback",
        scope=settings.oidc_scope,
    )
    return OpenId(
        provider=Provider(client, outbound=outbound, clock=clock),
        user_claim=settings.oidc_user_claim,
        groups_claim=settings.oidc_groups_claim,
        scopes={group: frozenset(scopes.split()) for group, scopes in (settings.oidc_groups or {}).items()},
    )


def _sign_in(core: Core) -> tuple[Endpoint, ...]:
    """The way to the provider and back, where there is one."""
    if core.settings.oidc_issuer is None:
        return ()
    return sign_in_endpoints(openid(core.settings, core.outbound(setting="OIDC_ISSUER", extra="oidc"), core.clock))


def _parts(core: Core) -> Parts:
    settings, db = core.settings, core.database
    keys, looking = ApiKeys(db), Looking(db)
    core.start(keys.run(), "keys")
    core.start(looking.run(), "looking")
    identity = Identity(tokens=_verifier(core), keys=keys, signer=signer(settings, core.clock), clock=core.clock)
    sessions = Sessions(db, clock=core.clock, public_url=settings.public_url)
    return Parts(
        committer=core.committer,
        queries=core.queries,
        count_answers=CountAnswers(),
        live=core.live,
        reading=db,
        proving=db,
        insight=db,
        analytics=Analytics(insight=db, clock=core.clock),
        outbox=db,
        stuck=StuckDeliveries(store=db.deliveries, ledger=core.ledger, handlers=core.delivery_handlers),
        broker=core.broker,
        keys=db,
        looking=looking,
        waiting=core.waiting,
        hooks=core.hooks,
        identity=identity,
        sessions=sessions,
        callers=Callers(identity=identity, sessions=sessions),
        quota=_quota(core, settings.rate_limit, of="quota"),
        oidc=settings.oidc_issuer is not None,
        meter=core.meter,
        clock=core.clock,
        places=Places(
            public_url=settings.public_url,
            root_path=settings.root_path,
            content_urls=settings.content_urls,
            link_hosts=settings.link_hosts,
        ),
        platforms=allowed_platforms(settings),
        own_platforms=own_platforms(),
        canonical=platforms.canonical,
        public_counts=settings.public_counts,
        cors_origins=settings.cors_origins,
        health=core.health,
        exposition=core.exposition,
        ops_networks=settings.ops_networks,
        visitors=_visitors(core),
    )


def http(core: Core) -> ASGIApp:
    """The application with what stands around it."""
    endpoints = (*API, *OPERATION, *_sign_in(core), *page_endpoints((*API, *OPERATION)))
    routes = Routes(endpoints, root_path=core.settings.root_path)
    app = core.traces.http(Application(_parts(core), endpoints), routes)
    if core.settings.cors_origins:
        app = cors = CORSMiddleware(
            app,
            allow_origins=core.settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=ALLOWED,
            expose_headers=EXPOSED,
            max_age=600,
        )
        cors.preflight_headers["X-Content-Type-Options"] = "nosniff"  # it answers preflights itself
    trusted = core.settings.trusted_proxies
    return BehindProxies(app, trusted=trusted) if trusted else app
