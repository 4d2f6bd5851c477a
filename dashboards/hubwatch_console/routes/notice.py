"""What is said to everybody before they log in (IEC 62443-3-3 SR 1.12)."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from hubwatch_console.access import Public, SharedParts

router = APIRouter(tags=["notice"])


@router.get("/notice", dependencies=[Depends(Public())])
async def notice(parts: SharedParts) -> dict[str, str | None]:
    """Return the notice of this hub, null where it has none."""
    return {"notice": parts.settings.notice.text}
