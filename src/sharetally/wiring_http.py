"""What serves HTTP, put around the core: who may come in, how often, what the handlers work with, the application.

Only `serve` and an application that is mounted need it all; single parts of it sign a token at the command line,
or tell `doctor` whether the provider answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from sharetally.adapters import platforms
from sharetally.adapters.clock import DatabaseClock
from sharetally.domain.errors import ConfigurationError
from sharetally.flow.analytics import Analytics
from sharetally.flow.delivery.stuck import StuckDeliveries
from sharetally.flow.links import Links
from sharetally.flow.platforms import Platforms
from sharetally.flow.posting.deciding import Posts
from sharetally.flow.posting.requesting import PostRequests
from sharetally.flow.sharing import Sharing
from sharetally.flow.urls import UrlPolicy
from sharetally.flow.verification import VerificationRunner
from sharetally.ports.outbound import Outbound
from sharetally.settings import Settings, ensure_secret
from sharetally.settings_values import Rate
from sharetally.web.api import API_ENDPOINTS, PROBE_ENDPOINTS
from sharetally.web.api.accounts.handlers import ConnectRequests
from sharetally.web.api.analytics.handlers import ShareAnalytics
from sharetally.web.api.audit.handlers import AuditReader
from sharetally.web.api.console.handlers import ConsoleSignIn
from sharetally.web.api.content_items.handlers import ContentItems
from sharetally.web.api.counts.handlers import CountReader, ProofReader
from sharetally.web.api.dead_letters.handlers import DeadLetters
from sharetally.web.api.keys.handlers import ApiKeys
from sharetally.web.api.operation.handlers import Operation
from sharetally.web.api.tokens.handlers import TokenIssuers
from sharetally.web.app import Application
from sharetally.web.auth.api_keys import ApiKeyCache
from sharetally.web.auth.authenticator import Authenticator, CredentialAuthenticator
from sharetally.web.auth.issuing import TokenIssuer, TokenSigner
from sharetally.web.auth.jwks import JwksKeySource, jwks_over_http
from sharetally.web.auth.oidc import ClientConfig, OidcProvider
from sharetally.web.auth.quota import LocalQuota, Quota, UnlimitedQuota
from sharetally.web.auth.sessions import Sessions
from sharetally.web.auth.shared_quota import SharedQuota
from sharetally.web.auth.signatures import KeySource, SharedSecret
from sharetally.web.auth.tokens import TokenRules, TokenVerifier
from sharetally.web.auth.visitors import VisitorTokenIssuer
from sharetally.web.count_responses import CountResponseCache
from sharetally.web.endpoint import AnyEndpoint, Services
from sharetally.web.live.credentials import LiveCounts
from sharetally.web.network import ProxyHeadersMiddleware
from sharetally.web.pages.connecting import connecting_endpoints
from sharetally.web.pages.documents import page_endpoints
from sharetally.web.pages.sign_in import OidcPages, OidcSignIn, sign_in_endpoints
from sharetally.web.route_names import RouteNames
from sharetally.wiring import Core, allowed_platforms, device_platforms

CORS_REQUEST_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id"),
    *("traceparent", "tracestate"),
)
QUOTA_TIMEOUT = 0.05  # seconds that a write waits for the shared window
CORS_RESPONSE_HEADERS = ("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "Location", "X-Request-Id")


def token_rules(settings: Settings) -> TokenRules:
    """What tokens must say."""
    return TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        user_claim=settings.jwt_user_claim,
        scope_claim=settings.jwt_scope_claim,
    )


def token_signer(settings: Settings, clock: DatabaseClock) -> TokenSigner | None:
    """Who signs our own tokens, if there is a secret."""
    if settings.jwt_secret is None:
        return None
    return TokenSigner(
        secret=SharedSecret(settings.jwt_secret),
        algorithm=settings.secret_algorithm,
        rules=token_rules(settings),
        clock=clock,
    )


def issue_token(settings: Settings, *, user: str, scopes: frozenset[str], ttl: int) -> str:
    """A token signed with the configured secret, good for `ttl` seconds."""
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

    # one fault is enough: a write waits for this, and the process's own window is nearly as good
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
    """The provider of OIDC_ISSUER, which signs people in to the console."""
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


def _application(core: Core, endpoints: Sequence[AnyEndpoint]) -> Application:
    settings, db = core.settings, core.database
    keys, verification = ApiKeyCache(db.keys), VerificationRunner(proof=db.proof, runs=db.verification_runs)
    core.start(keys.run(), "keys")
    core.start(verification.run(), "looking")
    credentials = CredentialAuthenticator(tokens=_verifier(core), keys=keys)
    sessions = Sessions(db.sessions, clock=core.clock, public_url=settings.public_url)
    authenticator = Authenticator(credentials=credentials, sessions=sessions)
    urls = UrlPolicy(public_url=settings.public_url, content_urls=settings.content_urls, link_hosts=settings.link_hosts)
    shareable = Platforms(allowed=allowed_platforms(settings), device=device_platforms(), canonical=platforms.canonical)
    stuck = StuckDeliveries(store=db.deliveries, ledger=core.ledger, handlers=core.delivery_handlers)
    services: list[object] = [
        urls,
        core.adjustments,
        Sharing(
            committer=core.committer,
            queries=core.queries,
            shares=db.shares,
            hooks=core.hooks,
            platforms=shareable,
            urls=urls,
            meter=core.meter,
            posts=db.posts,
            requests=PostRequests(accounts=db.accounts, publishers=core.publishers, urls=urls, clock=core.clock),
        ),
        Posts(store=db.posts, shares=db.shares, committer=core.committer),
        core.spending,
        Links(
            committer=core.committer,
            queries=core.queries,
            links=db.links,
            shares=db.shares,
            posts=db.posts,
            hooks=core.hooks,
            urls=urls,
            clock=core.clock,
        ),
        CountReader(queries=core.queries, responses=CountResponseCache()),
        ProofReader(store=db.proof),
        LiveCounts(
            live=core.live,
            authenticator=authenticator,
            public=settings.public_counts,
            cors_origins=settings.cors_origins,
            public_url=settings.public_url,
        ),
        ShareAnalytics(analytics=Analytics(store=db.analytics, clock=core.clock), urls=urls),
        ContentItems(store=db.content_items, urls=urls),
        AuditReader(store=db.audit, shares=db.shares, links=db.links, platforms=shareable, urls=urls, clock=core.clock),
        TokenIssuers(
            users=TokenIssuer(signer=token_signer(settings, core.clock), clock=core.clock),
            visitors=_visitor_tokens(core),
        ),
        ConsoleSignIn(sessions=sessions, oidc_enabled=settings.oidc_issuer is not None, public_url=settings.public_url),
        core.accounts.connecting,
        ConnectRequests(
            connecting=core.accounts.connecting, quota=_quota(core, settings.connect_rate, of="connections")
        ),
        core.accounts.accounts,
        DeadLetters(events=db.events, stuck=stuck, broker=core.broker, clock=core.clock),
        ApiKeys(store=db.keys, clock=core.clock),
        Operation(
            health=core.health,
            exposition=core.exposition,
            ops_networks=settings.ops_networks,
            authenticator=authenticator,
            read_backlog=core.waiting,
            verification=verification,
            closed_gates=core.closed_gates,
        ),
    ]
    if settings.oidc_issuer is not None:
        oidc = oidc_sign_in(settings, core.outbound(setting="OIDC_ISSUER", extra="oidc"), core.clock)
        services.append(OidcPages(oidc=oidc, sessions=sessions, public_url=settings.public_url))
    return Application(
        endpoints,
        Services(*services),
        authenticator=authenticator,
        quota=_quota(core, settings.rate_limit, of="quota"),
        root_path=settings.root_path,
        public_counts=settings.public_counts,
    )


def http_app(core: Core) -> ASGIApp:
    """The application, wrapped in traces, CORS and the layer for trusted proxies."""
    endpoints = (
        *API_ENDPOINTS,
        *PROBE_ENDPOINTS,
        *(sign_in_endpoints() if core.settings.oidc_issuer is not None else ()),
        *connecting_endpoints(),
        *page_endpoints((*API_ENDPOINTS, *PROBE_ENDPOINTS), platforms.widget_buttons()),
    )
    routes = RouteNames(endpoints, root_path=core.settings.root_path)
    app = core.traces.http(_application(core, endpoints), routes)
    if core.settings.cors_origins:
        app = cors = CORSMiddleware(
            app,
            allow_origins=core.settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_RESPONSE_HEADERS,
            max_age=600,
        )
        cors.preflight_headers["X-Content-Type-Options"] = "nosniff"  # it answers preflights itself
    trusted = core.settings.trusted_proxies
    return ProxyHeadersMiddleware(app, trusted=trusted) if trusted else app
