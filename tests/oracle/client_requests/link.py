"""Making, moving and deleting share links."""

from __future__ import annotations

from tests.oracle.client import Response
from tests.oracle.client_requests.client_request import WriteOperation, content_fields, status_fault
from tests.oracle.expected import Expected, Link


class CreateLink(WriteOperation):
    """POST /share-links."""

    name = "link"

    def __init__(self, link: Link) -> None:
        body = {**content_fields(link.content), **_labels(link.channel, link.campaign)}
        super().__init__(user=link.user, method="POST", target="/share-links", body=body)
        self._link = link
        self.deltas = {link.content: 1}

    def fault(self, response: Response) -> str | None:
        if response.status != 201:
            return status_fault(response, 201)
        found = response.json()
        stands = {
            **content_fields(self._link.content),
            "userId": self._link.user,
            **_shown(self._link.channel, self._link.campaign),
        }
        return None if stands.items() <= found.items() and found["id"] else f"{stands} expected, answered {response}"

    def subject(self, response: Response) -> str:
        return str(response.json()["id"])

    def apply(self, expected: Expected, subject: str) -> None:
        expected.create_link(subject, self._link)


class PatchLink(WriteOperation):
    """PATCH /share-links/{id}: `campaign` always, `channel` unless it stays, `url` if that changes too."""

    name = "move"

    def __init__(
        self, expected: Expected, link_id: str, *, channel: str | None, campaign: str, url: str | None
    ) -> None:
        self._before = expected.links[link_id]
        body = {"campaignId": campaign or None}
        if channel is not None:
            body["channelId"] = channel or None
        if url is not None:
            body["url"] = url
        super().__init__(user=self._before.user, method="PATCH", target=f"/share-links/{link_id}", body=body)
        self._id = link_id
        self._channel = self._before.channel if channel is None else channel
        self._campaign = campaign
        self._touched = url is not None
        self.keys = frozenset({link_id})

    def fault(self, response: Response) -> str | None:
        if not self._before.live:
            return status_fault(response, 404)
        if response.status != 200:
            return status_fault(response, 200)
        stands = _shown(self._channel, self._campaign)
        return None if stands.items() <= response.json().items() else f"{stands} expected, answered {response}"

    def apply(self, expected: Expected, subject: str) -> None:
        if self._before.live:
            expected.patch_link(self._id, channel=self._channel, campaign=self._campaign, touched=self._touched)


class DeleteLink(WriteOperation):
    """DELETE /share-links/{id}; the second time there is nothing to delete."""

    name = "unlink"

    def __init__(self, expected: Expected, link_id: str) -> None:
        self._before = expected.links[link_id]
        super().__init__(user=self._before.user, method="DELETE", target=f"/share-links/{link_id}")
        self._id = link_id
        self.keys = frozenset({link_id})
        if self._before.live:
            self.deltas = {self._before.content: -1}

    def fault(self, response: Response) -> str | None:
        return status_fault(response, 204 if self._before.live else 404)

    def apply(self, expected: Expected, subject: str) -> None:
        if self._before.live:
            expected.delete_link(self._id)


def _labels(channel: str, campaign: str) -> dict[str, str]:
    return {name: value for name, value in (("channelId", channel), ("campaignId", campaign)) if value}


def _shown(channel: str, campaign: str) -> dict[str, str | None]:
    return {"channelId": channel or None, "campaignId": campaign or None}
