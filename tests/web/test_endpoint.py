"""What an endpoint says about itself is what the router and the OpenAPI document do."""

from __future__ import annotations

import pytest

from sharetally.domain.errors import MethodNotAllowed
from sharetally.web.api.counts.schemas import CountQuery
from sharetally.web.documents.openapi import document
from sharetally.web.endpoint import Access, AnyEndpoint, Endpoint, NoBody, NoService, Request
from sharetally.web.parameters import ContentPath
from sharetally.web.responses import Response, no_content
from sharetally.web.routing import Router


async def handler(_: NoService, request: Request[ContentPath, CountQuery, NoBody]) -> Response:
    assert request.query.consistent in (True, False)
    return no_content()


def endpoint(*, head: bool = False, path: str = "/a/{contentType}/{contentId}") -> AnyEndpoint:
    return Endpoint(
        method="GET",
        path=path,
        handler=handler,
        service=NoService,
        request=Request[ContentPath, CountQuery, NoBody],
        access=Access.PUBLIC,
        responses={204: None},
        head=head,
    )


def test_head_is_answered_only_where_the_endpoint_allows_it() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        Router([endpoint()]).find("HEAD", ("a", "video", "abc"))
    assert caught.value.allowed == ("GET",)
    found, _ = Router([endpoint(head=True)]).find("HEAD", ("a", "video", "abc"))
    assert found.method == "GET"


def test_the_parameters_of_a_path_have_the_names_of_its_type() -> None:
    _, path = Router([endpoint()]).find("GET", ("a", "video", "abc"))
    assert path == ContentPath("video", "abc")
    with pytest.raises(AssertionError, match="other parameters"):
        Router([endpoint(path="/a/{contentId}/{contentType}")])


def test_a_public_endpoint_may_have_a_query() -> None:
    shown = document([endpoint()], server="")["paths"]["/a/{contentType}/{contentId}"]["get"]
    assert [each["name"] for each in shown["parameters"]] == ["contentType", "contentId", "consistent"]
    assert shown["security"] == []
