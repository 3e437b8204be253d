"""Tables of text, by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.ingesting.source import Form, Piece, Stream

_BLOCK = 4 * 2**20  # bytes of text parsed at once; a row has to fit


class Csv(Stream):
    """Columns of CSV files, one file after another.

    Which columns are numbers shows in the first block of the first file; the others are left out.

    Parameters
    ----------
    files : at least one, with the same columns
    columns : names of those to take, in this order, or None for all that hold numbers
    dtype : asked for: whole numbers are parsed as such, all else as float64
    header : whether the first line holds the names
    delimiter : between values; None for a tab in .tsv and a comma elsewhere
    """

    def __init__(
        self,
        files: Sequence[File],
        columns: Sequence[str] | None,
        dtype: np.dtype[Any] | None,
        header: bool,
        delimiter: str | None,
    ) -> None:
        super().__init__()
        self._arrow, self._csv = need("pyarrow", "CSV files"), need("pyarrow.csv", "CSV files")
        self._files, self._header, self._delimiter = files, header, delimiter
        self._dtype = np.dtype("i8" if dtype is not None and dtype.kind in "iu" else "f8")
        names, numeric = self._columns(files[0])
        self._names = list(columns or numeric)
        missing = [name for name in self._names if name not in names]
        if missing:
            raise DataError(f"{files[0].path} has no column {missing[0]!r}; it has {names}.")
        if not self._names:
            raise DataError(
                f"{files[0].path} has no column of numbers, but {names}: where that is a wrong "
                "split, pass --delimiter; where the first line is data, --no-header."
            )
        d = len(self._names)
        left_out = [] if columns else [name for name in names if name not in numeric]
        self.form = Form(
            "x",
            ("row", "feature"),
            None,
            (d,),
            self._dtype,
            features=(1,),
            grain=(1, d),
            attributes={"columns": self._names} | ({"left_out": left_out} if left_out else {}),
        )

    def _columns(self, file: File) -> tuple[list[str], list[str]]:
        """All names, and those of columns that begin with numbers."""
        types = self._arrow.types
        with file.open("infer") as text, self._reader(file, text, {}) as reader:
            schema = reader.schema
        names = list(schema.names)
        if self._header and all(map(_is_number, names)):
            raise DataError(
                f"{file.path} begins with numbers ({', '.join(names[:3])}, ...), not with the "
                "names of columns: pass --no-header."
            )
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{file.path} has two columns called {twice!r}; rename one.")
        if all(types.is_null(field.type) for field in schema):
            raise DataError(f"{file.path} has no rows.")
        numeric = [f.name for f in schema if types.is_integer(f.type) or types.is_floating(f.type)]
        return names, numeric

    def _reader(self, file: File, text: Any, convert: dict[str, Any]) -> Any:
        tabs = ".tsv" in file.name.lower()
        try:
            return self._csv.open_csv(
                text,
                read_options=self._csv.ReadOptions(
                    block_size=_BLOCK,
                    use_threads=False,  # or an error does not know its row
                    autogenerate_column_names=not self._header,
                ),
                parse_options=self._csv.ParseOptions(
                    delimiter=self._delimiter or ("\t" if tabs else ",")
                ),
                convert_options=self._csv.ConvertOptions(**convert),
            )
        except (self._arrow.ArrowInvalid, self._arrow.ArrowKeyError) as error:
            raise self._failure(file, error) from error

    def pieces(self, start: int) -> Iterator[Piece]:
        kind = self._arrow.from_numpy_dtype(self._dtype)
        types = dict.fromkeys(self._names, kind)
        convert = {"include_columns": self._names, "column_types": types}
        first = 0
        for file in self._files:
            with file.open("infer") as text, self._reader(file, text, convert) as reader:
                while True:
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        break
                    except self._arrow.ArrowInvalid as error:
                        raise self._failure(file, error) from error
                    if first + batch.num_rows > start:
                        yield Piece(matrix(batch, self._dtype, file)[max(0, start - first) :])
                    first += batch.num_rows

    def _failure(self, file: File, error: Exception) -> DataError:
        said = str(error)
        for number, name in enumerate(getattr(self, "_names", ())):
            said = said.replace(f"In CSV column #{number}:", f"column {name!r}:")
        return DataError(
            f"{file.path}: {said}. Mend the file, or name the columns to take by --columns."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def matrix(batch: Any, dtype: np.dtype[Any], file: File) -> npt.NDArray[Any]:
    """The columns of a record batch side by side; what is missing is NaN.

    Raises
    ------
    DataError
        When something is missing among whole numbers.
    """
    values = np.empty((batch.num_rows, batch.num_columns), dtype)
    for place, column in enumerate(batch.columns):
        if column.null_count and dtype.kind != "f":
            raise DataError(
                f"{file.path}: column {batch.schema.names[place]!r} lacks {column.null_count} "
                f"values, and {dtype} cannot say so: fill or drop them."
            )
        values[:, place] = column.to_numpy(zero_copy_only=False)
    return values
