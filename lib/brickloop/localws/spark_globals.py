"""``spark`` and what stands around it in a notebook; the session opens when it is first needed."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any


class LiveSession:
    """The run's one Spark session."""

    def __init__(
        self, open_session: Callable[[], Any], on_frame: Callable[[Any], None], app_id: str
    ) -> None:
        self._open = open_session
        self.context = DriverContext(self, app_id)
        """What is ``sc`` in a notebook."""
        self._on_frame = on_frame
        self._lock = threading.RLock()
        self._spark: Any = None

    def get(self) -> Any:
        """The session, opened on the first call."""
        with self._lock:
            if self._spark is None:
                self._spark = self._open()
                self._attach()
            return self._spark

    @property
    def opened(self) -> Any:
        """The session, None where it was not needed yet."""
        return self._spark

    def record(self) -> Any:
        """What the session read and wrote, None if it was never opened."""
        return self._spark._recorder.record() if self._spark is not None else None

    def close(self) -> None:
        """Let the engine forget the session, if it was ever opened."""
        if self._spark is not None:
            try:
                self._spark.stop()
            except Exception:  # noqa: BLE001 - the run has ended; the engine forgets it by itself
                return

    def hook_builders(self) -> None:
        """Make ``SparkSession.builder.getOrCreate()`` give this session."""
        live = self

        def get_or_create(builder: Any) -> Any:
            spark = live.get()
            for key, value in getattr(builder, "_options", {}).items():
                _set_quietly(spark, str(key), value)
            return spark

        for name in ("pyspark.sql.connect.session", "pyspark.sql.session"):
            module: Any = sys.modules.get(name)
            if module is not None:
                # create() is what opens a session, ours too: it stays
                module.SparkSession.Builder.getOrCreate = get_or_create

    def _attach(self) -> None:
        show = self._on_frame
        frames: Any = sys.modules.get("pyspark.sql.connect.dataframe")
        if frames is not None:
            frames.DataFrame.display = lambda frame, *_args, **_options: show(frame)
            frames.DataFrame.rdd = property(lambda frame: DriverRdd(frame.collect(), self))
        sessions: Any = sys.modules.get("pyspark.sql.connect.session")
        if sessions is not None:
            sessions.SparkSession.sparkContext = property(lambda _spark: self.context)


def _set_quietly(spark: Any, key: str, value: Any) -> None:
    """Builder options that the live session cannot take any more are left out, as on a cluster."""
    if key in {"spark.app.name", "spark.master", "spark.remote"}:
        return
    try:
        spark.conf.set(key, str(value))
    except Exception:  # noqa: BLE001 - a static setting; a cluster ignores it as well
        return


class Broadcast:
    """A broadcast value; there is one process, so it is the value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def unpersist(self, blocking: bool = False) -> None:
        """Nothing to free."""

    def destroy(self, blocking: bool = False) -> None:
        """Nothing to free."""


class DriverContext:
    """``sc``, as far as a notebook needs it without RDDs; serverless compute has none either."""

    def __init__(self, session: LiveSession, app_id: str) -> None:
        self._session = session
        self.applicationId = app_id
        self.appName = "brickloop"
        self.master = "local"
        self.defaultParallelism = 2
        self.defaultMinPartitions = 2
        self.uiWebUrl = None

    @property
    def version(self) -> str:
        """Spark's version."""
        return str(self._session.get().version)

    def setLogLevel(self, logLevel: str) -> None:  # noqa: N802, N803 - Spark's names
        """Nothing to set: there is no JVM log."""

    def setJobGroup(self, *_args: Any, **_options: Any) -> None:  # noqa: N802
        """Nothing to group."""

    def setJobDescription(self, *_args: Any, **_options: Any) -> None:  # noqa: N802
        """Nothing to describe."""

    def setLocalProperty(self, *_args: Any, **_options: Any) -> None:  # noqa: N802
        """Nothing to set."""

    def broadcast(self, value: Any) -> Broadcast:
        """The value, wrapped as Spark does."""
        return Broadcast(value)

    def parallelize(self, values: Any, numSlices: int | None = None) -> DriverRdd:  # noqa: N803
        """The values as a small RDD on the driver."""
        return DriverRdd(list(values), self._session)

    def range(self, start: int, end: int | None = None, step: int = 1) -> DriverRdd:
        """Numbers as a small RDD on the driver."""
        numbers = range(start) if end is None else range(start, end, step)
        return DriverRdd(list(numbers), self._session)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"UNSUPPORTED: sparkContext.{name} needs a JVM; the local workspace runs on Spark"
            " Connect, as serverless compute does: use spark (DataFrames and SQL) instead"
        )


class DriverRdd:
    """A list with an RDD's everyday methods."""

    def __init__(self, values: list[Any], session: LiveSession) -> None:
        self._values = values
        self._session = session

    def map(self, function: Callable[[Any], Any], *_options: Any) -> DriverRdd:
        """Each value through the function."""
        return DriverRdd([function(value) for value in self._values], self._session)

    def flatMap(self, function: Callable[[Any], Any], *_options: Any) -> DriverRdd:  # noqa: N802
        """All that the function gives for each value."""
        return DriverRdd(
            [each for value in self._values for each in function(value)], self._session
        )

    def filter(self, function: Callable[[Any], Any]) -> DriverRdd:
        """The values for which the function is true."""
        return DriverRdd([value for value in self._values if function(value)], self._session)

    def reduceByKey(self, function: Callable[[Any, Any], Any], *_options: Any) -> DriverRdd:  # noqa: N802
        """One value for each key of pairs."""
        found: dict[Any, Any] = {}
        for key, value in self._values:
            found[key] = function(found[key], value) if key in found else value
        return DriverRdd(list(found.items()), self._session)

    def reduce(self, function: Callable[[Any, Any], Any]) -> Any:
        """One value for all."""
        import functools

        return functools.reduce(function, self._values)

    def collect(self) -> list[Any]:
        """The values."""
        return list(self._values)

    def take(self, num: int) -> list[Any]:
        """The first values."""
        return self._values[:num]

    def first(self) -> Any:
        """The first value; raises ValueError where there is none."""
        if not self._values:
            raise ValueError("RDD is empty")
        return self._values[0]

    def count(self) -> int:
        """How many values there are."""
        return len(self._values)

    def sum(self) -> Any:
        """Their sum."""
        return sum(self._values)

    def distinct(self, *_options: Any) -> DriverRdd:
        """Each value once."""
        return DriverRdd(list(dict.fromkeys(self._values)), self._session)

    def sortBy(self, keyfunc: Callable[[Any], Any], ascending: bool = True) -> DriverRdd:  # noqa: N802
        """The values in order."""
        return DriverRdd(sorted(self._values, key=keyfunc, reverse=not ascending), self._session)

    def isEmpty(self) -> bool:  # noqa: N802
        """Whether there is no value."""
        return not self._values

    def getNumPartitions(self) -> int:  # noqa: N802
        """One: all is on the driver."""
        return 1

    def foreach(self, function: Callable[[Any], Any]) -> None:
        """Call the function with each value."""
        for value in self._values:
            function(value)

    def zipWithIndex(self) -> DriverRdd:  # noqa: N802
        """Pairs of value and position."""
        return DriverRdd([(value, i) for i, value in enumerate(self._values)], self._session)

    def union(self, other: DriverRdd) -> DriverRdd:
        """The values of both."""
        return DriverRdd([*self._values, *other.collect()], self._session)

    def max(self, key: Callable[[Any], Any] | None = None) -> Any:
        """The largest value."""
        return max(self._values, key=key)

    def min(self, key: Callable[[Any], Any] | None = None) -> Any:
        """The smallest value."""
        return min(self._values, key=key)

    def mean(self) -> float:
        """The mean of the values."""
        return float(sum(self._values) / len(self._values))

    def cache(self) -> DriverRdd:
        """Itself: it is in memory already."""
        return self

    persist = unpersist = cache

    def repartition(self, numPartitions: int) -> DriverRdd:  # noqa: N803
        """Itself: there is one partition."""
        return self

    coalesce = repartition

    def toDF(self, schema: Any = None, *_options: Any) -> Any:  # noqa: N802
        """A Spark frame of the values."""
        return self._session.get().createDataFrame(self._values, schema)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"UNSUPPORTED: RDD.{name} is not there in the local workspace; use a DataFrame"
        )


class SqlContext:
    """``sqlContext``: what it had before ``spark`` came."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session

    @property
    def sparkSession(self) -> Any:  # noqa: N802 - Spark's name
        """The session."""
        return self._session.get()

    def setConf(self, key: str, value: Any) -> None:  # noqa: N802
        """Set a Spark setting."""
        self._session.get().conf.set(key, value)

    def getConf(self, key: str, default: Any = None) -> Any:  # noqa: N802
        """A Spark setting."""
        return self._session.get().conf.get(key, default)

    def registerDataFrameAsTable(self, df: Any, tableName: str) -> None:  # noqa: N802, N803
        """Give a frame a name for this session."""
        df.createOrReplaceTempView(tableName)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._session.get(), name)


def session_functions(session: LiveSession) -> dict[str, Any]:
    """The functions of a notebook that open the session when they are called."""

    def sql(*args: Any, **kwargs: Any) -> Any:
        return session.get().sql(*args, **kwargs)

    def table(name: str) -> Any:
        return session.get().table(name)

    def udf(*args: Any, **kwargs: Any) -> Any:
        from pyspark.sql.functions import udf as real_udf

        return real_udf(*args, **kwargs)

    return {"sql": sql, "table": table, "udf": udf}


def dbutils_module(dbutils: Any) -> types.ModuleType:
    """A module ``pyspark.dbutils``, by which libraries get at ``dbutils``."""
    module: Any = types.ModuleType("pyspark.dbutils")
    module.DBUtils = lambda *_session: dbutils
    found: types.ModuleType = module
    return found


def runtime_module(session: LiveSession, names: dict[str, Any]) -> types.ModuleType:
    """A module ``databricks.sdk.runtime`` with a notebook's names; ``spark`` opens on demand."""
    module = types.ModuleType("databricks.sdk.runtime")
    module.__dict__.update({name: value for name, value in names.items() if name != "spark"})
    public = [name for name in names if not name.startswith("_")]
    module.__dict__["__all__"] = sorted({*public, "spark"})

    def missing(name: str) -> Any:
        if name == "spark":
            return session.get()
        raise AttributeError(f"module 'databricks.sdk.runtime' has no attribute '{name}'")

    module.__getattr__ = missing  # type: ignore[method-assign]
    return module
