"""What all tables share: naming of constraints, column types with their defaults, no lazy loading anywhere."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, MetaData, SmallInteger, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
        list[UUID]: ARRAY(Uuid()),
        list[int]: ARRAY(BigInteger()),
    }


Id = Annotated[UUID, mapped_column(Uuid(), primary_key=True, server_default=text("uuidv7()"))]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Small = Annotated[int, mapped_column(SmallInteger())]
Big = Annotated[int, mapped_column(BigInteger())]
Tags = Annotated[list[str], mapped_column(ARRAY(Text()), server_default=text("'{}'"))]
Document = Annotated[dict[str, Any], mapped_column(JSONB(), server_default=text("'{}'"))]
Flag = Annotated[bool, mapped_column(server_default=text("false"))]
On = Annotated[bool, mapped_column(server_default=text("true"))]
Empty = Annotated[str, mapped_column(Text(), server_default=text("''"))]
Zero = Annotated[int, mapped_column(server_default=text("0"))]
