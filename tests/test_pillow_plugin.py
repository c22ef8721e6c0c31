"""After `inlaid.register()`, Pillow opens files with an inlay restored, everything else as before, and writes files with an inlay."""

import copy
import multiprocessing
import pickle
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, JpegImagePlugin
from support import exif_blocks, jpeg_files, pictures
from support.every_format import CONTAINERS

import inlaid
from inlaid import pillow_plugin
from inlaid.encoding import encoder
from inlaid.formats import jpeg

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
QUICK = {"quality": 40, "effort": 1}


def coloured(width, height, seed=0):
    """A new image."""
    return Image.fromarray(pictures.coloured(width, height, seed))


@pytest.fixture(autouse=True)
def plugin():
    """Registered in every test of this module, and nowhere else."""
    inlaid.register()
    yield
    inlaid.unregister()


@contextmanager
def pillow_alone():
    inlaid.unregister()
    try:
        yield
    finally:
        inlaid.register()


def opened(data):
    return Image.open(BytesIO(data))


def alone(data, use=np.asarray):
    """What `use` gives of an image that Pillow opened without the plugin."""
    with pillow_alone():
        return use(opened(data))


def base_of(data):
    return alone(data)


@pytest.fixture(scope="module")
def files():
    """Files with an inlay by name."""
    picture = coloured(160, 128)
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    picture.info["exif"] = exif.tobytes()
    picture.info["icc_profile"] = ICC
    picture.info["dpi"] = (150.0, 150.0)
    made = {
        "colour": inlaid.encode(picture, **QUICK),
        "gray": inlaid.encode(coloured(160, 128).convert("L"), **QUICK),
        "progressive": inlaid.encode(picture, progressive=True, base="turbo", **QUICK),
        "4:4:4": inlaid.encode(picture, subsampling="444", **QUICK),
        "jpeg2000": inlaid.encode(picture, format="jpeg2000", **QUICK),
        "jpeg2000 gray": inlaid.encode(coloured(160, 128).convert("L"), format="jpeg2000", **QUICK),
    }
    made["jpx"] = made["jpeg2000"].replace(b"ftypjp2 ", b"ftypjpx ", 1)
    assert all(inlaid.info(data)["inlay"]["state"] == "matches" for data in made.values())
    return made


NAMES = ["colour", "gray", "progressive", "4:4:4", "jpeg2000", "jpeg2000 gray", "jpx"]
every_file = pytest.mark.parametrize("name", NAMES)
both_formats = pytest.mark.parametrize("name", ["colour", "jpeg2000"])


def damaged(data):
    at = CONTAINERS[inlaid.info(data)["format"]].extract(data)
    place = data.index(at) + 5
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def stale(data):
    """The inlay of `data` in another picture of the same size."""
    container = CONTAINERS[inlaid.info(data)["format"]]
    other = inlaid.encode(coloured(160, 128, seed=7), format=inlaid.info(data)["format"], **QUICK)
    return container.embed(inlaid.strip(other), container.extract(data))


def unsupported(data):
    """An inlay of a CMYK file, where none can apply."""
    with pillow_alone():
        file = BytesIO()
        coloured(160, 128).convert("CMYK").save(file, "JPEG", quality=80)
    return CONTAINERS["jpeg"].embed(file.getvalue(), CONTAINERS["jpeg"].extract(data))


# ------------------------------------------------------------------------------------------------ opening


@every_file
def test_the_picture_is_restored(files, name):
    data = files[name]
    restored = np.asarray(opened(data))
    assert np.array_equal(restored, inlaid.decode(data)) and not np.array_equal(restored, base_of(data))


@every_file
def test_everything_else_is_as_without_the_plugin(files, name):
    def seen(image):
        before = image.format, image.mode, image.size, image.info, image.get_format_mimetype(), dict(image.getexif()), image.tell()
        image.load()
        return (*before, image.info, image.tile, image.fp, image.readonly, getattr(image, "n_frames", 1), image.getbands())

    image = opened(files[name])
    assert isinstance(image, alone(files[name], type)) and seen(image) == alone(files[name], seen)


def test_nothing_is_decoded_before_load(files, monkeypatch):
    decoded = []
    restored = pillow_plugin.decoder.restored
    monkeypatch.setattr(pillow_plugin.decoder, "restored", lambda *given, **more: decoded.append(1) or restored(*given, **more))
    image = opened(files["colour"])
    assert image.size == (160, 128) and image.info["icc_profile"] == ICC and not decoded
    image.load()
    image.load()
    image.getpixel((0, 0))
    assert decoded == [1]


@both_formats
def test_paths_and_open_files(files, name, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(files[name])
    expected = inlaid.decode(files[name])
    with path.open("rb") as file:
        for source in (path, str(path), file):
            with Image.open(source) as image:
                assert np.array_equal(np.asarray(image), expected)
    with Image.open(path) as image:
        file = image.fp
        image.load()
        assert file.closed and image.fp is None  # as Pillow: a file that it opened is closed when it is decoded
    image = Image.open(path)
    file = image.fp
    image.close()
    assert file.closed


@both_formats
def test_a_closed_image_is_not_loaded(files, name):
    def error_of(image):
        with image:
            pass
        with pytest.raises(Exception) as caught:  # whatever Pillow raises
            image.load()
        return caught.type, str(caught.value)

    assert error_of(opened(files[name])) == alone(files[name], error_of)


@both_formats
@pytest.mark.parametrize("size", [10, 40, 200])
def test_files_that_pillow_cannot_open(files, name, size):
    def error_of_opening():
        with pytest.raises((OSError, SyntaxError)) as caught:
            opened(files[name][:size])
        return caught.type, str(caught.value).partition("<")[0]

    found = error_of_opening()
    with pillow_alone():
        assert error_of_opening() == found


@both_formats
def test_verify(files, name):
    image = opened(files[name])
    image.verify()
    assert image.fp is None and image.size == (160, 128)


@both_formats
def test_copies_and_pickles_are_pillows_own(files, name):
    expected = inlaid.decode(files[name])
    for copied in (opened(files[name]).copy(), copy.copy(opened(files[name])), copy.deepcopy(opened(files[name]))):
        assert np.array_equal(np.asarray(copied), expected)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        stored = pickle.dumps(opened(files[name]), protocol)
        assert b"inlaid" not in stored
        again = pickle.loads(stored)
        assert type(again) is alone(files[name], type) and np.array_equal(np.asarray(again), expected) and again.size == (160, 128)


def test_an_interrupted_load_can_be_repeated(files, monkeypatch):
    def interrupted(*given, **more):
        raise KeyboardInterrupt

    image = opened(files["colour"])
    with monkeypatch.context() as patch:
        patch.setattr(pillow_plugin.decoder, "restored", interrupted)
        with pytest.raises(KeyboardInterrupt):
            image.load()
    assert np.array_equal(np.asarray(image), inlaid.decode(files["colour"]))


def test_parser(files):
    parser = ImageFile.Parser()
    parser.feed(files["colour"][:3000])
    parser.feed(files["colour"][3000:])
    assert np.array_equal(np.asarray(parser.close()), inlaid.decode(files["colour"]))


# ------------------------------------------------------------------------------------------------ reduced sizes


@pytest.mark.parametrize("name", ["colour", "gray", "progressive"])
@pytest.mark.parametrize("size", [(80, 64), (40, 32), (20, 16)])
def test_a_draft_of_a_reduced_size_is_the_bases(files, name, size):
    def draft(image):
        found = image.draft(None, size)
        return found, image.size, np.asarray(image).tolist()

    assert draft(opened(files[name])) == alone(files[name], draft)


def test_a_draft_of_the_whole_size_is_restored(files):
    image = opened(files["colour"])
    assert image.draft(None, (160, 128)) and np.array_equal(np.asarray(image), inlaid.decode(files["colour"]))
    for mode in ("L", "YCbCr"):
        image = opened(files["colour"])
        image.draft(mode, None)
        assert image.mode == mode and image.size == (160, 128)
        assert np.array_equal(np.asarray(image), np.asarray(inlaid.decode_image(files["colour"]).convert(mode)))


@pytest.mark.parametrize("size", [(30, 30), (10, 10)])
def test_small_thumbnails_are_the_bases(files, size):
    def thumbnail(image):
        image.thumbnail(size)
        return image.size, image.tobytes()

    assert thumbnail(opened(files["colour"])) == alone(files["colour"], thumbnail)


def test_large_thumbnails_are_restored(files):
    image, expected = opened(files["colour"]), inlaid.decode_image(files["colour"])
    image.thumbnail((120, 120))
    expected.thumbnail((120, 120))
    assert image.size == expected.size and image.tobytes() == expected.tobytes() != alone(files["colour"]).tobytes()


def test_a_reduced_jpeg_2000_picture_is_the_bases(files):
    def reduced(image):
        image.reduce = 1
        image.load()
        return image.size, image.tobytes()

    assert reduced(opened(files["jpeg2000"])) == alone(files["jpeg2000"], reduced)
    image = opened(files["jpeg2000"])
    assert image.reduce(2).size == (80, 64)  # the method: of the restored picture


# ------------------------------------------------------------------------------------------------ what cannot be restored


@both_formats
@pytest.mark.parametrize(("make", "word"), [(damaged, "damaged"), (stale, "belongs to another picture")])
def test_an_inlay_that_cannot_be_used_gives_the_base_and_one_warning(files, name, make, word, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(make(files[name]))
    with pytest.warns(inlaid.InlayWarning) as caught:
        image = Image.open(path)
        image.load()
        image.load()
    assert len(caught) == 1 and str(path) in str(caught[0].message) and "the base is shown" in str(caught[0].message)
    if make is stale:
        assert word in str(caught[0].message)
    assert np.array_equal(np.asarray(image), base_of(path.read_bytes()))


def test_an_inlay_of_a_cmyk_file(files):
    data = unsupported(files["colour"])
    with pytest.warns(inlaid.InlayWarning, match="CMYK"):
        image = opened(data)
        image.load()
    assert image.mode == "CMYK" and np.array_equal(np.asarray(image), base_of(data))


@pytest.mark.parametrize("name", ["colour", "gray", "progressive"])
def test_truncated_files(files, name, monkeypatch):
    cut = files[name][: len(files[name]) * 2 // 3]

    def error_of(image):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an error comes alone
            with pytest.raises(OSError, match="truncated") as caught:
                image.load()
        return str(caught.value)

    assert error_of(opened(cut)) == alone(cut, error_of)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.warns(inlaid.InlayWarning):
        shown = np.asarray(opened(cut))
    assert np.array_equal(shown, base_of(cut))


def test_pixel_limits_are_pillows(files, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 160 * 128 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        image = opened(files["colour"])
    assert np.array_equal(np.asarray(image), inlaid.decode(files["colour"]))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 160 * 128 // 2 - 1)
    with pytest.raises(Image.DecompressionBombError):
        opened(files["colour"])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert np.array_equal(np.asarray(opened(files["colour"])), inlaid.decode(files["colour"]))


@both_formats
def test_files_without_an_inlay_are_pillows_alone(files, name):
    plain = inlaid.strip(files[name])
    image = opened(plain)
    assert type(image) is alone(plain, type) and np.array_equal(np.asarray(image), base_of(plain))


def test_segments_and_boxes_of_others_are_no_inlay():
    for data in (
        jpeg_files.with_metadata(jpeg_files.saved(jpeg_files.picture())),
        jpeg_files.with_fill(jpeg_files.saved(jpeg_files.picture())),
    ):
        assert type(opened(data)) is JpegImagePlugin.JpegImageFile


# ------------------------------------------------------------------------------------------------ several pictures


def test_mpo_frames(files):
    """A file of two pictures, the first with an inlay, the second with one of its own and of another size."""
    second = inlaid.encode(coloured(80, 64, seed=3), **QUICK)
    first, _ = jpeg_files.two_images("<", first=inlaid.strip(files["gray"]))
    payload = jpeg.container.extract(files["gray"])
    with_inlay = jpeg.container.embed(first, payload)
    size = len(with_inlay) - (len(first) - first.rindex(b"\xff\xd8\xff"))
    data = with_inlay[:size] + second  # the index has the place of the second picture, and its size is not looked at
    image = opened(data)
    assert image.format == "MPO" and image.n_frames == 2 and image.is_animated
    assert np.array_equal(np.asarray(image), inlaid.decode(files["gray"]))
    for frame, expected in ((1, second), (0, files["gray"]), (1, second)):
        image = opened(data)
        image.seek(frame)
        assert image.tell() == frame and np.array_equal(np.asarray(image), inlaid.decode(expected))
    with pytest.raises(EOFError):
        image.seek(2)
    image.close()


def test_mpo_frames_without_an_inlay(files):
    data, second = jpeg_files.two_images(">", first=jpeg_files.saved(jpeg_files.picture()))
    image = opened(data)
    assert image.n_frames == 2 and np.array_equal(np.asarray(image), base_of(data))
    image.seek(1)
    assert np.array_equal(np.asarray(image), base_of(second))


# ------------------------------------------------------------------------------------------------ packed files


@pytest.fixture
def packed(files, monkeypatch):
    """A packed file and the JPEG file in it.  No other plugin of Pillow reads JPEG XL; one that the bench uses may have been imported."""
    pytest.importorskip("imagecodecs")
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "JXL"])
    monkeypatch.setattr(Image, "OPEN", {name: opener for name, opener in Image.OPEN.items() if name != "JXL"})
    return inlaid.pack(files["colour"]), files["colour"]


def test_a_packed_file_opens_as_the_jpeg_file_in_it(packed, tmp_path):
    path = tmp_path / "photo.jxl"
    path.write_bytes(packed[0])
    with opened(packed[0]) as of_bytes, Image.open(path) as of_path, opened(packed[1]) as expected:
        for image in (of_bytes, of_path):
            assert (image.format, image.mode, image.size, image.info) == ("JPEG", expected.mode, expected.size, expected.info)
            assert image.getexif() == expected.getexif()
            assert np.array_equal(np.asarray(image), inlaid.decode(packed[1]))
        assert of_path.filename == str(path)
    small = opened(packed[0])
    small.thumbnail((40, 40))
    of_file = opened(packed[1])
    of_file.thumbnail((40, 40))
    assert np.array_equal(np.asarray(small), np.asarray(of_file))
    with pytest.raises(Image.UnidentifiedImageError):
        alone(packed[0])


def test_nothing_of_a_packed_file_is_decoded_before_load(packed, monkeypatch):
    monkeypatch.setattr(pillow_plugin.decoder, "restored", lambda *_, **__: pytest.fail("it was decoded"))
    assert opened(packed[0]).size == (160, 128)


def test_a_packed_file_without_an_inlay(packed):
    base = inlaid.strip(packed[1])
    assert type(opened(inlaid.pack(base))) is JpegImagePlugin.JpegImageFile
    assert np.array_equal(np.asarray(opened(inlaid.pack(base))), base_of(base))


def test_pixel_limits_hold_before_unpacking(packed, monkeypatch):
    monkeypatch.setattr(pillow_plugin.packing, "unpack", lambda data: pytest.fail("it was unpacked"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError, match="160x128 pixels, at most 200 are allowed"):
        opened(packed[0])


def test_other_jpeg_xl_files_are_left_to_other_plugins(packed):
    """Whether they were registered before or after."""
    seen = []

    def another(file, filename=""):
        seen.append(file.read())
        return Image.new("L", (1, 1))

    other = packed[0].replace(b"jbrd", b"free", 1)
    for data in (other, packed[0][:300], b"\xff\x0a" + bytes(20)):
        with pytest.raises(Image.UnidentifiedImageError):
            opened(data)
    inlaid.unregister()
    Image.register_open("JXL", another, lambda prefix: prefix.startswith(packed[0][:12]))
    inlaid.register()
    assert opened(other).size == (1, 1) and seen == [other]
    assert opened(packed[0]).size == (160, 128) and len(seen) == 1
    inlaid.unregister()
    assert opened(packed[0]).size == (1, 1) and pillow_plugin.PACKED not in Image.ID


def test_without_the_extra_a_packed_file_is_not_opened(packed, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with (
        pytest.warns(UserWarning, match=r"packed files need imagecodecs: pip install 'inlaid\[pack\]'"),
        pytest.raises(Image.UnidentifiedImageError),
    ):
        opened(packed[0])


# ------------------------------------------------------------------------------------------------ threads and processes


def pixel_sum(path):
    """For other processes: the sum of the pixels of a file."""
    with Image.open(path) as image:
        return int(np.asarray(image).astype(int).sum())


def test_threads(files):
    expected = inlaid.decode(files["colour"])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: np.asarray(opened(files["colour"])), range(32)))
    assert all(np.array_equal(each, expected) for each in found)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_forked_workers(files, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(files["colour"])
    expected = pixel_sum(path)  # so the parent has begun threads of its own
    busy = threading.Event()

    def work():
        while not busy.is_set():
            pixel_sum(path)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with multiprocessing.get_context("fork").Pool(3) as pool:
            assert pool.map(pixel_sum, [path] * 12) == [expected] * 12
    finally:
        busy.set()
        thread.join()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads(files, threads):
    inlaid.register(threads=threads)
    assert np.array_equal(np.asarray(opened(files["colour"])), inlaid.decode(files["colour"]))


def test_wrong_numbers_of_threads_are_refused():
    with pytest.raises(inlaid.InlayError, match="0 threads, expected at least 1"):
        inlaid.register(threads=0)


# ------------------------------------------------------------------------------------------------ registering


def test_registering_twice_and_undoing(files):
    inlaid.register()
    inlaid.unregister()
    assert np.array_equal(np.asarray(opened(files["colour"])), inlaid.decode(files["colour"], base=True))
    assert Image.OPEN["JPEG"][0] is JpegImagePlugin.jpeg_factory
    inlaid.unregister()
    inlaid.register()
    assert np.array_equal(np.asarray(opened(files["colour"])), inlaid.decode(files["colour"]))


def test_another_plugin_stays(files, monkeypatch):
    mine, accepts = Image.OPEN["JPEG"]

    def another(file, filename=""):
        return mine(file, filename)

    monkeypatch.setitem(Image.OPEN, "JPEG", (another, accepts))
    inlaid.register()
    assert np.array_equal(np.asarray(opened(files["colour"])), inlaid.decode(files["colour"]))
    inlaid.unregister()
    assert Image.OPEN["JPEG"][0] is another


def test_registering_imports_no_encoder():
    code = "import sys, inlaid; inlaid.register(); print(' '.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "inlaid.pillow_plugin" in modules and "PIL.Image" in modules
    assert not [name for name in modules if name.startswith(("inlaid.encoding", "inlaid.cli", "click", "rich", "mozjpeg"))]


def test_an_open_image_is_encoded_as_it_is_shown(files):
    again = inlaid.encode(opened(files["colour"]), quality=95, effort=1, base="turbo", legacy_loss_db=0)
    error = (np.asarray(alone(again)).astype(float) - inlaid.decode(files["colour"])).std()
    assert error < (np.asarray(alone(again)).astype(float) - base_of(files["colour"])).std()


# ------------------------------------------------------------------------------------------------ saving


@pytest.mark.parametrize(("name", "format"), [("a.jpg", "jpeg"), ("a.jp2", "jpeg2000")])
def test_saving_with_an_inlay(tmp_path, name, format):
    picture = coloured(160, 128)
    path = tmp_path / name
    picture.save(path, inlaid=True, **QUICK)
    assert path.read_bytes() == inlaid.encode(picture, format=format, **QUICK)
    assert inlaid.info(path.read_bytes())["inlay"]["state"] == "matches"
    file = BytesIO()
    picture.save(file, {"jpeg": "JPEG", "jpeg2000": "JPEG2000"}[format], inlaid=True, **QUICK)
    assert file.getvalue() == path.read_bytes()
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), inlaid.decode(path.read_bytes()))


@pytest.mark.parametrize(
    "options",
    [
        {"effort": 1, "target_bytes": 3000},
        {"effort": 1, "quality": 30, "preset": "large", "tune": "psnr"},
        {"effort": 1, "quality": 30, "base": "turbo", "optimize": False, "progressive": False, "legacy_loss_db": 0.0},
        {"effort": 2, "quality": 30, "seed": 3, "threads": 1, "subsampling": "444"},
    ],
)
def test_options_pass_through(options):
    picture, file = coloured(160, 128), BytesIO()
    picture.save(file, "JPEG", inlaid=True, **options)
    assert file.getvalue() == inlaid.encode(picture, **options)


@pytest.mark.parametrize("subsampling", [0, "4:4:4", "444"])
def test_pillows_names_of_subsamplings(subsampling):
    picture, file = coloured(160, 128), BytesIO()
    picture.save(file, "JPEG", inlaid=True, subsampling=subsampling, **QUICK)
    assert inlaid.info(file.getvalue())["base"]["subsampling"] == "4:4:4"


def test_saving_without_inlaid_is_pillows():
    picture = coloured(160, 128)

    def saved(**settings):
        for format in ("JPEG", "JPEG2000", "PNG"):
            file = BytesIO()
            picture.save(file, format, **settings)
            yield file.getvalue()

    with pillow_alone():
        expected = list(saved(quality=40))
    assert list(saved(quality=40)) == list(saved(quality=40, inlaid=False)) == expected


@pytest.mark.parametrize(
    ("format", "settings", "words"),
    [
        ("JPEG", {"smooth": 3, "qtables": "web_low"}, "inlaid=True together with qtables, smooth; expected no other settings than base,"),
        ("JPEG", {"quality": "keep"}, "quality='keep'; expected a number from 1 to 100"),
        ("JPEG", {"quality": 0}, "JPEG quality 0"),
        ("JPEG", {"quality": 40, "target_bytes": 900}, "a target takes the place of quality"),
        ("JPEG", {"subsampling": "4:1:0"}, "JPEG subsampling '4:1:0'"),
        ("JPEG", {"effort": 12}, "effort 12"),
        ("JPEG2000", {"quality_layers": [30]}, "together with quality_layers"),
        ("JPEG2000", {"subsampling": "444"}, "unknown JPEG 2000 options"),
        ("MPO", {}, "inlaid=True for format MPO; expected one of JPEG, JPEG2000"),
    ],
)
def test_unknown_and_contradictory_settings_are_refused(tmp_path, format, settings, words):
    path = tmp_path / "photo.jpg"
    with pytest.raises(inlaid.InlayError) as caught:
        coloured(160, 128).save(path, format, inlaid=True, **settings)
    assert words in str(caught.value) and str(path) in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("name", ["a.jpg", "a.jp2"])
def test_metadata_is_saved_as_pillow_saves_it(tmp_path, name):
    """Only what is asked for; and the orientation turns no pixel."""
    picture, block = coloured(160, 128), exif_blocks.block()
    picture.info |= {"exif": b"Exif\0\0II*\0", "icc_profile": b"no", "dpi": (10, 10)}
    picture.save(tmp_path / name, inlaid=True, **QUICK)
    assert not {"exif", "icc_profile", "dpi"} & Image.open(tmp_path / name).info.keys() and b"Exif" not in (tmp_path / name).read_bytes()
    for exif in (block, Image.Exif()):
        if isinstance(exif, Image.Exif):
            exif[0x0112], exif[0x010F] = 6, "camera"
        picture.save(tmp_path / name, inlaid=True, exif=exif, icc_profile=ICC, dpi=(150, 150), **QUICK)
        data = (tmp_path / name).read_bytes()
        assert inlaid.info(data)["inlay"]["state"] == "matches"
        found = CONTAINERS[inlaid.info(data)["format"]].metadata(data).items
        expected = exif.tobytes() if isinstance(exif, Image.Exif) else exif
        assert found["exif"].removeprefix(b"Exif\0\0") == expected.removeprefix(b"Exif\0\0") and found["icc_profile"] == ICC
        assert tuple(map(round, found["dpi"])) == (150, 150)
        image = Image.open(tmp_path / name)
        assert image.size == picture.size
        error = np.asarray(image).astype(float) - np.asarray(picture)
        assert error.std() < 30


def test_a_comment_is_kept_as_pillow_keeps_it(tmp_path):
    picture = coloured(160, 128)
    picture.info["comment"] = b"of the image"
    for settings, expected in (({}, b"of the image"), ({"comment": b"given"}, b"given")):
        picture.save(tmp_path / "a.jpg", inlaid=True, **settings, **QUICK)
        assert Image.open(tmp_path / "a.jpg").info["comment"] == expected


def test_an_image_is_saved_over_its_own_file(files, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(files["colour"])
    expected = inlaid.encode(inlaid.decode_image(files["colour"]), **QUICK)
    with Image.open(path) as image:
        image.save(path, inlaid=True, **QUICK)
    assert path.read_bytes() == expected


def test_the_encoders_options_are_all_known():
    import inspect

    from inlaid.encoding import pillow_save

    assert set(inspect.signature(inlaid.encode).parameters) - {"image", "format"} == pillow_save.OPTIONS


def test_modes(tmp_path):
    """Every mode that `inlaid.encode` takes."""
    for mode in ("L", "RGBA", "P", "1", "CMYK", "I;16"):
        picture = coloured(160, 128).convert("L" if mode == "I;16" else "RGB").convert(mode)
        picture.save(tmp_path / "a.jpg", inlaid=True, **QUICK)
        expected = encoder.encode(picture, **QUICK).data
        assert (tmp_path / "a.jpg").read_bytes() == expected


def test_imageio(files, tmp_path):
    imageio = pytest.importorskip("imageio.v3", reason="imageio is not installed")
    path = tmp_path / "photo.jpg"
    path.write_bytes(files["colour"])
    assert np.array_equal(imageio.imread(path), inlaid.decode(files["colour"]))
    imageio.imwrite(tmp_path / "new.jpg", np.asarray(coloured(160, 128)), plugin="pillow", inlaid=True, **QUICK)
    assert inlaid.info(Path(tmp_path / "new.jpg").read_bytes())["inlay"]["state"] == "matches"
