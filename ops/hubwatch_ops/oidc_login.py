"""`hubwatch login --oidc`: the browser goes to the identity provider and comes back to this machine (RFC 8252)."""

from __future__ import annotations

import asyncio
import hmac
import webbrowser
from typing import Any

from aiohttp import web

from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.http.api_client import ApiClient
from hubwatch_core.terminal import say

COME_BACK_WITHIN_S = 300.0


async def log_in_by_browser(client: ApiClient) -> dict[str, Any]:
    """Return a session that has begun; raises Permanent when the person does not come back, or was not let in."""
    back: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    wanted: dict[str, str] = {}
    runner = web.AppRunner(_receiver(back, wanted), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        begun = await client.ask("POST", "/oidc/start", {"redirect_uri": f"http://127.0.0.1:{port}/callback"})
        wanted["state"] = begun["state"]
        say(f"log in here, if the browser does not open by itself:\n  {begun['url']}", err=True)
        await asyncio.to_thread(webbrowser.open, begun["url"])
        async with asyncio.timeout(COME_BACK_WITHIN_S):
            code = await back
        body = {"state": begun["state"], "binding": begun["binding"], "code": code}
        session: dict[str, Any] = await client.ask("POST", "/oidc/finish", body)
        return session
    except TimeoutError:
        raise Transient(f"nobody came back from the identity provider within {COME_BACK_WITHIN_S:g} s") from None
    finally:
        await runner.cleanup()


def _receiver(back: asyncio.Future[str], wanted: dict[str, str]) -> web.Application:
    async def callback(request: web.Request) -> web.Response:
        state, code = request.query.get("state", ""), request.query.get("code")
        if not wanted or not hmac.compare_digest(state.encode(), wanted["state"].encode()):
            return web.Response(status=400, text="this does not belong to a login that has begun here")
        if not back.done():
            if code is None:
                back.set_exception(Permanent("the identity provider did not let you in"))
            else:
                back.set_result(code)
        return web.Response(text="You can close this page and go back to the terminal.")

    app = web.Application()
    app.router.add_get("/callback", callback)
    return app
