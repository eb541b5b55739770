"""Options: types that only editors have. The others are those of objectives (`objectives/options.py`)."""

from typing import Annotated

from pydantic import Field

Share = Annotated[float, Field(gt=0, lt=1)]  # of what is wanted: all of it would need a weight of nothing
ShareOfDepth = Annotated[float, Field(ge=0, le=1)]  # where the first edited block stands
