"""What the tests in Node compare with, written into a folder.

    python planes.py FOLDER

NAME.bin: the planes of a golden file's base, pixel by pixel, since Node has no JPEG decoder.  NAME.json: its model, payload, parameters and
signed sums, and what golden.json says of it.
"""

import json
import sys
from pathlib import Path

import numpy as np

from inlaid import decoder, fingerprint, formats, payload, priors

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"


def main(folder: Path) -> None:
    for name, record in json.loads((GOLDEN / "golden.json").read_text()).items():
        data = (GOLDEN / record["file"]).read_bytes()
        found = formats.by_content(data)
        base = found.codec.decode(data)
        raw = found.container.extract(data)
        read = payload.read(raw, priors.network_of)
        sets = decoder.integer_parameters(read, base.shape)
        said = {
            "model": base.model,
            "payload": raw.hex(),
            "gain_db": read.gain_db,
            "parameters": [each.tolist() for each in sets.parameters],
            "areas": sets.areas and sets.areas.numbers.ravel().tolist(),
            "signed_sums": fingerprint.signed_sums(base.luma).tolist(),
        }
        (folder / f"{name}.bin").write_bytes(np.ascontiguousarray(base.rows(0, base.shape[0])).tobytes())
        (folder / f"{name}.json").write_text(json.dumps(record | said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
