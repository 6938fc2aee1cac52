"""Creates the parts that serve HTTP, on top of `Core`: authentication, quotas, services, and the application.

Only `serve` and a mounted application need all of it. The command line uses single parts: to sign a token, and to check
the OpenID provider in `doctor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from sharetally.adapters import platforms
from sharetally.adapters.clock import DatabaseClock
from sharetally.domain.errors import ConfigurationError
from sharetally.flow.analytics import Analytics
from sharetally.flow.delivery.stuck import StuckDeliveries
from sharetally.flow.verification import VerificationRunner
from sharetally.ports.outbound import Outbound
from sharetally.settings import Settings, ensure_secret
from sharetally.settings_values import Rate
from sharetally.web.app import Application
from sharetally.web.auth.authenticator import Authenticator
from sharetally.web.auth.credentials import ApiKeyCache, CredentialAuthenticator
from sharetally.web.auth.jwks import JwksKeySource, jwks_over_http
from sharetally.web.auth.oidc import ClientConfig, OidcProvider
from sharetally.web.auth.quota import LocalQuota, Quota, UnlimitedQuota
from sharetally.web.auth.sessions import Sessions
from sharetally.web.auth.shared_quota import SharedQuota
from sharetally.web.auth.tokens import KeySource, SharedSecret, TokenRules, TokenSigner, TokenVerifier
from sharetally.web.auth.visitors import VisitorTokenIssuer
from sharetally.web.count_responses import CountResponseCache
from sharetally.web.endpoints.console_oidc import OidcSignIn, sign_in_endpoints
from sharetally.web.endpoints.pages import page_endpoints
from sharetally.web.network import ProxyHeadersMiddleware
from sharetally.web.route_names import RouteNames
from sharetally.web.services import Services, UrlPolicy
from sharetally.web.table import API_ENDPOINTS, PROBE_ENDPOINTS
from sharetally.wiring import Core, allowed_platforms, device_platforms

if TYPE_CHECKING:
    from sharetally.web.endpoint import Endpoint

CORS_REQUEST_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id"),
    *("traceparent", "tracestate"),
)
QUOTA_TIMEOUT = 0.05  # seconds that a write waits for the shared window
CORS_RESPONSE_HEADERS = ("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "Location", "X-Request-Id")


def token_rules(settings: Settings) -> TokenRules:
    """The rules for the claims of tokens."""
    return TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        user_claim=settings.jwt_user_claim,
        scope_claim=settings.jwt_scope_claim,
    )


def token_signer(settings: Settings, clock: DatabaseClock) -> TokenSigner | None:
    """The signer of our own tokens; None without a secret."""
    if settings.jwt_secret is None:
        return None
    return TokenSigner(
        secret=SharedSecret(settings.jwt_secret),
        algorithm=settings.secret_algorithm,
        rules=token_rules(settings),
        clock=clock,
    )


def issue_token(settings: Settings, *, user: str, scopes: frozenset[str], ttl: int) -> str:
    """A token signed with the configured secret, valid for `ttl` seconds."""
    signer = token_signer(ensure_secret(settings), DatabaseClock())
    if signer is None:
        raise ConfigurationError("JWT_SECRET is not set: tokens come from the issuer of JWKS_URL")
    return signer.sign(user_id=user, scopes=scopes, ttl=ttl)


def _verifier(core: Core) -> TokenVerifier:
    settings = core.settings
    sources: dict[str, KeySource] = {}
    if settings.jwt_secret is not None:
        sources[settings.secret_algorithm] = SharedSecret(settings.jwt_secret)
    if settings.jwks_url is not None:
        outbound = core.outbound(setting="JWKS_URL", extra="jwks")
        keys = JwksKeySource(fetch=jwks_over_http(settings.jwks_url, outbound))
        sources |= dict.fromkeys(settings.key_algorithms, keys)
    return TokenVerifier(
        sources=sources, rules=token_rules(settings), clock=core.clock, accepts_visitors=settings.anonymous_shares
    )


def _quota(core: Core, rate: Rate | None, *, of: str) -> Quota:
    if rate is None:
        return UnlimitedQuota()
    if not core.settings.cache_url.startswith("redis"):
        return LocalQuota(limit=rate.limit, window=rate.window)
    from sharetally.adapters.guarded_redis import GuardedRedis
    from sharetally.adapters.quota_redis import RedisLeases

    # one error opens it, because writes wait for this, and the window of the process is nearly as good
    redis = GuardedRedis(core.settings.cache_url, purpose="quota", timeout=QUOTA_TIMEOUT, faults=1)
    core.on_close(redis.close)
    leases = RedisLeases(redis, prefix=f"sharetally:{of}:")
    return SharedQuota(limit=rate.limit, window=rate.window, leases=leases)


def _visitor_tokens(core: Core) -> VisitorTokenIssuer | None:
    settings, signer = core.settings, token_signer(core.settings, core.clock)
    if not settings.anonymous_shares or signer is None:
        return None
    return VisitorTokenIssuer(
        signer=signer, quota=_quota(core, settings.anonymous_rate, of="visitors"), clock=core.clock
    )


def oidc_sign_in(settings: Settings, outbound: Outbound, clock: DatabaseClock) -> OidcSignIn:
    """The sign-in to the console with the provider of OIDC_ISSUER."""
    client = ClientConfig(
        issuer=settings.oidc_issuer or "",
        client_id=settings.oidc_client_id or "",
        secret=settings.oidc_client_secret,
        redirect_uri=f"{settings.public_url}/console/sign-in/oidc/callback",
        scope=settings.oidc_scope,
    )
    return OidcSignIn(
        provider=OidcProvider(client, outbound=outbound, clock=clock),
        user_claim=settings.oidc_user_claim,
        groups_claim=settings.oidc_groups_claim,
        scopes={group: frozenset(scopes.split()) for group, scopes in (settings.oidc_groups or {}).items()},
    )


def _sign_in_endpoints(core: Core) -> tuple[Endpoint, ...]:
    """The routes to the provider and back, if there is one."""
    if core.settings.oidc_issuer is None:
        return ()
    return sign_in_endpoints(
        oidc_sign_in(core.settings, core.outbound(setting="OIDC_ISSUER", extra="oidc"), core.clock)
    )


def _services(core: Core) -> Services:
    settings, db = core.settings, core.database
    keys, verification = ApiKeyCache(db), VerificationRunner(db)
    core.start(keys.run(), "keys")
    core.start(verification.run(), "looking")
    credentials = CredentialAuthenticator(
        tokens=_verifier(core), keys=keys, signer=token_signer(settings, core.clock), clock=core.clock
    )
    sessions = Sessions(db, clock=core.clock, public_url=settings.public_url)
    return Services(
        committer=core.committer,
        queries=core.queries,
        count_responses=CountResponseCache(),
        live=core.live,
        reads=db,
        proofs=db,
        analytics_store=db,
        analytics=Analytics(store=db, clock=core.clock),
        outbox=db,
        stuck=StuckDeliveries(store=db.deliveries, ledger=core.ledger, handlers=core.delivery_handlers),
        broker=core.broker,
        key_store=db,
        verification=verification,
        read_backlog=core.waiting,
        hooks=core.hooks,
        credentials=credentials,
        sessions=sessions,
        authenticator=Authenticator(credentials=credentials, sessions=sessions),
        quota=_quota(core, settings.rate_limit, of="quota"),
        oidc_enabled=settings.oidc_issuer is not None,
        meter=core.meter,
        clock=core.clock,
        url_policy=UrlPolicy(
            public_url=settings.public_url,
            root_path=settings.root_path,
            content_urls=settings.content_urls,
            link_hosts=settings.link_hosts,
        ),
        platforms=allowed_platforms(settings),
        device_platforms=device_platforms(),
        canonical_platform=platforms.canonical,
        public_counts=settings.public_counts,
        cors_origins=settings.cors_origins,
        health=core.health,
        exposition=core.exposition,
        ops_networks=settings.ops_networks,
        visitor_tokens=_visitor_tokens(core),
    )


def http_app(core: Core) -> ASGIApp:
    """The application with its middleware."""
    endpoints = (
        *API_ENDPOINTS,
        *PROBE_ENDPOINTS,
        *_sign_in_endpoints(core),
        *page_endpoints((*API_ENDPOINTS, *PROBE_ENDPOINTS)),
    )
    routes = RouteNames(endpoints, root_path=core.settings.root_path)
    app = core.traces.http(Application(_services(core), endpoints), routes)
    if core.settings.cors_origins:
        app = cors = CORSMiddleware(
            app,
            allow_origins=core.settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_RESPONSE_HEADERS,
            max_age=600,
        )
        cors.preflight_headers["X-Content-Type-Options"] = "nosniff"  # the middleware answers preflights itself
    trusted = core.settings.trusted_proxies
    return ProxyHeadersMiddleware(app, trusted=trusted) if trusted else app
