"""Back from a platform: the pages on which connecting an account ends.

    POST /accounts/{platform}/connect -> the platform -> GET /oauth/{platform}/callback (-> GET …/choose)

They are for people, so everything that goes wrong is a page that says so. The browser is known by the cookie that it
got when it began, which also says whether it began in the console: then the last page leads back there. A redirect
would still be the platform's request, and the console's cookie goes with ours alone. The last part of this file serves
what a platform reads about this client.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qsl, urlencode

import structlog

from sharetally.domain.account import Account
from sharetally.domain.errors import Conflict, NotFound, PlatformUnreachable, SharetallyError, Unavailable
from sharetally.flow.accounts.connecting import Choice, Connecting
from sharetally.flow.accounts.errors import ConnectionDeclined, ConnectionRefused, UnknownConnection
from sharetally.web.api.accounts.handlers import CONNECT_COOKIE, RETURN_TO_CONSOLE
from sharetally.web.api.accounts.schemas import PlatformPath
from sharetally.web.endpoint import Access, AnyEndpoint, AnyQuery, Endpoint, NoBody, Request
from sharetally.web.fields import PlatformName, RequestModel
from sharetally.web.pages.html import html_page
from sharetally.web.responses import Response, json_response

_HEADERS = (("cache-control", "no-store"), ("referrer-policy", "no-referrer"))
MAX_PARAMETERS = 50
log = structlog.get_logger("sharetally.accounts")
CallbackRequest = Request[PlatformPath, AnyQuery, NoBody]


class DocumentPath(RequestModel, frozen=True, kw_only=False):
    """`/oauth/{platform}/{document}`."""

    platform: PlatformName
    document: str


async def callback(connecting: Connecting, request: CallbackRequest) -> Response:
    """The platform's answer; the attempt is over, whatever comes of it, unless the user still has to choose."""
    browser, in_console = _read_cookie(connecting, request)
    try:
        found = await connecting.finish(request.path.platform, _query(request), browser, request_id=request.request_id)
    except SharetallyError as error:
        return _error_page(connecting, request, error, in_console=in_console)
    if isinstance(found, Choice):
        return _choice_page(request, found)
    return _connected_page(connecting, request, found, in_console=in_console)


async def choose(connecting: Connecting, request: CallbackRequest) -> Response:
    """The account that the user has chosen."""
    query = _query(request)
    browser, in_console = _read_cookie(connecting, request)
    try:
        account = await connecting.choose(
            request.path.platform,
            query.get("choice", ""),
            query.get("account", ""),
            browser,
            request_id=request.request_id,
        )
    except SharetallyError as error:
        return _error_page(connecting, request, error, in_console=in_console)
    return _connected_page(connecting, request, account, in_console=in_console)


async def client_document(connecting: Connecting, request: Request[DocumentPath, AnyQuery, NoBody]) -> Response:
    """What the platform reads about this client, such as its metadata and its public keys."""
    found = connecting.documents(request.path.platform).get(request.path.document)
    if found is None:
        raise NotFound("no such document")
    return json_response(200, found, ("cache-control", "public, max-age=300"))


def _read_cookie(connecting: Connecting, request: CallbackRequest) -> tuple[str | None, bool]:
    """The secret by which the browser is known, and whether it began in the console."""
    value = CONNECT_COOKIE.read(request.scope, connecting.public_url)
    if value is None:
        return None, False
    return value.removesuffix(RETURN_TO_CONSOLE), value.endswith(RETURN_TO_CONSOLE)


def _query(request: CallbackRequest) -> Mapping[str, str]:
    """The query; one in which a parameter appears twice counts as empty."""
    try:
        raw = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(raw, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:
        return {}
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {}


# pages


def _connected_page(
    connecting: Connecting, request: CallbackRequest, account: Account, *, in_console: bool
) -> Response:
    clear_cookie = CONNECT_COOKIE.clear(request.scope, connecting.public_url)
    text = f"<h1>Connected</h1><p>{escape(account.handle)} on {escape(account.platform)} can be posted from now."
    if in_console:
        target = escape(f"{request.root_path}/console/accounts?connected={account.id}")
        body = f'{text}</p><p><a href="{target}">Go on to the console</a></p>'
        head = f'<meta http-equiv="refresh" content="0;url={target}">'
        return _page(request, 200, "Connected", body, clear_cookie, head=head)
    link = f'<a href="{escape(request.root_path)}/console">Go on to the console</a>'
    return _page(request, 200, "Connected", f"{text} You can close this page.</p><p>{link}</p>", clear_cookie)


def _choice_page(request: CallbackRequest, choice: Choice) -> Response:
    path = f"{request.root_path}/oauth/{request.path.platform}/choose"
    links = "".join(
        f'<li><a href="{escape(path)}?{escape(urlencode({"choice": choice.token, "account": each.external_id}))}">'
        f"{escape(each.handle)}</a></li>"
        for each in choice.profiles
    )
    body = f"<h1>Which account?</h1><p>Posts will come from the one that you choose.</p><ul>{links}</ul>"
    return _page(request, 200, "Which account?", body)


def _error_page(
    connecting: Connecting, request: CallbackRequest, error: SharetallyError, *, in_console: bool
) -> Response:
    status, title, text = _explain(error)
    log.warning("no account was connected", platform=request.path.platform, reason=error.detail, status=status)
    back = f'<p><a href="{escape(request.root_path)}/console/accounts">Back to your accounts</a></p>'
    body = (
        f"<p><small>Connecting an account</small></p><h1>{escape(title)}</h1><p>{escape(text)}</p>"
        f"{back if in_console else ''}<p><small>Request {escape(request.request_id)}</small></p>"
    )
    retry = (("retry-after", str(error.retry_after)),) if isinstance(error, Unavailable) else ()
    if isinstance(error, UnknownConnection):  # perhaps somebody else's link: the cookie may still be of use
        return _page(request, status, title, body)
    return _page(request, status, title, body, CONNECT_COOKIE.clear(request.scope, connecting.public_url), *retry)


def _explain(error: SharetallyError) -> tuple[int, str, str]:
    match error:
        case UnknownConnection():
            text = "It was begun in another browser, was finished before, or took longer than ten minutes. Begin again."
            return 400, "This connection cannot be finished", text
        case ConnectionDeclined():
            return 403, "The account was not connected", f"{error.detail}. You can begin again at any time."
        case ConnectionRefused():
            return 409, "The account cannot be connected", error.detail
        case PlatformUnreachable():
            return 502, "The platform does not answer", "Nothing was connected. Begin again in a few minutes."
        case Unavailable():
            return 503, "Connecting does not work just now", "Nothing was connected. Begin again in a few minutes."
        case NotFound() | Conflict():
            return 404, "No account can be connected here", error.detail
    return 500, "The account was not connected", "Whoever runs this service finds why in its log."


def _page(
    request: CallbackRequest, status: int, title: str, body: str, *headers: tuple[str, str], head: str = ""
) -> Response:
    response = html_page(request.root_path, title, f'<main class="problem">{body}</main>', head=head)
    return response._replace(status=status, headers=(*response.headers, *_HEADERS, *headers))


def connecting_endpoints() -> tuple[AnyEndpoint, ...]:
    """For people and platforms: not part of the OpenAPI document. HEAD is refused, because a state works once."""
    pages = tuple(
        Endpoint(
            method="GET",
            path=path,
            handler=handler,
            service=Connecting,
            request=Request[PlatformPath, AnyQuery, NoBody],
            access=Access.PUBLIC,
            responses={200: None},
        )
        for path, handler in (("/oauth/{platform}/callback", callback), ("/oauth/{platform}/choose", choose))
    )
    document = Endpoint(
        method="GET",
        path="/oauth/{platform}/{document}",
        handler=client_document,
        service=Connecting,
        request=Request[DocumentPath, AnyQuery, NoBody],
        access=Access.PUBLIC,
        responses={200: None},
        head=True,
    )
    return (*pages, document)
