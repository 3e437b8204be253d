"""Inputs that `scripts/fuzz bytes` has found."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from streamkm.errors import DataError
from tests.fuzzing.targets import TARGETS

# Bytes by the target, each of which ended in another exception than an error of streamkm.
FOUND = {
    "npy": [
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_or" + bytes(90),
        b"\x93NUMPY\x01\x00\x3d\x00{'descr': '<f4', 'fortran_order': False, 'shape': (-4, 3), }\n",
    ],
    "pipes": [b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_or" + bytes(90)],
    "codec": [
        b'{"configuration": {"codes": "co", "codebook": [0]}}',
        b'{"configuration": {"codes": "co", "codebook": "../../codebooks/b", "patch": [0, 2]}}',
        b'{"configuration": {"codes": "co", "no": 1}}',
        b'{"configuration": 7}',
        b"[]",
    ],
}
CASES = [(name, content) for name, found in FOUND.items() for content in found]


@pytest.mark.parametrize(("name", "content"), CASES)
def test_bytes_that_fuzzing_has_found_are_one_error(name, content):
    with pytest.raises(DataError):
        TARGETS[name].run(content)


def test_a_column_whose_name_is_no_text_is_one_error():
    written, table = io.BytesIO(), pa.table({"column": [1.0]})
    with pa.ipc.new_stream(written, table.schema) as stream:
        stream.write_table(table)
    named = written.getvalue().replace(b"column", b"colu\xa2n")
    with pytest.raises(DataError, match="no Arrow stream"):
        TARGETS["pipes"].run(named)


@pytest.mark.filterwarnings("ignore::streamkm.errors.LeftOutWarning")
@pytest.mark.parametrize("name", ["npy", "pipes", "sizes", "lines", "codec"])
def test_the_seeds_of_targets_are_read(name):
    for seed in TARGETS[name].seeds():
        try:
            TARGETS[name].run(seed)
        except TARGETS[name].allowed as error:
            assert "Traceback" not in str(error)  # noqa: PT017
