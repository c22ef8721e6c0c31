"""Fitting: initialisation, gradients against differences and against an autodiff library, folding, Adam, and the loop."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import jpeg_of, texture
from support.selection import first

from inlaid.encoding import floatnet, instance_norm, presets, rectangles
from inlaid.encoding import gradient as float_kernel
from inlaid.encoding.adam import Adam
from inlaid.encoding.fit import Problem, fit, mean_squared_error
from inlaid.encoding.floatnet import he_init
from inlaid.encoding.rate_cost import RateCost
from inlaid.encoding.rectangles import area, random_patches
from inlaid.encoding.run import Run
from inlaid.encoding.schedule import Schedule
from inlaid.formats import jpeg
from inlaid.network import Network
from inlaid.parameters import UNIT, blank_prior

NETWORKS = [
    Network(),
    Network(channels=4, layers=2, dilations=(2, 3)),
    Network(channels=3, layers=1, inputs=3),
    Network(channels=2, layers=1, kernel=5, dilations=(2,), inputs=3),
    Network(channels=5, layers=0),
    Network(channels=4, layers=2, kernel=1),
]
networks = pytest.mark.parametrize("network", NETWORKS, ids=str)
JAX_NETWORKS = first(NETWORKS[1:4] + NETWORKS[:1])  # compiling takes JAX seconds
norms = pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])


def random_parameters(network, seed=0):
    """Parameters like those of a fitted network, no tensor zero; float64."""
    rng = np.random.default_rng(seed)
    parameters = np.zeros(network.size)
    for t in network.tensors:
        parameters[t.slice] = rng.normal(0, 0.1 if t.is_bias else np.sqrt(1 / t.fan_in), t.size)
    return parameters


def planes_and_target(network, height=13, width=11, seed=1):
    """A random base, its input planes and a target; float64."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (height, width), dtype=np.uint8)
    return base, floatnet.inputs(network, base, (0, height, 0, width), np.float64), rng.normal(0, 0.2, (height, width))


# ------------------------------------------------------------------------------------------------ initialisation


def test_he_init():
    """He et al. 2015: variance 2 / fan_in before a rectifier, 1 / fan_in where none follows; the net begins as identity."""
    network = Network(channels=32, layers=4, inputs=3)
    parameters = he_init(network, np.random.default_rng(0))
    assert parameters.shape == (network.size,)
    assert parameters.dtype == np.float32
    value = {t.name: parameters[t.slice] for t in network.tensors}
    assert not value["last.weight"].any()
    for t in network.tensors:
        if t.is_bias:
            assert not value[t.name].any()
        elif t.name != "last.weight":
            variance = (1 if t.name.startswith("depthwise") else 2) / t.fan_in
            error = math.sqrt(2 / t.size)  # of a sample's variance, relative
            assert value[t.name].var() == pytest.approx(variance, rel=4 * error)
            assert abs(value[t.name].mean()) < 4 * math.sqrt(variance / t.size)
    base = texture(40, 30)
    assert not floatnet.answer(network, parameters, floatnet.inputs(network, base, (0, 30, 0, 40))).any()


def test_he_init_follows_its_generator():
    a, b, c = (he_init(Network(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


# ------------------------------------------------------------------------------------------------ gradients


@norms
@networks
def test_gradient_against_central_differences(network, norm):
    """Every parameter, in float64.  No step of 1e-6 crosses a kink of the rectifier here."""
    parameters = random_parameters(network)
    _, planes, target = planes_and_target(network)

    def error(p):
        return float(((floatnet.answer(network, p, planes, norm=norm) - target) ** 2).sum())

    loss, gradient = floatnet.forward_backward(network, parameters, planes, target, norm=norm)
    assert loss == pytest.approx(error(parameters), rel=1e-12)
    differences = np.zeros(network.size)
    for i in range(network.size):
        step = np.zeros(network.size)
        step[i] = 1e-6
        differences[i] = (error(parameters + step) - error(parameters - step)) / 2e-6
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())
    dead = np.concatenate([np.full(t.size, norm and t.is_bias) for t in network.tensors])
    assert np.array_equal(gradient == 0, dead)  # all others matter, so all were tested


@networks
@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (7, 6)], ids=str)
def test_input_gradient_against_central_differences(network, shape):
    """Every pixel of the base, also those that are repeated beyond the edge, in float64."""
    rng = np.random.default_rng(3)
    parameters = random_parameters(network)
    base, target = rng.uniform(0, 255, shape), rng.uniform(0, 255, shape)

    def half(base):
        answer = floatnet.answer(network, parameters, floatnet.inputs(network, base, (0, shape[0], 0, shape[1]), np.float64))
        return float(((base + 128 * answer - target) ** 2).sum()) / 2

    gradient = floatnet.input_gradient(network, parameters, base, target)
    differences = np.zeros(shape)
    for at in np.ndindex(shape):
        step = np.zeros(shape)
        step[at] = 1e-4
        differences[at] = (half(base + step) - half(base - step)) / 2e-4
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())


@networks
def test_kernel_input_gradient_of_bands(network):
    """A tall picture: bands of several threads overlap, and give what one thread gives."""
    rng = np.random.default_rng(5)
    base, target = (rng.integers(0, 256, (300, 21), dtype=np.uint8) for _ in range(2))
    parameters = random_parameters(network, 5).astype(np.float32)
    one, many = (float_kernel.input_gradient(network, parameters, base=base, target=target, threads=n) for n in (1, 4))
    np.testing.assert_allclose(many, one, rtol=1e-4, atol=1e-5 * np.abs(one).max())
    again = float_kernel.input_gradient(network, parameters, base=base, target=target, threads=4)
    assert np.array_equal(many, again)


def test_kernel_input_gradient_of_a_network_that_answers_0():
    """It is the base's own error."""
    network, base, target = Network(), texture(600, 40), texture(600, 40, 1)
    found = float_kernel.input_gradient(network, he_init(network, np.random.default_rng(0)), base=base, target=target)
    assert np.array_equal(found, base.astype(np.float32) - target)


def in_jax(network, base, rectangle, target, norm):
    """The loss as a function of the parameters, by JAX's own convolutions, from the definition in `network`."""
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jnp = jax.numpy
    halo = network.halo_px
    luma = (np.pad(base.astype(float), halo, mode="edge") - 128) / 128
    planes = [luma]
    if network.inputs == 3:
        y, x = (np.arange(-halo, n + halo) % 8 for n in base.shape)
        planes += [np.broadcast_to((2 * x[None, :] - 7) / 8, luma.shape), np.broadcast_to((2 * y[:, None] - 7) / 8, luma.shape)]
    y0, y1, x0, x1 = rectangle
    seen = np.stack(planes)[None, :, y0 : y1 + 2 * halo, x0 : x1 + 2 * halo]

    def convolved(x, weight, dilation=1, groups=1):
        return jax.lax.conv_general_dilated(x, weight, (1, 1), "VALID", rhs_dilation=(dilation,) * 2, feature_group_count=groups)

    def finished(x, bias):
        if norm:  # over the rectangle, without what surrounds it
            margins = [(whole - part) // 2 for whole, part in zip(x.shape[2:], target.shape, strict=True)]
            inside = x[:, :, margins[0] : margins[0] + target.shape[0], margins[1] : margins[1] + target.shape[1]]
            x = (x - inside.mean((2, 3), keepdims=True)) / jnp.sqrt(inside.var((2, 3), keepdims=True) + 1e-5)
        else:
            x = x + bias[None, :, None, None]
        return jax.nn.leaky_relu(x, 0.125)

    def loss(parameters):
        value = {t.name: parameters[t.slice].reshape(t.shape) for t in network.tensors}
        x = finished(convolved(jnp.asarray(seen), value["first.weight"]), value["first.bias"])
        for i, dilation in enumerate(network.dilations, start=1):
            x = convolved(x, value[f"depthwise{i}.weight"][:, None], dilation, network.channels)
            x = finished(convolved(x, value[f"pointwise{i}.weight"][:, :, None, None]), value[f"pointwise{i}.bias"])
        return ((convolved(x, value["last.weight"][None])[0, 0] - target) ** 2).sum()

    return jax.jit(jax.value_and_grad(loss))


@pytest.fixture
def double_precision():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@norms
@pytest.mark.parametrize("network", JAX_NETWORKS, ids=str)
def test_gradient_against_jax(network, norm, double_precision):
    """The rectangle lies in a corner, so the pixels repeated beyond the picture's edge count too."""
    rng = np.random.default_rng(2)
    base, parameters = rng.integers(0, 256, (24, 31), dtype=np.uint8), random_parameters(network, 3)
    y0, y1, x0, x1 = rectangle = (3, 24, 0, 17)
    target = rng.integers(-20, 20, (24, 31))[y0:y1, x0:x1] / 128
    loss, gradient = floatnet.forward_backward(
        network, parameters, floatnet.inputs(network, base, rectangle, np.float64), target, norm=norm
    )
    expected_loss, expected = in_jax(network, base, rectangle, target, norm)(parameters)
    assert loss == pytest.approx(float(expected_loss), rel=1e-12)
    np.testing.assert_allclose(gradient, np.asarray(expected), rtol=1e-9, atol=1e-10 * np.abs(gradient).max())


@norms
@pytest.mark.parametrize("network", JAX_NETWORKS, ids=str)
def test_kernel_gradient_against_jax(network, norm, double_precision):
    """On the default path; test_agreement compares the others with numpy."""
    rng = np.random.default_rng(4)
    base = rng.integers(0, 256, (40, 150), dtype=np.uint8)
    original = np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)
    parameters = random_parameters(network, 5).astype(np.float32)
    y0, y1, x0, x1 = rectangle = (11, 40, 77, 150)
    target = (original.astype(float) - base)[y0:y1, x0:x1] / 128
    expected_loss, expected = in_jax(network, base, rectangle, target, norm)(parameters.astype(np.float64))
    function = float_kernel.normed_gradient if norm else float_kernel.gradient
    loss, gradient = function(network, parameters, np.array([rectangle], np.int32), base=base, target=original)
    assert loss == pytest.approx(float(expected_loss), rel=1e-5)
    np.testing.assert_allclose(gradient, np.asarray(expected), rtol=2e-4, atol=2e-5 * np.abs(expected).max())


# ------------------------------------------------------------------------------------------------ instance norm


@networks
def test_fold(network):
    """The plain network with folded parameters answers to the whole picture as the normed one."""
    parameters = random_parameters(network, 6)
    base, planes, _ = planes_and_target(network, 40, 33)
    normed = floatnet.answer(network, parameters, planes, norm=True)
    folded = instance_norm.fold(network, parameters, instance_norm.statistics(network, parameters.astype(np.float32), base))
    assert folded.dtype == np.float32
    assert normed.std() > 0.05
    np.testing.assert_allclose(floatnet.answer(network, folded, planes), normed, atol=1e-4)
    assert not np.allclose(floatnet.answer(network, parameters, planes), normed, atol=0.01)
    # Layers without a norm behind them stay.
    last, deep = network.tensors[-1].slice, [t.slice for t in network.tensors if t.name.startswith("depthwise")]
    for kept in (last, *deep):
        assert np.array_equal(folded[kept], parameters[kept].astype(np.float32))


def test_statistics_of_parts_are_pooled():
    """The first layer's moments over two parts are those over both together."""
    network, base = Network(), texture(120, 90)
    parameters = random_parameters(network, 7).astype(np.float32)
    whole = instance_norm.statistics(network, parameters, base)
    parts = np.array([(0, 60, 0, 120), (60, 90, 0, 120)], np.int32)
    pooled = instance_norm.pooled(network, parameters, parts, base=base)
    assert whole.shape == pooled.shape == (4, 6, 2)
    np.testing.assert_allclose(pooled[0], whole[0], rtol=1e-4)
    np.testing.assert_allclose(whole, floatnet.statistics(network, parameters, floatnet.inputs(network, base, (0, 90, 0, 120))), atol=1e-4)
    apart = float_kernel.normed_statistics(network, parameters, parts, base=base)
    assert apart.shape == (2, 4, 6, 2)
    assert np.abs(apart[0] - apart[1]).max() > 0.01


def test_a_picture_is_an_instance_up_to_a_limit():
    assert instance_norm.instances((512, 768)).tolist() == [[0, 512, 0, 768]]
    assert instance_norm.instances((720, 576)).tolist() == [[0, 720, 0, 576]]
    cut = instance_norm.instances((1500, 2000))
    assert area(cut) == 1500 * 2000 and len(cut) > 1
    assert (cut[:, 1] - cut[:, 0]).max() <= 512 and (cut[:, 3] - cut[:, 2]).max() <= 768


@pytest.mark.parametrize("shape", [(724, 724), (2048, 256), (256, 2048), (65535, 8), (1, 100_000), (2048, 1), (3000, 3000)], ids=str)
def test_instances_take_the_memory_that_is_promised(shape):
    """The kernel keeps 68 rows of float for each row of an instance: halos, vectors and margins included."""
    rows, columns = (instance_norm.instances(shape)[:, [1, 3]] - instance_norm.instances(shape)[:, [0, 2]]).T
    most = ((rows + 20) * (-(-(columns + 10) // 32) * 32 + 32) * 68 * 4).max()
    assert most <= instance_norm.INSTANCE_BYTES


def test_the_pixels_range_scales_the_last_layer_alone():
    """A network for pixels from 0 to 255 answers 128 times as much: the kernel's unit is 128 grey levels."""
    network = Network()
    factors = instance_norm.units(network, 255)
    last = network.tensors[-1].slice
    assert (factors[last] == 128).all() and (np.delete(factors, range(*last.indices(network.size))) == 1).all()
    assert (instance_norm.units(network, instance_norm.OWN_RANGE) == 1).all()
    _, planes, _ = planes_and_target(network, 30, 30)
    parameters = random_parameters(network, 8)
    grey_levels = 128 * (planes + 1)  # pixels from 0 to 255
    expected = 128 * floatnet.answer(network, parameters, planes, norm=True)
    np.testing.assert_allclose(floatnet.answer(network, parameters * factors, grey_levels, norm=True), expected, rtol=1e-3, atol=1e-2)


def test_norm_makes_every_channel_alike():
    """With the norm, neither the scale of a layer's weights nor its biases matter."""
    network = Network()
    parameters = random_parameters(network, 8)
    _, planes, _ = planes_and_target(network, 30, 30)
    changed = parameters.copy()
    for t in network.tensors:
        if t.is_bias:
            changed[t.slice] += 0.7
        elif t.name != "last.weight":
            changed[t.slice] *= 30.0
    expected = floatnet.answer(network, changed, planes, norm=True)
    np.testing.assert_allclose(floatnet.answer(network, 30 * changed, planes, norm=True), 30 * expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(floatnet.answer(network, parameters, planes, norm=True), expected, rtol=0.02, atol=1e-3)


# ------------------------------------------------------------------------------------------------ Adam, the schedule


def test_adam_clips_a_gradient_or_its_parts():
    gradient = np.array([3.0, -4.0, 0.5])
    for adam, expected in (
        (Adam(3, clip=1.0), gradient / np.linalg.norm(gradient)),
        (Adam(3, clip=1.0, clips_each=True), [1.0, -1.0, 0.5]),
        (Adam(3, clip=10.0), gradient),
    ):
        adam.move(gradient, 0.1)
        np.testing.assert_allclose(adam.mean, 0.1 * np.array(expected), rtol=1e-9)


def test_adam_by_hand():
    """Two steps, worked out on paper: m = 0.1 g, v = 0.01 g^2, both corrected to g and g^2; then the second gradient is 0."""
    adam = Adam(2)
    np.testing.assert_allclose(adam.move(np.array([3.0, -0.002]), 0.5), [0.5, -0.5], rtol=1e-5)
    # m = 0.09 g, v = 0.0099 g^2; corrected by 1 - 0.81 and 1 - 0.9801
    expected = 0.5 * (0.09 / 0.19) / math.sqrt(0.0099 / 0.0199)
    np.testing.assert_allclose(adam.move(np.zeros(2), 0.5), [expected, -expected], rtol=1e-5)
    assert adam.count == 2


@settings(max_examples=50)
@given(st.integers(0, 1 << 32), st.floats(0.0, 0.99), st.floats(0.5, 0.9999), st.none() | st.floats(0.01, 100))
def test_adam_is_algorithm_1(seed, beta1, beta2, clip):
    """Kingma and Ba 2015, Algorithm 1, step by step, with the gradient scaled down to the norm `clip`."""
    rng = np.random.default_rng(seed)
    adam = Adam(5, beta1=beta1, beta2=beta2, clip=clip)
    m = v = np.zeros(5)
    for t in range(1, 8):
        gradient = rng.normal(0, 10 ** rng.uniform(-2, 2), 5)
        g, norm = gradient, np.sqrt((gradient**2).sum())
        if clip is not None and norm > clip:
            g = gradient * clip / norm
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        expected = 0.01 * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        np.testing.assert_allclose(adam.move(gradient, 0.01), expected, rtol=1e-6, atol=1e-12)


def test_adam_leaves_the_gradient_alone():
    gradient = np.array([3.0, 4.0])
    Adam(2, clip=1.0).move(gradient, 0.1)
    assert gradient.tolist() == [3.0, 4.0]


def test_rate():
    schedule = Schedule(100, rate=0.2, final_rate=0.02, warmup=10)
    assert schedule.rate_at(50) == pytest.approx(0.11)  # half of the cosine, half way
    assert schedule.rate_at(25) == pytest.approx(0.02 + 0.18 * (0.5 + math.sqrt(0.125)))
    assert schedule.rate_at(100) == pytest.approx(0.02)
    assert schedule.rate_at(0) == pytest.approx(0.02)  # a tenth of 0.2
    assert schedule.rate_at(4) == pytest.approx(0.5 * (0.02 + 0.18 * 0.5 * (1 + math.cos(0.04 * math.pi))))
    rates = [schedule.rate_at(step) for step in range(101)]
    assert max(rates) == max(rates[9:12])
    assert rates[:9] == sorted(rates[:9])
    assert rates[12:] == sorted(rates[12:], reverse=True)
    assert min(rates) == pytest.approx(0.02)
    assert Schedule(0).rate_at(0) >= 0
    assert Schedule(10, warmup=1, rate=0.3).rate_at(0) == pytest.approx(0.3)
    # A cycle has the rates of a schedule of its length.
    assert [schedule.rate_at(step, 25) for step in range(26)] == [replace(schedule, steps=25).rate_at(step) for step in range(26)]


def test_cycles():
    """A new cycle begins whenever the steps have doubled."""
    assert Schedule(400, cycle=50).cycles() == [50, 50, 100, 200]
    assert Schedule(120, cycle=50).cycles() == [50, 50, 20]
    assert Schedule(50, cycle=50).cycles() == Schedule(50).cycles() == [50]
    assert Schedule(0, cycle=50).cycles() == [0]
    assert presets.by_name("default").at(6).cycles() == [400]
    assert presets.by_name("default").at(7).cycles() == [100, 100, 200, 400]
    assert presets.by_name("large").at(7, presets.LARGE).cycles() == [400, 400]


# ------------------------------------------------------------------------------------------------ patches


@settings(max_examples=200)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 700)),
    st.tuples(st.integers(1, 130), st.integers(1, 200)),
    st.integers(1, 400_000),
    st.integers(0, 1 << 32),
)
def test_patches_stay_inside(shape, patch, batch_px, seed):
    patches = random_patches(np.random.default_rng(seed), shape, batch_px, patch)
    assert patches.dtype == np.int32
    y0, y1, x0, x1 = patches.T
    assert (y0 >= 0).all()
    assert (x0 >= 0).all()
    assert (y1 <= shape[0]).all()
    assert (x1 <= shape[1]).all()
    assert (y0 < y1).all()
    assert (x0 < x1).all()
    pixels = int(((y1 - y0) * (x1 - x0)).sum())
    one = min(patch[0], shape[0]) * min(patch[1], shape[1])
    if batch_px >= shape[0] * shape[1]:  # every pixel once
        seen = np.zeros(shape, int)
        for a, b, c, d in patches:
            seen[a:b, c:d] += 1
        assert (seen == 1).all()
    else:
        assert pixels <= max(batch_px, one)
        assert pixels > batch_px - one
        assert ((y1 - y0) * (x1 - x0) == one).all()


def test_patches_are_everywhere():
    rng = np.random.default_rng(0)
    corners = np.concatenate([random_patches(rng, (32, 48), 20 * 64, (8, 8)) for _ in range(1000)])
    assert corners[:, 0].min() == 0
    assert corners[:, 1].max() == 32
    assert corners[:, 2].min() == 0
    assert corners[:, 3].max() == 48
    assert len(np.unique(corners, axis=0)) == 25 * 41


@settings(max_examples=100)
@given(st.integers(1, 400), st.integers(1, 1200), st.integers(1, 300), st.integers(1, 600))
def test_tiles_cover_once(height, width, rows, columns):
    found = rectangles.tiles((height, width), rows, columns)
    seen = np.zeros((height, width), int)
    for a, b, c, d in found:
        assert 0 < b - a <= rows
        assert 0 < d - c <= columns
        seen[a:b, c:d] += 1
    assert (seen == 1).all()
    assert len(found) == -(-height // rows) * -(-width // columns)


# ------------------------------------------------------------------------------------------------ the loop


def pair(width=96, height=64, quality=15, seed=0):
    original = texture(width, height, seed)
    return jpeg.codec.decode(jpeg_of(original, quality=quality)).luma, original


def error(network, parameters, base, original):
    return mean_squared_error(Problem(network, base, original), parameters)


PLAIN = Schedule(60, rate=0.02, batch_px=1 << 20)
SCHEDULES = {
    "whole picture": PLAIN,
    "random patches": Schedule(60, rate=0.02, batch_px=2000, patch=(16, 24)),
    "second order": Schedule(25, rate=0.01, batch_px=1 << 20, second_order=True),
    "cycles": Schedule(25, rate=0.01, batch_px=1 << 20, second_order=True, cycle=5),
    "paper": replace(presets.AS_THE_PAPER, steps=60),
    "paper on patches": Schedule(60, rate=0.1, batch_px=32 * 32, patch=(32, 32), clip=1.0, beta2=0.999, norm=True, pixel_range=255),
}
schedules = pytest.mark.parametrize("name", SCHEDULES)


def test_mean_squared_error():
    """For the identity, the error of the two pictures; for any network, the error of its answer."""
    base, original = pair(530, 70)  # wider than a rectangle of the kernel
    network = Network()
    plain = float(((base.astype(float) - original) ** 2).mean())
    assert error(network, he_init(network, np.random.default_rng(0)), base, original) == pytest.approx(plain, rel=1e-6)
    parameters = random_parameters(network, 9) * 0.5
    answer = 128 * floatnet.answer(network, parameters, floatnet.inputs(network, base, (0, 70, 0, 530), np.float64))
    expected = float(((base + answer - original) ** 2).mean())
    assert error(network, parameters.astype(np.float32), base, original) == pytest.approx(expected, rel=1e-4)


@schedules
def test_fit_brings_the_picture_nearer(name):
    network, (base, original) = Network(), pair()
    start = he_init(network, np.random.default_rng(0))
    schedule, calls = SCHEDULES[name], []
    kept = start.copy()
    result = fit(Problem(network, base, original), start, schedule, Run(progress=lambda *step: calls.append(step)))
    assert np.array_equal(start, kept)
    before, after = (error(network, p, base, original) for p in (start, result.parameters))
    assert after < 0.97 * before
    assert result.reason == f"all {schedule.steps} steps were made"
    assert len(result.history) == schedule.steps
    assert calls == [(step + 1, schedule.steps) for step in range(schedule.steps)]
    assert result.parameters.dtype == np.float32
    # The history is in grey levels squared, and goes down.
    if name == "whole picture" or name.startswith("paper"):
        assert np.mean(result.history[-5:]) < np.mean(result.history[:5])
    if name == "whole picture":
        assert result.history[0] == pytest.approx(before, rel=1e-5)


def test_fit_ends_where_a_cycle_gains_too_little():
    network, (base, original) = Network(), pair()
    start = he_init(network, np.random.default_rng(0))
    schedule = replace(SCHEDULES["cycles"], least_gain=0.999)
    result = fit(Problem(network, base, original), start, schedule)
    assert result.reason == "steps 1 to 5 of 25 gained too little to go on"
    assert len(result.history) == 5
    same = fit(Problem(network, base, original), start, replace(schedule, steps=5))
    assert np.array_equal(result.parameters, same.parameters)


@schedules
def test_fit_is_deterministic(name):
    network, (base, original) = Network(), pair()
    start = he_init(network, np.random.default_rng(1))

    def fitted(seed):
        return fit(Problem(network, base, original), start, SCHEDULES[name], Run(seed=seed, threads=2))

    first, again = fitted(5), fitted(5)
    assert np.array_equal(first.parameters, again.parameters)
    assert first.history == again.history
    if "patches" in name:
        assert not np.array_equal(first.parameters, fitted(6).parameters)


@pytest.mark.parametrize("network", NETWORKS[1:], ids=str)
def test_fit_of_other_networks(network):
    base, original = pair(48, 40)
    start = he_init(network, np.random.default_rng(2))
    result = fit(Problem(network, base, original), start, PLAIN)
    assert error(network, result.parameters, base, original) < 0.99 * error(network, start, base, original)


def test_no_steps():
    network, (base, original) = Network(), pair(16, 16)
    start = random_parameters(network).astype(np.float32)
    result = fit(Problem(network, base, original), start, Schedule(0))
    assert np.array_equal(result.parameters, start)
    assert result.history == []
    assert result.reason == "all 0 steps were made"


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, about the overflow that is wanted here
def test_a_rate_that_diverges_is_caught(norm):
    network, (base, original) = Network(), pair(32, 32)
    start = random_parameters(network).astype(np.float32)
    result = fit(Problem(network, base, original), start, Schedule(30, rate=1e20, warmup=1, norm=norm))
    folded = instance_norm.fold(network, start, instance_norm.statistics(network, start, base))
    assert np.array_equal(result.parameters, folded if norm else start)
    assert np.array_equal(result.normed, start)
    assert "the error grew without bound at step" in result.reason
    assert "the start is kept" in result.reason
    step = int(result.reason.split("step ")[1].split(";")[0])
    assert 0 < step < 30
    assert len(result.history) == step + 1
    assert np.isfinite(result.history[:-1]).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_last_step_that_diverges_is_caught_too():
    """No later step would notice the error."""
    network, (base, original) = Network(), pair(32, 32)
    start = random_parameters(network).astype(np.float32)
    result = fit(Problem(network, base, original), start, Schedule(1, rate=1e30, warmup=1))
    assert np.isfinite(error(network, result.parameters, base, original))


@schedules
@pytest.mark.parametrize("shape", [(1, 1), (30, 1), (8, 8), (3, 130)])
def test_tiny_pictures(name, shape):
    network, rng = Network(), np.random.default_rng(3)
    base = rng.integers(0, 256, shape, dtype=np.uint8)
    original = np.clip(base + rng.normal(0, 10, shape), 0, 255).astype(np.uint8)
    start = (random_parameters(network) * 0.3).astype(np.float32)
    result = fit(Problem(network, base, original), start, SCHEDULES[name])
    assert np.isfinite(result.parameters).all()
    assert len(result.history) == SCHEDULES[name].steps
    if name == "whole picture":
        assert error(network, result.parameters, base, original) < error(network, start, base, original)


def test_a_flat_base():
    """A flat base tells nothing but its level.  Fitting ends, and is not worse than its start."""
    network = Network()
    base, original = np.full((24, 24), 128, np.uint8), np.full((24, 24), 131, np.uint8)
    for name, schedule in SCHEDULES.items():
        for start in (he_init(network, np.random.default_rng(0)), (random_parameters(network) * 0.3).astype(np.float32)):
            result = fit(Problem(network, base, original), start, schedule)
            assert np.isfinite(result.parameters).all(), name


# ------------------------------------------------------------------------------------------------ what bytes cost


def a_prior(network, seed=0):
    rng = np.random.default_rng(seed)
    blank = blank_prior(network)
    return replace(blank, values=rng.integers(-2000, 2000, network.size), spreads=rng.integers(1, 900, network.size))


def cost_of(cost, parameters):
    """The formula in RateCost's docstring, |d| rounded off as it says."""
    spreads = cost.prior.spreads / UNIT
    sizes = np.hypot(parameters.astype(float) - cost.prior.values / UNIT, 0.2 * spreads)
    return cost.mse_per_bit * len(spreads) * np.log2(np.mean(sizes / spreads))


def test_rate_cost_is_the_slope_of_its_formula():
    network = Network(channels=3, layers=1)
    cost, rng = RateCost(a_prior(network), 0.7), np.random.default_rng(1)
    at = cost.prior.values / UNIT + rng.laplace(0, 1, network.size) * cost.prior.spreads / UNIT
    slopes = cost.gradient(at)
    for i in range(network.size):
        step = np.zeros(network.size)
        step[i] = 1e-3 * cost.prior.spreads[i] / UNIT
        difference = cost_of(cost, at + step) - cost_of(cost, at - step)
        assert slopes[i] == pytest.approx(difference / (2 * step[i]), rel=1e-3, abs=1e-9)
        assert cost.value(at + step) - cost.value(at) == pytest.approx(cost_of(cost, at + step) - cost_of(cost, at), rel=1e-6, abs=1e-12)
    assert not cost.gradient(cost.prior.values / UNIT).any()
    assert (cost.curvature() > 0).all()


def test_the_cost_of_the_distance_keeps_parameters_near_the_prior():
    base, original = pair()
    network = Network()
    prior = blank_prior(network)
    start = he_init(network, np.random.default_rng(0))
    prior = replace(prior, values=np.rint(start * UNIT).astype(np.int64))
    schedule = Schedule(40, rate=0.01, second_order=True)
    distances, errors = [], []
    for mse_per_bit in (0.0, 0.01, 0.1):
        found = fit(Problem(network, base, original, rate_cost=RateCost(prior, mse_per_bit)), start, schedule).parameters
        distances.append(np.abs(found - start).sum())
        errors.append(mean_squared_error(Problem(network, base, original), found))
    assert distances[0] > distances[1] > distances[2]
    assert errors[0] < errors[2]


def test_only_active_parameters_move_and_only_what_is_within_counts():
    base, original = pair()
    network, active = Network(), np.array([0, 7, 60, 401])
    start = he_init(network, np.random.default_rng(0))
    start[network.tensors[-1].slice] = 0.05
    spoilt = original.copy()
    spoilt[:, 60:] = 0  # outside
    within = np.array([[0, base.shape[0], 0, 60]], np.int32)
    found = [
        fit(Problem(network, base, target, active=active, within=within), start, Schedule(10, second_order=True)).parameters
        for target in (original, spoilt)
    ]
    assert np.array_equal(*found)
    assert set(np.flatnonzero(found[0] != start)) == set(active)


def test_adam_turned_walks_as_adam_along_the_axes():
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(5, 5))
    matrix = mixed @ mixed.T
    axes = np.linalg.eigh(matrix)[1]
    plain, turned = Adam(5), Adam(5)
    turned.turn(matrix)
    for _ in range(4):
        gradient = rng.normal(size=5)
        np.testing.assert_allclose(axes.T @ turned.move(gradient, 0.1), plain.move(axes.T @ gradient, 0.1))
