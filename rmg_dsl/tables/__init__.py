"""Read and write: files and frames to rows and back, as streams; a failure is a `DataError`.

The only room that imports pandas and pyarrow, and only inside functions: importing this room imports neither.
"""

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.atomic_write import check_writable, write_text
from rmg_dsl.tables.floats import FloatsOnDisk
from rmg_dsl.tables.frames import ColumnData, is_frame, records_to_frame
from rmg_dsl.tables.inputs import FORMATS
from rmg_dsl.tables.opening import open_table, read_frame
from rmg_dsl.tables.other_frames import to_frame
from rmg_dsl.tables.rows import Row, Table
from rmg_dsl.tables.selection import limit_rows, sample_rows
from rmg_dsl.tables.values import to_plain
from rmg_dsl.tables.writing import TableWriter, open_writer, write_table

__all__ = [
    "FORMATS",
    "ColumnData",
    "ColumnKind",
    "FloatsOnDisk",
    "Row",
    "Table",
    "TableWriter",
    "check_writable",
    "is_frame",
    "limit_rows",
    "open_table",
    "open_writer",
    "read_frame",
    "records_to_frame",
    "sample_rows",
    "to_frame",
    "to_plain",
    "write_table",
    "write_text",
]
