"""CSV files, read by pyarrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.ingesting.registry import SourceRequest, register
from streamkm.ingesting.source import Form, Piece, Stream, names_beside
from streamkm.rows.formats.arrow import EXACT, matrix
from streamkm.rows.formats.exact import not_representable

_BLOCK = 4 * 2**20  # bytes of text parsed together; a row must fit
_WHOLE = re.compile(r"[+-]?[0-9]+")


@register(
    "csv",
    suffixes=(".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.bz2", ".tsv.bz2"),
    summary="(row, feature), float64; read by pyarrow",
    options=("columns", "no_header", "delimiter"),
)
class Csv(Stream):
    """Columns of CSV files, one file after another.

    The first block of the first file decides which columns are numeric; others are left out.

    Parameters
    ----------
    request : SourceRequest
        All files have the same columns. Without columns, all numeric columns are read; the dtype
        is float64 by default, the delimiter a tab in .tsv and a comma elsewhere.

    Attributes
    ----------
    empty : list of str, columns without a value in the first block
    """

    def __init__(self, request: SourceRequest) -> None:
        super().__init__()
        files, dtype, columns = request.files, request.dtype, request.options.columns
        self._arrow, self._csv = need("pyarrow", "CSV files"), need("pyarrow.csv", "CSV files")
        self._files, self._header = files, not request.options.no_header
        self._delimiter = request.options.delimiter
        self._dtype = np.dtype("f8") if dtype is None else dtype
        # Parsed as integers for an integer dtype, otherwise as float64.
        self._parsed: np.dtype[Any] = np.dtype("f8")
        if self._dtype.kind in "iu":
            self._parsed = np.dtype("u8" if self._dtype == np.uint64 else "i8")
        names, numeric, self._whole = self._columns(files[0])
        self._all = names
        self._names = list(columns or numeric)
        missing = [name for name in self._names if name not in names]
        if missing:
            raise DataError(f"{files[0].path} has no column {missing[0]!r}; it has {names}.")
        if not self._names:
            raise DataError(
                f"{files[0].path} has no numeric column, only {names}: if the split is wrong, "
                "pass --delimiter; if the first line is data, pass --no-header."
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
            attributes={"left_out": left_out} if left_out else {},
            beside=names_beside("feature", self._names),
        )

    def _columns(self, file: File) -> tuple[list[str], list[str], set[str]]:
        """Return all names, those of columns that begin with numbers, and with integers."""
        types = self._arrow.types
        with file.open("infer") as text, self._reader(file, text, {}) as reader:
            schema = reader.schema
        try:
            names = list(schema.names)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file.path}: the names of the columns are not UTF-8 ({error}); convert the file, "
                "for example by iconv -f latin1 -t utf-8."
            ) from error
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
        self.empty = [f.name for f in schema if types.is_null(f.type)]
        whole = [f.name for f in schema if types.is_integer(f.type)]
        numeric = [f.name for f in schema if f.name in whole or types.is_floating(f.type)]
        return names, numeric, set(whole)

    def _reader(self, file: File, text: Any, convert: dict[str, Any]) -> Any:
        tabs = ".tsv" in file.name.lower()
        try:
            return self._csv.open_csv(
                text,
                read_options=self._csv.ReadOptions(
                    block_size=_BLOCK,
                    use_threads=False,  # needed for the row in errors
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
        first = 0
        for file in self._files:
            for n, values in self._blocks(file):
                if first + n > start:
                    yield Piece(values()[max(0, start - first) :])
                first += n

    def rows_of(self, file: File) -> Iterator[AnyArray]:
        """Yield the rows of another file of the same columns."""
        for _, values in self._blocks(file):
            yield values()

    def _blocks(self, file: File) -> Iterator[tuple[int, Callable[[], AnyArray]]]:
        """Yield the number of rows of each block of text, and a function that returns them."""
        kind = self._arrow.from_numpy_dtype(self._parsed)
        with closing(self._batches(file, self._arrow.string())) as spelled:
            for number, batch in self._batches(file, kind):
                yield batch.num_rows, partial(self._values, batch, file, number, spelled)

    def _batches(self, file: File, kind: Any) -> Generator[tuple[int, Any]]:
        """Yield the columns, all parsed as one kind, a block of text at a time."""
        types = dict.fromkeys(self._names, kind)
        convert = {"include_columns": self._names, "column_types": types}
        with file.open("infer") as text, self._reader(file, text, convert) as reader:
            number = 0
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
                except self._arrow.ArrowInvalid as error:
                    raise self._failure(file, error) from error
                yield number, batch
                number += 1

    def _values(
        self, batch: Any, file: File, number: int, spelled: Iterator[tuple[int, Any]]
    ) -> AnyArray:
        """Convert a block to the dtype of the store; integers are compared with their text.

        An integer that float64 cannot represent was rounded when it was parsed, which only the text
        shows. Files with such numbers are read a second time, in blocks of the same rows.
        """
        large = {} if self._parsed.kind != "f" else self._large(batch)
        if large:
            text = next(found for at, found in spelled if at == number)
            for name, (places, values) in large.items():
                for place, value in zip(places, values, strict=True):
                    digits = text.column(name)[int(place)].as_py().strip()
                    if _WHOLE.fullmatch(digits) and not (
                        np.isfinite(value) and int(digits) == int(value)
                    ):
                        raise not_representable(
                            digits, self._parsed, f"{file.path}: column {name!r}"
                        )
        return matrix(batch, self._dtype, file, self._whole)

    def _large(self, batch: Any) -> dict[str, tuple[AnyArray, AnyArray]]:
        """Return columns with numbers so large that float64 may not represent them."""
        found = {}
        for name in batch.schema.names:
            values = batch.column(name).to_numpy(zero_copy_only=False)
            places = np.flatnonzero(np.abs(values) >= EXACT)
            if places.size:
                found[name] = places, values[places]
        return found

    def _failure(self, file: File, error: Exception) -> DataError:
        reason = str(error)
        for number, name in enumerate(getattr(self, "_all", ())):  # also those not read
            reason = reason.replace(f"In CSV column #{number}:", f"column {name!r}:")
        return DataError(f"{file.path}: {reason}. Repair the file, or select columns by --columns.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
