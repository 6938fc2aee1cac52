"""Counts, their corrections, and their proof."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sharetally.domain.adjustment import Adjustment
from sharetally.domain.content import ContentRef, prose_fault, stored_label, text_fault
from sharetally.domain.errors import InvalidRequest
from sharetally.domain.ids import new_id
from sharetally.domain.proof import CellProof
from sharetally.flow.adjusting import Adjust
from sharetally.web.answers import Answer, json_answer
from sharetally.web.count_answers import count_body
from sharetally.web.endpoint import Asked
from sharetally.web.parts import Parts, checked_content, content_of
from sharetally.web.schemas.counts import (
    AdjustmentBody,
    CellBody,
    Counts,
    JobId,
    JobIds,
    Proof,
)


async def count(parts: Parts, asked: Asked) -> Answer:
    """The count as it stands; with `consistent`, with everything that is committed."""
    content = content_of(asked)
    if asked.query.consistent:
        asked.need_caller()
        return json_answer(200, count_body(await parts.queries.consistent(content)), ("cache-control", "no-store"))
    found = await parts.queries.count(content)
    answer = parts.count_answers.answer(found)
    if _fresh(asked.headers.get("if-none-match"), found.version):
        return Answer(status=304, headers=answer.headers[1:])
    return answer


def _fresh(wanted: str | None, version: int) -> bool:
    if wanted is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    return "*" in tags or f'"{version}"' in tags


async def counts(parts: Parts, asked: Asked) -> Answer:
    """Many counts at once, in the order asked."""
    contents = [
        checked_content(each.contentType, each.contentId, within=f"contents[{place}].")
        for place, each in enumerate(asked.body.contents)
    ]
    found = await parts.queries.counts(contents) if contents else []
    return json_answer(200, Counts(counts=[count_body(each) for each in found]), ("cache-control", "no-cache"))


async def adjust(parts: Parts, asked: Asked) -> Answer:
    """Correct one content's count."""
    wish = _wish(asked, [_adjustment(asked, content_of(asked), asked.body, "")])
    return await parts.commit(asked, wish, lambda jobs: json_answer(202, JobId(jobId=jobs[0])))


async def adjust_many(parts: Parts, asked: Asked) -> Answer:
    """Correct many: all, or none."""
    lines = []
    for place, each in enumerate(asked.body.adjustments):
        where = f"adjustments[{place}]."
        content = checked_content(each.contentType, each.contentId, within=where)
        lines.append(_adjustment(asked, content, each, where))
    return await parts.commit(asked, _wish(asked, lines), lambda jobs: json_answer(202, JobIds(jobIds=jobs)))


def _wish(asked: Asked, lines: Sequence[Adjustment]) -> Adjust:
    return Adjust(adjustments=lines, user_id=asked.signed.user_id, request_id=asked.request_id)


def _adjustment(asked: Asked, content: ContentRef, body: AdjustmentBody, where: str) -> Adjustment:
    job_id = str(new_id()) if body.jobId is UNSET else body.jobId
    for name, fault in (("reason", prose_fault(body.reason)), ("jobId", text_fault(job_id))):
        if fault:
            raise InvalidRequest((f"{where}{name}", fault))
    return Adjustment(
        id=new_id(),
        request_key=job_id,
        content=content,
        amount=body.amount if body.operation == "increment" else -body.amount,
        channel=stored_label(body.channelId),
        campaign=stored_label(body.campaignId),
        reason=body.reason,
        actor=asked.signed.actor,
    )


async def proof(parts: Parts, asked: Asked) -> Answer:
    """Ledger, pending and counted side by side, from one snapshot."""
    content = content_of(asked)
    cells, at = await parts.proving.proof(content)
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
        cells=[_cell(cell) for cell in cells],
    )
    return json_answer(200, body, ("cache-control", "no-store"))


def _cell(cell: CellProof) -> CellBody:
    name = f"rollup:{cell.value}" if cell.dimension == "rollup" else cell.cell
    return CellBody(cell=name, ledger=cell.ledger, pending=cell.pending, counted=cell.counted, drift=cell.drift)
