"""Result schemas as HiveServer2 describes them, and rows as it carries them."""

from __future__ import annotations

from collections.abc import Sequence

import lz4.frame
import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import ttypes
from pyspark.sql import types as spark
from pyspark.sql.types import DataType

from brickloop.localws.arrow_results import ResultShape

_TYPES: dict[type[DataType], int] = {
    spark.BooleanType: ttypes.TTypeId.BOOLEAN_TYPE,
    spark.ByteType: ttypes.TTypeId.TINYINT_TYPE,
    spark.ShortType: ttypes.TTypeId.SMALLINT_TYPE,
    spark.IntegerType: ttypes.TTypeId.INT_TYPE,
    spark.LongType: ttypes.TTypeId.BIGINT_TYPE,
    spark.FloatType: ttypes.TTypeId.FLOAT_TYPE,
    spark.DoubleType: ttypes.TTypeId.DOUBLE_TYPE,
    spark.TimestampType: ttypes.TTypeId.TIMESTAMP_TYPE,
    spark.TimestampNTZType: ttypes.TTypeId.TIMESTAMP_TYPE,
    spark.DateType: ttypes.TTypeId.DATE_TYPE,
    spark.BinaryType: ttypes.TTypeId.BINARY_TYPE,
    spark.DecimalType: ttypes.TTypeId.DECIMAL_TYPE,
    spark.ArrayType: ttypes.TTypeId.ARRAY_TYPE,
    spark.MapType: ttypes.TTypeId.MAP_TYPE,
    spark.StructType: ttypes.TTypeId.STRUCT_TYPE,
    spark.NullType: ttypes.TTypeId.NULL_TYPE,
    spark.DayTimeIntervalType: ttypes.TTypeId.INTERVAL_DAY_TIME_TYPE,
    spark.YearMonthIntervalType: ttypes.TTypeId.INTERVAL_YEAR_MONTH_TYPE,
}


def table_schema(shape: ResultShape) -> ttypes.TTableSchema:
    """The columns; every type is a primitive entry, nested ones too, as clients expect."""
    return ttypes.TTableSchema(
        [
            ttypes.TColumnDesc(
                columnName=field.name,
                typeDesc=ttypes.TTypeDesc(
                    [ttypes.TTypeEntry(primitiveEntry=_entry(field.dataType))]
                ),
                position=position,
                comment="",
            )
            for position, field in enumerate(shape.schema.fields, start=1)
        ]
    )


def metadata(shape: ResultShape, *, lz4_compressed: bool) -> ttypes.TGetResultSetMetadataResp:
    """What a client must know before it reads rows."""
    return ttypes.TGetResultSetMetadataResp(
        status=ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS),
        schema=table_schema(shape),
        resultFormat=ttypes.TSparkRowSetType.ARROW_BASED_SET,
        lz4Compressed=lz4_compressed,
        arrowSchema=shape.arrow_schema.serialize().to_pybytes(),
        isStagingOperation=False,
    )


def row_set(
    batches: Sequence[pa.RecordBatch], start: int, *, lz4_compressed: bool
) -> ttypes.TRowSet:
    """Rows as Arrow messages without their schema, each compressed by itself."""
    carried = []
    for batch in batches:
        content = batch.serialize().to_pybytes()
        if lz4_compressed:
            content = lz4.frame.compress(content)
        carried.append(ttypes.TSparkArrowBatch(batch=content, rowCount=batch.num_rows))
    return ttypes.TRowSet(startRowOffset=start, rows=[], arrowBatches=carried)


def _entry(kind: DataType) -> ttypes.TPrimitiveTypeEntry:
    number = _TYPES.get(type(kind), ttypes.TTypeId.STRING_TYPE)
    qualifiers = None
    if isinstance(kind, spark.DecimalType):
        qualifiers = ttypes.TTypeQualifiers(
            {
                "precision": ttypes.TTypeQualifierValue(i32Value=kind.precision),
                "scale": ttypes.TTypeQualifierValue(i32Value=kind.scale),
            }
        )
    return ttypes.TPrimitiveTypeEntry(number, qualifiers)
