"""The HTTP page has every route with who may, what it answers and how it fails; and every error code."""

from __future__ import annotations

import re

import pytest

from sharetally.web.endpoint import Access, Endpoint
from sharetally.web.endpoints.pages import page_endpoints
from sharetally.web.endpoints.widget import widget_endpoints
from sharetally.web.problems import STATUS
from sharetally.web.table import API_ENDPOINTS, PROBE_ENDPOINTS
from tests.docs.pages import REFERENCE, codes, rows, section

PAGE = REFERENCE / "http.md"
ROUTES = {(endpoint.method, endpoint.path): endpoint for endpoint in (*API_ENDPOINTS, *PROBE_ENDPOINTS)}
WHO = {
    "public": "anybody",
    "counts": "counts",
    "signed": "token",
    "signed, visitors too": "token or visitor",
    "shares or visits": "`shares` or `visits`",
    "shares": "`shares`",
    "admin": "`admin`",
    "act-as": "`act-as`",
    "analytics": "`analytics`",
    "analytics or audit or admin": "`analytics`, `audit` or `admin`",
    "analytics or admin": "`analytics` or `admin`",
    "operators": "operators",
    "console": "session",
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
    assert who == WHO[endpoint.access.value]
    assert {int(status) for status in re.findall(r"\b[2345]\d\d\b", responses)} - {404} == set(endpoint.responses)
    assert set(codes(problems)) == set(_own_problems(endpoint))


def _own_problems(endpoint: Endpoint) -> set[str]:
    return set(endpoint.problems) - (EVERYWHERE if endpoint.access is not Access.PUBLIC else set())


def test_every_error_code_with_its_status() -> None:
    told = {codes(row[1])[0]: int(row[0]) for row in rows(PAGE, under="## Errors") if row[0].isdigit()}
    assert told == {code: status for code, (status, _) in STATUS.items()}


def test_every_page_for_people() -> None:
    files = re.compile(r"\.(css|js|svg|txt)$")
    paths = {each.path for each in page_endpoints(API_ENDPOINTS) if not files.search(each.path)}
    paths -= {each.path for each in widget_endpoints()}  # these have a page of their own
    paths -= {"/console/{nowhere}"}  # says that it is none
    assert paths <= set(codes(section(PAGE, "## Operation")))
