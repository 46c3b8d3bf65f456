"""Types of numbers in settings."""

from typing import Annotated

from pydantic import Field

# Numbers are strict: `true` or "3" for a number is a mistake, not a 1 or a 3.
Probability = Annotated[float, Field(ge=0, lt=1, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]
