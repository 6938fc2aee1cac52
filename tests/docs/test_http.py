"""The HTTP page has every route with who may, what it answers and how it fails; and every error code."""

from __future__ import annotations

import re

import pytest

from sharetally.web.api import API_ENDPOINTS, PROBE_ENDPOINTS
from sharetally.web.endpoint import Access, AnyEndpoint
from sharetally.web.pages.documents import page_endpoints
from sharetally.web.pages.widget import widget_endpoints
from sharetally.web.problems import STATUS
from tests.docs.pages import REFERENCE, codes, rows, section

PAGE = REFERENCE / "http.md"
ROUTES = {(endpoint.method, endpoint.path): endpoint for endpoint in (*API_ENDPOINTS, *PROBE_ENDPOINTS)}
WHO = {
    Access.PUBLIC: "anybody",
    Access.PUBLIC_COUNTS: "counts",
    Access.ANY_TOKEN: "token",
    Access.VISITORS_TOO: "token or visitor",
    Access.OPERATORS: "operators",
    Access.CONSOLE: "session",
}
# the page says once that every route that is not public can return these
EVERYWHERE = {"invalid-request", "unauthenticated", "forbidden"}


def _told() -> dict[tuple[str, str], list[str]]:
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    return {(row[0], codes(row[1])[0]): row for row in rows(PAGE) if row[0] in methods}


def test_documented_routes_match_the_service() -> None:
    assert sorted(_told()) == sorted(ROUTES)


@pytest.mark.parametrize("route", sorted(ROUTES), ids=" ".join)
def test_a_route(route: tuple[str, str]) -> None:
    endpoint = ROUTES[route]
    _, _, who, _, responses, problems = _told()[route]
    assert who == _who(endpoint)
    assert {int(status) for status in re.findall(r"\b[2345]\d\d\b", responses)} - {404} == set(endpoint.responses)
    assert set(codes(problems)) == set(_own_problems(endpoint))


def _who(endpoint: AnyEndpoint) -> str:
    *others, last = (f"`{scope}`" for scope in endpoint.scopes or ("",))
    if not endpoint.scopes:
        return WHO[endpoint.access]
    return f"{', '.join(others)} or {last}" if others else last


def _own_problems(endpoint: AnyEndpoint) -> set[str]:
    return set(endpoint.problems) - (EVERYWHERE if endpoint.access is not Access.PUBLIC else set())


def test_every_error_code_with_its_status() -> None:
    told = {codes(row[1])[0]: int(row[0]) for row in rows(PAGE, under="## Errors") if row[0].isdigit()}
    assert told == {code: status for code, (status, _) in STATUS.items()}


def test_every_page_for_people() -> None:
    files = re.compile(r"\.(css|js|svg|txt)$")
    paths = {each.path for each in page_endpoints(API_ENDPOINTS, {}) if not files.search(each.path)}
    paths -= {each.path for each in widget_endpoints({})}  # these have a page of their own
    paths -= {"/console/{nowhere}"}  # says that it is none
    assert paths <= set(codes(section(PAGE, "## Operation")))
