"""Draws docs/images/before_after.png: a landscape painted by this script, as JPEG and as the same JPEG with its inlay.

python docs/make_images.py
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import inlaid
from inlaid.encoding import encoder

QUALITY = 15


def fractal(rng: np.random.Generator, height: int, width: int, roughness: float) -> np.ndarray:
    """Noise (height, width) in 0..1 whose spectrum falls with frequency to the power `roughness`."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width)) ** roughness
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) * amplitude, (height, width))
    return (noise - noise.min()) / np.ptp(noise)


def landscape(height: int = 480, width: int = 720, seed: int = 4) -> Image.Image:
    """Sky with clouds, three ridges with pines, a lake that mirrors them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    up = (height * 0.68 - y) / (height * 0.68)
    sky = np.stack([235 - 120 * up, 200 - 60 * up, 170 + 50 * up], 2)
    clouds = np.clip(fractal(rng, height, width, 1.7) * 2.4 - 1.0, 0, 1)[..., None] * np.clip(up, 0, 1)[..., None]
    picture = sky * (1 - 0.7 * clouds) + np.array([255, 244, 235]) * 0.7 * clouds
    glow = np.exp(-((x - width * 0.7) ** 2 + (y - height * 0.42) ** 2) / (2 * 50**2))[..., None]
    picture += glow * np.array([60, 45, 10])
    for level, tone, rough in ((0.36, (120, 118, 140), 90), (0.48, (78, 86, 98), 70), (0.60, (38, 52, 50), 38)):
        ridge = np.cumsum(rng.normal(0, 1, width))
        ridge -= np.linspace(ridge[0], ridge[-1], width)
        line = height * level + ridge / np.ptp(ridge) * rough
        if level == 0.60:  # pines on the nearest ridge: a saw of triangles
            for _ in range(160):
                at, size = rng.integers(0, width), rng.integers(10, 34)
                line = np.minimum(line, line[at] - size + np.abs(np.arange(width) - at) * rng.uniform(2.0, 3.5))
        texture = (fractal(rng, height, width, 1.1) - 0.5)[..., None] * 60
        land = np.array(tone) + texture + (y - line)[..., None] * 0.12
        cover = np.clip(y - line + 0.5, 0, 1)[..., None]
        picture = picture * (1 - cover) + land * cover
    shore = int(height * 0.72)
    depth = np.arange(height - shore)
    ripples = (fractal(rng, height - shore, width, 1.3) - 0.5) * 10
    rows = np.clip(shore - 1 - depth[:, None] * 1.2 + ripples * (0.2 + depth[:, None] / 60), 0, shore - 1).astype(int)
    columns = np.clip(x[shore:] + ripples, 0, width - 1).astype(int)
    picture[shore:] = picture[rows, columns] * 0.72 + np.array([10, 22, 34])
    picture += rng.normal(0, 1.5, picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def main() -> None:
    """Encode, cut the same detail from each, enlarge, label."""
    original = landscape()
    made = encoder.encode(original, quality=QUALITY, effort=7)
    shown = {
        "original": np.asarray(original),
        f"JPEG, {made.base_bytes:,} bytes, {made.psnr_base_db:.2f} dB": inlaid.decode(made.data, base=True),
        f"the same file with its inlay, +{made.payload_bytes} bytes, {made.psnr_db:.2f} dB": inlaid.decode(made.data),
    }
    top, left, height, width, zoom, band = 110, 215, 150, 150, 3, 30
    sheet = Image.new("RGB", (width * zoom * 3 + 20, height * zoom + band), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(17)
    for i, (label, pixels) in enumerate(shown.items()):
        crop = Image.fromarray(pixels[top : top + height, left : left + width]).resize(
            (width * zoom, height * zoom), Image.Resampling.NEAREST
        )
        sheet.paste(crop, (i * (width * zoom + 10), band))
        draw.text((i * (width * zoom + 10) + 2, 4), label, fill="black", font=font)
    out = Path(__file__).parent / "images" / "before_after.png"
    buffer = BytesIO()
    sheet.quantize(256).save(buffer, "PNG", optimize=True)
    out.write_bytes(buffer.getvalue())
    print(f"{out.name}: {made.reason}")


if __name__ == "__main__":
    main()
