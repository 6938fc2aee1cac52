"""Counts, their corrections, and their proof."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.content import ContentRef, prose_fault, stored_label, text_fault
from sharetally.domain.errors import InvalidRequest
from sharetally.domain.ids import new_id
from sharetally.domain.proof import CellProof
from sharetally.flow.adjustments import Adjust
from sharetally.web.count_responses import count_body
from sharetally.web.endpoint import Request
from sharetally.web.responses import Response, json_response
from sharetally.web.schemas.counts import (
    AdjustmentBody,
    CellBody,
    Counts,
    JobId,
    JobIds,
    Proof,
)
from sharetally.web.services import Services, content_from_path, validated_content


async def count(services: Services, request: Request) -> Response:
    """The count as it stands; with `consistent`, with everything that is committed."""
    content = content_from_path(request)
    if request.query.consistent:
        request.require_caller()
        return json_response(200, count_body(await services.queries.consistent(content)), ("cache-control", "no-store"))
    found = await services.queries.count(content)
    response = services.count_responses.response(found)
    if _matches_etag(request.headers.get("if-none-match"), found.version):
        return Response(status=304, headers=response.headers[1:])
    return response


def _matches_etag(wanted: str | None, version: int) -> bool:
    if wanted is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    return "*" in tags or f'"{version}"' in tags


async def counts(services: Services, request: Request) -> Response:
    """Many counts at once, in the order asked."""
    contents = [
        validated_content(each.contentType, each.contentId, within=f"contents[{index}].")
        for index, each in enumerate(request.body.contents)
    ]
    found = await services.queries.counts(contents) if contents else []
    return json_response(200, Counts(counts=[count_body(each) for each in found]), ("cache-control", "no-cache"))


async def adjust(services: Services, request: Request) -> Response:
    """Correct one content's count."""
    command = _adjust_command(request, [_adjustment(request, content_from_path(request), request.body, "")])
    return await services.commit(request, command, lambda jobs: json_response(202, JobId(jobId=jobs[0])))


async def adjust_many(services: Services, request: Request) -> Response:
    """Correct many: all, or none."""
    lines = []
    for index, each in enumerate(request.body.adjustments):
        path = f"adjustments[{index}]."
        content = validated_content(each.contentType, each.contentId, within=path)
        lines.append(_adjustment(request, content, each, path))
    return await services.commit(
        request, _adjust_command(request, lines), lambda jobs: json_response(202, JobIds(jobIds=jobs))
    )


def _adjust_command(request: Request, lines: Sequence[Adjustment]) -> Adjust:
    return Adjust(adjustments=lines, user_id=request.caller.user_id, request_id=request.request_id)


def _adjustment(request: Request, content: ContentRef, body: AdjustmentBody, path: str) -> Adjustment:
    job_id = str(new_id()) if body.jobId is UNSET else body.jobId
    for name, fault in (("reason", prose_fault(body.reason)), ("jobId", text_fault(job_id))):
        if fault:
            raise InvalidRequest((f"{path}{name}", fault))
    return Adjustment(
        id=new_id(),
        request_key=job_id,
        content=content,
        amount=body.amount if body.operation == "increment" else -body.amount,
        channel=stored_label(body.channelId),
        campaign=stored_label(body.campaignId),
        reason=body.reason,
        actor=request.caller.actor,
    )


async def proof(services: Services, request: Request) -> Response:
    """Ledger, pending and counted side by side, from one snapshot."""
    content = content_from_path(request)
    cells, at = await services.proof.cells(content)
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
        cells=[_cell_body(cell) for cell in cells],
    )
    return json_response(200, body, ("cache-control", "no-store"))


def _cell_body(cell: CellProof) -> CellBody:
    name = f"rollup:{cell.value}" if cell.dimension == "rollup" else cell.cell
    return CellBody(cell=name, ledger=cell.ledger, pending=cell.pending, counted=cell.counted, drift=cell.drift)
