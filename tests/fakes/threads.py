"""A fake of the Threads API: containers that are published once, and tokens that renew themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.fakes.api_server import Reply, Request
from tests.fakes.graph import INVALID_TOKEN, NO_SUCH_OBJECT, graph_error, paged
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.platform import FakePlatform

USER_ID = "9876543210"
NOT_READY = graph_error(24, "The requested resource does not exist", subcode=4_279_009)
ALREADY_PUBLISHED = graph_error(100, "Invalid parameter: the container has been published already", subcode=2_207_051)
YOUNGEST = timedelta(hours=24)


@dataclass(kw_only=True)
class Container:
    """What is to be published."""

    id: str
    text: str
    status: str = "FINISHED"


@dataclass(frozen=True, kw_only=True)
class Post:
    """What has been published."""

    id: str
    text: str
    created_at: datetime


class FakeThreads(FakePlatform):
    """One user; `ages` says when each long-lived token was issued."""

    description = "threads.yaml"

    def __init__(self) -> None:
        super().__init__()
        self.ages: dict[str, datetime] = {}
        self.containers: dict[str, Container] = {}
        self.posts: list[Post] = []
        self.now = datetime.now(UTC)

    def texts(self) -> list[str]:
        return [post.text for post in self.posts]

    def token(self, request: Request) -> Reply:
        form = request.form
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return graph_error(1, "Error validating client secret.")
        if not self.grants.redeem(form):
            return graph_error(100, "This authorization code has been used.", subcode=36_009)
        return Reply(json={"access_token": self.grants.issue(), "user_id": int(USER_ID)})

    def long_lived(self, request: Request) -> Reply:
        if request.query["client_secret"] != CLIENT_SECRET or request.query["access_token"] not in self.grants.access:
            return INVALID_TOKEN
        return self._issue()

    def refresh(self, request: Request) -> Reply:
        token = request.query["access_token"]
        if token not in self.grants.access:
            return INVALID_TOKEN
        if self.now - self.ages[token] < YOUNGEST:
            return graph_error(1, "The access token must be at least 24 hours old", status=400)
        return self._issue()

    def me(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        return Reply(json={"id": USER_ID, "username": "example"})

    def create(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        container = Container(id=str(17_900_000 + len(self.containers)), text=request.form["text"])
        self.containers[container.id] = container
        return Reply(json={"id": container.id})

    def publish(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        container = self.containers.get(request.form["creation_id"])
        if container is None or container.status == "EXPIRED":
            return NO_SUCH_OBJECT
        if container.status == "IN_PROGRESS":
            return NOT_READY
        if container.status == "PUBLISHED":
            return ALREADY_PUBLISHED
        container.status = "PUBLISHED"
        post = Post(id=str(18_100_000 + len(self.posts)), text=container.text, created_at=self.now)
        self.posts.append(post)
        return Reply(json={"id": post.id})

    def posts_of(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        begin = int(request.query.get("since", "0"))
        shown = [
            {"id": post.id, "text": post.text, "permalink": _permalink(post.id)}
            for post in reversed(self.posts)
            if post.created_at.timestamp() >= begin
        ]
        return Reply(json=paged(shown, request.query.get("after", ""), request.query.get("limit", "")))

    def read(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        object_id = request.path["object"]
        if request.query["fields"] == "status" and object_id in self.containers:
            return Reply(json={"id": object_id, "status": self.containers[object_id].status})
        if any(post.id == object_id for post in self.posts):
            return Reply(json={"id": object_id, "permalink": _permalink(object_id)})
        return NO_SUCH_OBJECT

    def delete(self, request: Request) -> Reply:
        if request.bearer not in self.grants.access:
            return INVALID_TOKEN
        kept = [post for post in self.posts if post.id != request.path["object"]]
        found = len(kept) < len(self.posts)
        self.posts = kept
        return Reply(json={"success": True, "deleted_id": request.path["object"]}) if found else NO_SUCH_OBJECT

    def _issue(self) -> Reply:
        token = self.grants.issue()
        self.ages[token] = self.now
        return Reply(json={"access_token": token, "token_type": "bearer", "expires_in": 5_183_944})


def _permalink(post_id: str) -> str:
    return f"https://www.threads.com/@example/post/{post_id}"
