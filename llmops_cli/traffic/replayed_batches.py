"""How long a replayed fleet decoded at each batch, from the events that simulate-serving writes."""

from typing import TYPE_CHECKING

from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["COLUMNS", "read_replayed_batches"]

COLUMNS = ("policy", "kind", "decoding", "duration_s")


def read_replayed_batches(
    path: str, policy: str = ""
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Sequences that decoded in every iteration, and its seconds.

    Args:
        path: of the Parquet file.
        policy: whose iterations; needed where the file has several.

    Returns:
        Two arrays of the iterations in which anything decoded.

    Raises:
        LlmopsError: ``events-unreadable``, ``events-missing-column``, ``events-policy`` where
            the file has not the policy or several of them.
    """
    import numpy as np  # noqa: PLC0415 - only who has such a file pays for them
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        table = pq.ParquetFile(path)
        missing = [name for name in COLUMNS if name not in table.schema_arrow.names]
        if missing:
            raise LlmopsError(
                "events-missing-column",
                f"it lacks {', '.join(missing)}",
                hint="llmops simulate-serving --events writes them",
                file=path,
            )
        read = table.read(list(COLUMNS)).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise LlmopsError(
            "events-unreadable", "the events cannot be read as Parquet", file=path
        ) from error
    names = sorted(read["policy"].unique())
    if (policy and policy not in names) or (not policy and len(names) > 1):
        raise LlmopsError(
            "events-policy",
            f"it has the policies {', '.join(names)}",
            hint=f"--load {path}:{names[0] if names else 'POLICY'}",
            exit_code=ExitCode.USAGE,
            file=path,
        )
    rows = read[(read["kind"] == "iteration") & (read["decoding"] > 0)]
    rows = rows[rows["policy"] == policy] if policy else rows
    return rows["decoding"].to_numpy(np.float64), rows["duration_s"].to_numpy(np.float64)
