"""The golden files decode to the recorded bytes on every path, and with the decoder written from FORMAT.md alone."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from support import format_decoder

import inlaid
from inlaid import decoder, native, priors

GOLDEN = Path(__file__).parent / "golden"
RECORD = json.loads((GOLDEN / "golden.json").read_text())


def test_nothing_is_missing():
    assert len(RECORD) >= 9
    assert {f.name for f in GOLDEN.glob("*.j*")} - {"golden.json"} == {record["file"] for record in RECORD.values()}


@pytest.mark.parametrize("name", RECORD)
def test_file_is_unchanged(name):
    assert hashlib.sha256((GOLDEN / RECORD[name]["file"]).read_bytes()).hexdigest() == RECORD[name]["sha256"]


@pytest.mark.parametrize("path", native.ALL_PATHS)
@pytest.mark.parametrize("name", RECORD)
def test_decodes_to_the_recorded_bytes(name, path, monkeypatch):
    if path not in native.paths():
        pytest.skip(f"this machine or build has no {path} path")
    monkeypatch.setenv("INLAID_PATH", path)
    data, record = (GOLDEN / RECORD[name]["file"]).read_bytes(), RECORD[name]
    decoded = decoder.decode(data)
    assert (decoded.state, list(decoded.pixels.shape)) == (record["state"], record["shape"])
    assert hashlib.sha256(decoded.pixels.tobytes()).hexdigest() == record["pixels_sha256"]
    assert hashlib.sha256(inlaid.decode(data, base=True).tobytes()).hexdigest() == record["base_sha256"]


@pytest.mark.parametrize("name", RECORD)
def test_second_decoder_agrees(name):
    data = (GOLDEN / RECORD[name]["file"]).read_bytes()
    state, pixels = format_decoder.decode(data, Path(priors.__file__).parent)
    assert state == "restored"
    assert np.array_equal(pixels, inlaid.decode(data))
