"""The words that answers are made of, each with what it means and an example."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class SaidAnswer(BaseModel):
    """What an answer holds."""

    model_config = ConfigDict(use_attribute_docstrings=True)


AT = "2026-11-30T06:12:09.120000Z"
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=[AT])]
Number = Annotated[int, Field(examples=[17])]
Count = Annotated[int, Field(examples=[3])]
Priority = Annotated[int, Field(ge=1, le=4, examples=[1], description="1 is the most urgent.")]
Hub = Annotated[str, Field(examples=["rotterdam"])]
Zone = Annotated[str, Field(examples=["lane-1"])]
Sensor = Annotated[str, Field(examples=["rpm-1"])]
Agent = Annotated[str, Field(examples=["quay"])]
AlarmType = Annotated[str, Field(examples=["radiation.gamma"])]
Person = Annotated[str, Field(examples=["kim"])]
Text = Annotated[str, Field(examples=["seen the permit"])]
Secret = Annotated[str, Field(examples=["hw_…"])]
Seconds = Annotated[float, Field(examples=[12.5])]
Days = Annotated[int, Field(examples=[400])]
Next = Annotated[
    str | None, Field(examples=[None], description="The `cursor` of the next page; null when there is no more.")
]
Exercise = Annotated[
    int | None, Field(examples=[None], description="The exercise that made it up; null for what is real.")
]
