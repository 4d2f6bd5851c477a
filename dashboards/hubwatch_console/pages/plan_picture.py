"""The picture that a site names for its plan, from its hub's folder of plans, checked before it is shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hubwatch_site import HubSite
from hubwatch_site.plan_image import MAX_BYTES, fault_of_image

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For whoever opens the picture by itself: an SVG may have styles of its own, and nothing else."""
MOST_KEPT = 8


@dataclass(frozen=True, slots=True)
class PlanPicture:
    """A picture that may be shown, or why it is not."""

    content: bytes = b""
    kind: str = ""
    digest: str = ""
    fault: str | None = None


def picture_of(site: HubSite | None, folder: Path | None) -> PlanPicture | None:
    """Return the picture of a plan; None where the site names none. Reads a file, so not in the loop."""
    if site is None or site.plan is None or site.plan.image is None:
        return None
    if folder is None:
        return PlanPicture(fault="no folder of plans is set")
    # Each hub has a folder of its own: its site names no picture of another hub.
    own = folder / site.hub.id
    file = own / site.plan.image
    try:
        if not file.resolve().is_relative_to(folder.resolve() / site.hub.id):
            return PlanPicture(fault="lies outside the folder of its hub")
        found = file.stat()
        return _read(file, found.st_mtime_ns, found.st_size)
    except OSError as error:
        return PlanPicture(fault=f"cannot be read: {error.strerror or 'not a file'}")
    except ValueError:
        return PlanPicture(fault="cannot be read: no file is called so")


@lru_cache(maxsize=MOST_KEPT)
def _read(file: Path, _changed: int, _size: int) -> PlanPicture:
    """Return a file as it was when it was changed last."""
    with file.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    fault = fault_of_image(file.name, data)
    if fault is not None:
        return PlanPicture(fault=fault)
    kind = "image/png" if file.name.lower().endswith(".png") else "image/svg+xml"
    return PlanPicture(data, kind, hashlib.sha256(data).hexdigest()[:16])
