"""Handlers of counts, their corrections and their proof."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.content import ContentRef, stored_label
from sharetally.domain.ids import new_id
from sharetally.domain.proof import CellProof
from sharetally.flow.adjustments import Adjustments
from sharetally.flow.queries import Queries
from sharetally.ports import ProofStore
from sharetally.web.api.counts.schemas import (
    AdjustmentBody,
    AdjustmentsBody,
    CellBody,
    CountQuery,
    Counts,
    CountsBody,
    JobId,
    JobIds,
    Proof,
)
from sharetally.web.count_responses import CountResponseCache, count_body
from sharetally.web.endpoint import NoBody, NoPath, NoQuery, Request, response_to
from sharetally.web.parameters import ContentPath, validated_content
from sharetally.web.responses import Response, json_response


@dataclass(frozen=True, kw_only=True, slots=True)
class CountReader:
    """Reads counts; `responses` keeps those that were encoded before."""

    queries: Queries
    responses: CountResponseCache


@dataclass(frozen=True, kw_only=True, slots=True)
class ProofReader:
    """Reads the proof of a count."""

    store: ProofStore


async def count(reader: CountReader, request: Request[ContentPath, CountQuery, NoBody]) -> Response:
    """The latest count; with `consistent`, including everything that is committed."""
    content = request.path.content
    if request.query.consistent:
        _ = request.caller  # an exact count needs a token
        return json_response(200, count_body(await reader.queries.consistent(content)), ("cache-control", "no-store"))
    found = await reader.queries.count(content)
    response = reader.responses.response(found)
    known = request.headers.get("if-none-match")
    if known is not None:
        tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
        if "*" in tags or f'"{found.version}"' in tags:
            return Response(status=304, headers=response.headers[1:])
    return response


async def counts(reader: CountReader, request: Request[NoPath, NoQuery, CountsBody]) -> Response:
    """Many counts at once, in the order of the request."""
    contents = [
        validated_content(each.contentType, each.contentId, within=f"contents[{index}].")
        for index, each in enumerate(request.body.contents)
    ]
    found = await reader.queries.counts(contents) if contents else []
    return json_response(200, Counts(counts=[count_body(each) for each in found]), ("cache-control", "no-cache"))


async def adjust(adjustments: Adjustments, request: Request[ContentPath, NoQuery, AdjustmentBody]) -> Response:
    """Correct the count of one content item."""

    def render(job_ids: list[str]) -> Response:
        return json_response(202, JobId(jobId=job_ids[0]))

    outcome = await adjustments.adjust(
        [_adjustment(request.caller.actor, request.path.content, request.body)],
        user_id=request.caller.user_id,
        request_id=request.request_id,
        idempotent=request.idempotent(render),
    )
    return response_to(outcome, render)


async def adjust_many(adjustments: Adjustments, request: Request[NoPath, NoQuery, AdjustmentsBody]) -> Response:
    """Correct many counts: all, or none."""

    def render(job_ids: list[str]) -> Response:
        return json_response(202, JobIds(jobIds=job_ids))

    lines = [
        _adjustment(
            request.caller.actor,
            validated_content(each.contentType, each.contentId, within=f"adjustments[{index}]."),
            each,
        )
        for index, each in enumerate(request.body.adjustments)
    ]
    outcome = await adjustments.adjust(
        lines,
        user_id=request.caller.user_id,
        request_id=request.request_id,
        prefix="adjustments[{index}].",
        idempotent=request.idempotent(render),
    )
    return response_to(outcome, render)


def _adjustment(actor: str, content: ContentRef, body: AdjustmentBody) -> Adjustment:
    return Adjustment(
        id=new_id(),
        request_key=str(new_id()) if body.jobId is UNSET else body.jobId,
        content=content,
        amount=body.amount if body.operation == "increment" else -body.amount,
        channel=stored_label(body.channelId),
        campaign=stored_label(body.campaignId),
        reason=body.reason,
        actor=actor,
    )


async def proof(proofs: ProofReader, request: Request[ContentPath, NoQuery, NoBody]) -> Response:
    """Ledger, pending and counted side by side, from one snapshot."""
    content = request.path.content
    cells, at = await proofs.store.cells(content)
    nothing = CellProof(content=content, dimension="total", value="", counted=0, pending=0, ledger=0)
    total = next((cell for cell in cells if cell.dimension == "total"), nothing)
    body = Proof(
        contentType=content.type,
        contentId=content.id,
        ledger=total.ledger,
        pending=total.pending,
        counted=total.counted,
        drift=total.drift,
        asOf=at,
        cells=[
            CellBody(
                cell=f"rollup:{cell.value}" if cell.dimension == "rollup" else cell.cell,
                ledger=cell.ledger,
                pending=cell.pending,
                counted=cell.counted,
                drift=cell.drift,
            )
            for cell in cells
        ],
    )
    return json_response(200, body, ("cache-control", "no-store"))
