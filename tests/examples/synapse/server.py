"""Starts Synapse on SQLite, and does there what users do with their own clients."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlencode

from tests.program import fetch
from tests.services.launch import ServerProcess, free_port, run_server, run_setup
from tests.services.pip import install_environment

NAME = "matrix.example"
SECRET = "known to the tests alone"
PASSWORD = "correct horse battery staple"
CLIENT = "/_matrix/client/v3"


@dataclass(frozen=True, kw_only=True)
class Session:
    """A user who has signed in."""

    user: str
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Synapse:
    """A running homeserver."""

    url: str

    def call(self, method: str, path: str, body: object = None, *, session: Session | None = None) -> Any:
        """Call the client API as a user's own client does."""
        token = session.token if session else ""
        status, answer = fetch(f"{self.url}{path}", token=token, body=body, method=method)
        assert status == 200, (status, answer)
        return answer

    def new_user(self) -> Session:
        """Somebody new, signed in."""
        name, path = f"mara-{token_hex(4)}", "/_synapse/admin/v1/register"
        nonce = self.call("GET", path)["nonce"]
        signed = "\0".join([nonce, name, PASSWORD, "notadmin"]).encode()
        mac = hmac.new(SECRET.encode(), signed, sha1).hexdigest()
        made = self.call(
            "POST", path, {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac}
        )
        return Session(user=made["user_id"], token=made["access_token"])

    def sign_in(self, user: str) -> Session:
        """Another session of a user."""
        identifier = {"type": "m.id.user", "user": user}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        return Session(user=user, token=self.call("POST", f"{CLIENT}/login", body)["access_token"])

    def sign_out(self, session: Session) -> None:
        """End the session."""
        self.call("POST", f"{CLIENT}/logout", {}, session=session)

    def new_room(self, owner: Session, **fields: object) -> Room:
        """A public room with an alias."""
        name = f"news-{token_hex(4)}"
        body = {"room_alias_name": name, "preset": "public_chat", **fields}
        made = self.call("POST", f"{CLIENT}/createRoom", body, session=owner)
        return Room(synapse=self, id=made["room_id"], alias=f"#{name}:{NAME}", owner=owner)


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room on it, as its owner sees it."""

    synapse: Synapse
    id: str
    alias: str
    owner: Session

    @property
    def path(self) -> str:
        """Where it is in the client API."""
        return f"{CLIENT}/rooms/{quote(self.id, safe='')}"

    def join(self, session: Session) -> None:
        """Let somebody join."""
        self.synapse.call("POST", f"{self.path}/join", {}, session=session)

    def ban(self, session: Session) -> None:
        """Let nobody see this user there any more."""
        self.synapse.call("POST", f"{self.path}/ban", {"user_id": session.user}, session=self.owner)

    def write(self, session: Session, text: str) -> str:
        """Write something by hand; returns the id of the event."""
        path = f"{self.path}/send/m.room.message/{token_hex(8)}"
        sent = self.synapse.call("PUT", path, {"msgtype": "m.text", "body": text}, session=session)
        return str(sent["event_id"])

    def redact(self, session: Session, event: str) -> None:
        """Delete a message by hand."""
        path = f"{self.path}/redact/{quote(event, safe='')}/{token_hex(8)}"
        self.synapse.call("PUT", path, {}, session=session)

    def events(self) -> list[dict[str, Any]]:
        """All messages, newest first; a redacted one has no content."""
        query = urlencode({"dir": "b", "limit": 500, "filter": json.dumps({"types": ["m.room.message"]})})
        found: list[dict[str, Any]] = self.synapse.call("GET", f"{self.path}/messages?{query}", session=self.owner)[
            "chunk"
        ]
        return found

    def texts(self) -> list[str]:
        """What can be read there, newest first."""
        return [event["content"]["body"] for event in self.events() if event["content"]]


@contextmanager
def open_synapse(folder: Path) -> Iterator[Synapse]:
    """A homeserver with an empty database; stopped at the end."""
    python, port = install_environment(Path(__file__).parent), free_port()
    configuration = {
        "server_name": NAME,
        "report_stats": False,
        "pid_file": str(folder / "homeserver.pid"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "trusted_key_servers": [],
        "registration_shared_secret": SECRET,
        "listeners": [
            {"port": port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["client"]}]}
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "rc_login": {name: {"per_second": 100, "burst_count": 100} for name in ("address", "account")},
    }
    (folder / "homeserver.yaml").write_text(json.dumps(configuration))  # JSON is YAML
    command = [str(python), "-m", "synapse.app.homeserver", "-c", str(folder / "homeserver.yaml")]
    run_setup([*command, "--generate-keys"])
    url = f"http://127.0.0.1:{port}"
    process = ServerProcess(command, lambda: fetch(f"{url}/health")[0] == 200, log=folder / "synapse.log")
    with run_server(process):
        yield Synapse(url=url)
