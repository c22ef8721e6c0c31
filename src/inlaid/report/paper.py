"""The paper's results, to stand beside ours."""

from __future__ import annotations

# Table I.  What the paper calls GFLOPs are the multiply-accumulates of 768x512 pixels: 378 * 393216 = 0.149e9.
TABLE_1 = {"parameters": 378, "gflops": 0.14, "cpu_s": 0.43}
# Table II: BD-rate in per cent and BD-PSNR in dB, by codec and set.
TABLE_2 = {
    "jpeg": {"live1": (-15.27, 0.906), "kodak": (-17.05, 0.998), "classic5": (-17.31, 1.000)},
    "jpeg2000": {"live1": (-4.12, 0.224), "kodak": (-4.76, 0.256), "classic5": (-8.61, 0.419)},
}
# The averages in Table II, weighted by the pictures of the sets.
AVERAGE = {"jpeg": (-16.18, 0.952), "jpeg2000": (-4.77, 0.254)}
FIGURE_4_BPP = 0.4
FIGURE_4 = "JPEG 2000 29.80 dB, SSIM 0.7936; with its model 30.41 dB, 0.8073 or 30.58 dB, 0.8076 (its text is ambiguous)"
