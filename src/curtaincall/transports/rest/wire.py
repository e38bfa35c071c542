"""The base of request and response bodies: camelCase on the wire, snake_case in the code."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

T = TypeVar("T")

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
AmountMinor = Annotated[int, Field(ge=0, le=10**12, strict=True)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Body(BaseModel):
    """What a client sends, or is sent."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Items(Body, Generic[T]):
    """A page of a list."""

    items: list[T]
    next_cursor: str | None = None
