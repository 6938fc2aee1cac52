"""A user who goes to the sign-in of a real Bluesky server and agrees, by the requests that its page makes."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import httpx2

from tests.platforms.pds.server import MAIN_PASSWORD, User

NAVIGATION = {
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
    "Accept": "text/html",
    "User-Agent": "Mozilla/5.0",
}


async def agree(url: str, user: User, *, declines: bool = False) -> dict[str, str]:
    """Sign in at this authorization URL and agree, or not; returns the parameters of the callback."""
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    async with httpx2.AsyncClient(timeout=60, follow_redirects=False) as client:
        cookies: dict[str, str] = {}

        def keep(response: httpx2.Response) -> None:
            for line in response.headers.get_list("set-cookie"):
                name, _, rest = line.partition("=")
                cookies[name] = rest.partition(";")[0]

        def cookie() -> str:
            return "; ".join(f"{name}={value}" for name, value in cookies.items())

        page = await client.get(url, headers=NAVIGATION)
        assert page.status_code == 200, page.text[:500]
        keep(page)

        async def post(name: str, body: dict[str, object], token: str | None) -> httpx2.Response:
            headers = {
                "Sec-Fetch-Mode": "same-origin",
                "Sec-Fetch-Dest": "empty",
                "Sec-Fetch-Site": "same-origin",
                "Origin": base,
                "Referer": url,
                "X-CSRF-Token": cookies["csrf-token"],
                "Cookie": cookie(),
                "Accept": "application/json",
                "User-Agent": NAVIGATION["User-Agent"],
                **({} if token is None else {"Authorization": f"Bearer {token}"}),
            }
            response = await client.post(f"{base}/@atproto/oauth-provider/~api/{name}", json=body, headers=headers)
            assert response.status_code == 200, response.text
            keep(response)
            return response

        credentials = {"locale": "en", "username": user.handle, "password": MAIN_PASSWORD, "remember": False}
        signed_in = (await post("sign-in", credentials, None)).json()
        name = "sub" if "sub" in signed_in["account"] else "did"  # 0.4 and 0.5
        token = signed_in.get("ephemeralToken")
        if declines:
            location = (await post("reject", {}, token)).json()["url"]
        else:
            location = (await post("consent", {name: signed_in["account"][name]}, token)).json()["url"]
        if location.startswith(base):  # a page of the server, which sends the browser on
            headers = {**NAVIGATION, "Sec-Fetch-Site": "same-origin", "Referer": url, "Cookie": cookie()}
            location = (await client.get(location, headers=headers)).headers["location"]
        callback = urlsplit(location)
        return dict(parse_qsl(callback.query) or parse_qsl(callback.fragment))
