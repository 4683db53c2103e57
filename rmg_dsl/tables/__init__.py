"""Tables: files and frames to rows and back, as streams. A failure is a `DataError`.

The only package that imports pandas and pyarrow. It imports them inside functions: importing this
package imports neither.
"""

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.atomic_write import write_text
from rmg_dsl.tables.floats import FloatsOnDisk
from rmg_dsl.tables.formats import (
    FORMATS,
    REPORT_ENDINGS,
    Format,
    check_log_ending,
    is_report,
    readable_names,
    report_names,
    writable_names,
)
from rmg_dsl.tables.frames import ColumnData, is_frame, records_to_frame
from rmg_dsl.tables.opening import open_table, read_frame
from rmg_dsl.tables.other_frames import to_frame
from rmg_dsl.tables.rows import Row, Table
from rmg_dsl.tables.selection import limit_rows, sample_rows
from rmg_dsl.tables.values import to_plain
from rmg_dsl.tables.writing import (
    TableWriter,
    check_overwrite,
    check_writable,
    open_writer,
    write_table,
)

__all__ = [
    "FORMATS",
    "REPORT_ENDINGS",
    "ColumnData",
    "ColumnKind",
    "FloatsOnDisk",
    "Format",
    "Row",
    "Table",
    "TableWriter",
    "check_log_ending",
    "check_overwrite",
    "check_writable",
    "is_frame",
    "is_report",
    "limit_rows",
    "open_table",
    "open_writer",
    "read_frame",
    "readable_names",
    "records_to_frame",
    "report_names",
    "sample_rows",
    "to_frame",
    "to_plain",
    "writable_names",
    "write_table",
    "write_text",
]
