"""What is said to everybody before they log in (IEC 62443-3-3 SR 1.12)."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from hubwatch_console.access import Public, SharedParts
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.people import NoticeAnswer

router = APIRouter(tags=["notice"])


@router.get("/notice", dependencies=[Depends(Public())], **gives(NoticeAnswer))
async def notice(parts: SharedParts) -> dict[str, str | None]:
    """Return the notice of this hub, null where it has none."""
    return {"notice": parts.settings.notice.text}
