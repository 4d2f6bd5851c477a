"""What an answer holds when something went wrong (RFC 9457)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MistakeAnswer(BaseModel):
    """One mistake of a request."""

    at: str = Field(description="Where it is.", examples=["body.note"])
    message: str = Field(description="What is wrong there.", examples=["Field required"])


class ProblemAnswer(BaseModel):
    """What went wrong, and what to do."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {
            "type": "urn:hubwatch:problem:not-allowed", "title": "Forbidden", "status": 403,
            "detail": "alarm.acknowledge needs the role guard, which you have at no hub",
        },
    ]})  # fmt: skip

    type: str = Field(description="`about:blank`, or a name for programs that begins with `urn:hubwatch:problem:`.")
    title: str = Field(description="The standard words of the status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What to do, in words for people.")
    errors: list[MistakeAnswer] | None = Field(None, description="Each mistake of a request that is invalid.")
