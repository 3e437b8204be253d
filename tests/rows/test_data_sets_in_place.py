"""Hugging Face and Lance data sets, and VRT: the values of their own libraries, and their files."""

from __future__ import annotations

import json
import pickle
import sys

import dask
import numpy as np
import pyarrow as pa
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import Affine

from streamkm import KMeans, open_array
from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.rows import fingerprint, is_conclusive, open_rows
from tests.in_place import D, N, X


def vectors(x=X):
    values = pa.array(x.ravel())
    return pa.table(
        {"v": pa.FixedSizeListArray.from_arrays(values, x.shape[1]), "id": range(len(x))}
    )


def save_to_disk(folder, table, n):
    """The files of `datasets.Dataset.save_to_disk`: Arrow streams, and a list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"data-{number:05}-of-{n:05}.arrow" for number in range(n)]
    for part, name in zip(np.array_split(np.arange(len(table)), n), names, strict=True):
        own = table.slice(part[0], len(part))
        with (
            pa.OSFile(str(folder / name), "wb") as sink,
            pa.ipc.new_stream(sink, own.schema) as out,
        ):
            out.write_table(own, 100)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "a"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def test_a_hugging_face_data_set_has_the_rows_of_its_files_only(tmp_path):
    folder = tmp_path / "hf"
    save_to_disk(folder, vectors(X * 2), 3)  # some files of an earlier data set remain
    save_to_disk(folder, vectors(), 2)
    assert len(list(folder.glob("*.arrow"))) == 5
    array = open_array(folder, "v")
    assert np.array_equal(array[...], X)
    assert np.array_equal(pickle.loads(pickle.dumps(array))[440:460, 1:], X[440:460, 1:])
    assert np.array_equal(open_array(folder, ["id"])[..., 0], np.arange(N))
    found, want = (KMeans(3, random_state=0).fit(data) for data in (array, X))
    assert found.inertia_ == pytest.approx(want.inertia_, rel=1e-12)
    assert is_conclusive(fingerprint(open_rows(array)))


def test_what_a_hugging_face_folder_does_not_say_is_refused(tmp_path):
    save_to_disk(tmp_path / "d" / "train", vectors(), 1)
    (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(
        DataError, match=r"splits \['train', 'test'\] .*: name one, such as .*/train"
    ):
        open_array(tmp_path / "d", "v")
    folder = tmp_path / "d" / "train"
    (folder / "data-00000-of-00001.arrow").rename(folder / "other.arrow")
    with pytest.raises(DataError, match="lacks data-00000-of-00001.arrow, which state.json names"):
        open_array(folder, "v")
    (folder / "state.json").write_text('{"_data_files": [], "_indices_data_files": [{}]}')
    with pytest.raises(DataError, match="flatten_indices"):
        open_array(folder, "v")
    (folder / "state.json").write_text("{")
    with pytest.raises(DataError, match="state.json cannot be read"):
        open_array(folder, "v")


def test_a_lance_data_set_without_its_package_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "x.lance" / "_versions").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "lance", None)
    with pytest.raises(DataError, match=r"need pylance: pip install 'streamkm\[lance\]'"):
        KMeans(2).fit(tmp_path / "x.lance")


def test_a_lance_data_set_is_read_in_its_version(tmp_path, monkeypatch, processes):
    lance = pytest.importorskip("lance")
    monkeypatch.setattr("streamkm.rows.formats.lance._ROWS", 100)
    path = tmp_path / "x.lance"
    data = lance.write_dataset(vectors(), path, max_rows_per_file=350)
    array = open_array(path, "v")
    assert array.edges == (0, 100, 200, 300, 400, 500, 600, 700, 800, 900)
    for part in (np.s_[...], np.s_[340:360, 1:]):
        assert np.array_equal(array[part], X[part])
    data.delete("id % 7 = 3")
    later = open_array(path, "v")
    rest = X[np.arange(N) % 7 != 3]
    assert np.array_equal(later[...], rest)
    assert np.array_equal(array[...], X)
    assert fingerprint(open_rows(array)) != fingerprint(open_rows(later))
    monkeypatch.undo()
    with dask.config.set(processes):
        found = KMeans(3, random_state=0).fit(open_array(path, "v"))
    assert found.inertia_ == pytest.approx(KMeans(3, random_state=0).fit(rest).inertia_)


VRT = """<VRTDataset rasterXSize="16" rasterYSize="6"><SRS>EPSG:32633</SRS>
<GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>{}</VRTDataset>"""
BAND = '<VRTRasterBand dataType="Float32" band="{}">{}</VRTRasterBand>'
SOURCE = """<SimpleSource><SourceFilename relativeToVRT="1">{0}.tif</SourceFilename>
<SourceBand>{1}</SourceBand><SrcRect xOff="0" yOff="0" xSize="8" ySize="6"/>
<DstRect xOff="{2}" yOff="0" xSize="8" ySize="6"/></SimpleSource>"""


def test_a_vrt_is_read_as_rasterio_reads_it_and_its_sources_count(tmp_path):
    values = X[:96].reshape(2, 6, 8, D)
    options = {"driver": "GTiff", "width": 8, "height": 6, "count": D, "dtype": "float32"}
    for number in range(2):
        place = Affine(10, 0, 500000 + 80 * number, 0, -10, 5000000)
        with rasterio.open(
            tmp_path / f"{number}.tif", "w", crs="EPSG:32633", transform=place, **options
        ) as file:
            file.write(np.moveaxis(values[number], -1, 0))
    bands = (BAND.format(b, "".join(SOURCE.format(n, b, 8 * n) for n in (0, 1))) for b in (1, 2, 3))
    (tmp_path / "m.vrt").write_text(VRT.format("".join(bands)))
    array = open_array(tmp_path / "m.vrt")
    with rasterio.open(tmp_path / "m.vrt") as file:
        assert np.array_equal(array[...], file.read())
    want = np.moveaxis(np.concatenate(list(values), axis=1), -1, 0)
    assert np.array_equal(array[...], want)
    command = ["fit", tmp_path / "m.vrt", "--feature-dim", "band", "-k", 2, "-o", tmp_path / "m"]
    command += ["--labels", tmp_path / "l.tif"]
    assert CliRunner().invoke(main, [str(word) for word in command]).exit_code == 0
    with rasterio.open(tmp_path / "l.tif") as file:
        assert (file.transform.c, file.shape) == (500000, (6, 16))
    before = fingerprint(open_rows(array, feature_dim="band"))
    with rasterio.open(tmp_path / "1.tif", "r+") as file:
        file.write(np.zeros((1, 6, 8), "f4"), [1])
        file.update_tags(more="x" * 9999)
    assert fingerprint(open_rows(array, feature_dim="band")) != before
