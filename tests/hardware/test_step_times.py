"""Step times by roofline, polynomial and plane, against sums written out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.capacity import Room, kv_capacity_blocks, kv_capacity_tokens
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.hardware.iteration import Load, load_of, seconds
from llmops_cli.hardware.known_steps import known_step
from llmops_cli.hardware.roofline import Deployment, Efficiency, roofline
from llmops_cli.hardware.step_time import StepForm, StepTime

PERFECT = Efficiency(compute=1.0, memory=1.0, overhead_s=0.0, all_reduce_s=0.0)

CHUNKS = st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 30_000)), max_size=4)
CONTEXTS = st.lists(st.integers(0, 30_000), max_size=40)


def by_hand(
    name: str, gpu_name: str, wide: int, chunks: list[tuple[int, int]], contexts: list[int]
) -> float:
    """The formulas of the reference, sequence by sequence."""
    model, gpu = model_named(name), gpu_named(gpu_name)
    tokens = sum(n for n, _ in chunks) + len(contexts)
    pairs = sum(n * (s + n / 2) for n, s in chunks) + sum(contexts)
    active = model.active or model.params
    flops = 2 * active * 1e9 * tokens + 4 * model.layers * model.heads * model.head_dim * pairs
    touched = model.params * 1e9
    if model.experts:
        reached = 1 - (1 - model.experts_per_token / model.experts) ** tokens
        touched -= model.expert_params * 1e9 * (1 - reached)
    context = sum(s for _, s in chunks) + sum(contexts)
    moved = 2 * touched + 2 * 2 * model.layers * model.kv_heads * model.head_dim * context
    peak, band = wide * gpu.tflops[16] * 1e12, wide * gpu.bandwidth_tbps * 1e12
    links = 2 * model.layers * 2 * (wide - 1) / wide * tokens * model.hidden * 2
    return max(flops / peak, moved / band) + links / (gpu.link_gbps * 1e9)


@pytest.mark.parametrize(
    ("name", "gpu", "wide"),
    [("Llama-3.1-8B", "H100", 1), ("Yi-34B", "A100-80", 2), ("Mixtral-8x7B", "H100", 4)],
)
@given(chunks=CHUNKS, contexts=CONTEXTS)
def test_the_roofline_is_the_sum_over_sequences(
    name: str, gpu: str, wide: int, chunks: list[tuple[int, int]], contexts: list[int]
) -> None:
    layout = Deployment(tensor_parallel=wide, efficiency=PERFECT)
    step = roofline(model_named(name), gpu_named(gpu), layout)
    expected = by_hand(name, gpu, wide, chunks, contexts) if chunks or contexts else 0.0
    assert float(seconds(step, load_of(chunks, contexts))) == pytest.approx(expected, rel=1e-12)


@given(chunks=CHUNKS, contexts=CONTEXTS, more=st.integers(1, 5000))
def test_more_context_or_tokens_never_take_less(
    chunks: list[tuple[int, int]], contexts: list[int], more: int
) -> None:
    step = roofline(model_named("DeepSeek-V3"), gpu_named("H200"), Deployment(tensor_parallel=8))
    now = float(seconds(step, load_of(chunks, contexts)))
    assert float(seconds(step, load_of([*chunks, (more, 0)], contexts))) >= now
    assert float(seconds(step, load_of(chunks, [*contexts, more]))) >= now


@given(chunks=CHUNKS, contexts=CONTEXTS, share=st.floats(0, 1.5))
def test_dynamo_polynomial_is_the_one_of_its_mock_engine(
    chunks: list[tuple[int, int]], contexts: list[int], share: float
) -> None:
    step = known_step("dynamo")
    total = sum(n for n, _ in chunks)
    tokens = len(chunks) * (total // len(chunks)) if chunks else 0
    ms = 4.209989e-07 * tokens**2 + 1.518344e-02 * tokens + 16.50142 if chunks else 0.0
    u = min(share, 1.0)
    ms += max(1.0, -25.74 * u**2 + 54.01 * u + 5.74) if contexts else 0.0
    found = float(seconds(step, load_of(chunks, contexts, share)))
    assert found == pytest.approx(ms / 1e3, rel=1e-12)


def test_the_plane_is_a_sum_of_its_columns() -> None:
    step = StepTime(
        name="p", form=StepForm.AFFINE, coefficients=np.array([1.0, 2, 3, 5, 7]), source="test"
    )
    load = load_of([(10, 4), (2, 0)], [100, 1])
    pairs = 10 * (4 + 5) + 2 * 1
    assert float(seconds(step, load)) == 1 + 2 * 12 + 3 * pairs + 5 * 2 + 7 * 101


def test_arrays_of_iterations_are_each_iteration() -> None:
    step = roofline(model_named("Llama-3.1-8B"), gpu_named("H100"))
    batch = np.array([0.0, 1, 8, 64])
    found = seconds(step, Load(decoding=batch, decode_context=batch * 1000))
    alone = [float(seconds(step, load_of([], [1000] * int(size)))) for size in batch]
    assert found.tolist() == alone
    assert found[0] == 0


def test_narrow_weights_move_less_and_multiply_faster() -> None:
    model, gpu = model_named("Llama-3.1-8B"), gpu_named("H100")
    wide, narrow = (roofline(model, gpu, Deployment(weight_bits=bits)) for bits in (16, 8))
    assert narrow.coefficients[2] == wide.coefficients[2] / 2
    assert narrow.coefficients[4] == pytest.approx(2 * wide.coefficients[4], rel=1e-3)
    # A machine without the narrow rate computes at the rate it has.
    assert gpu_named("A100").flops_at(8) == gpu_named("A100").flops_at(16)


@pytest.mark.parametrize("bits", [{"weight_bits": 7}, {"tensor_parallel": 0}, {"kv_bits": 2}])
def test_what_no_machine_has_is_refused(bits: dict[str, int]) -> None:
    with pytest.raises(LlmopsError) as refused:
        Deployment(**bits)
    assert refused.value.slug == "hardware-bad-deployment"


def test_the_cache_takes_what_the_weights_leave() -> None:
    model, gpu = model_named("Llama-3.1-8B"), gpu_named("H100")
    tokens = kv_capacity_tokens(model, gpu, room=Room(share=0.9, reserved_gib=2))
    assert tokens == math.floor((0.9 * 81559 * 2**20 - 2 * 2**30 - 16.06e9) / 131_072)
    assert kv_capacity_blocks(tokens, 16) == tokens // 16
    # vLLM reports between 400 and 480 thousand tokens for this pair.
    assert 400_000 < tokens < 480_000


def test_more_gpus_than_heads_keep_the_same_heads_twice() -> None:
    model, gpu = model_named("Llama-3.1-8B"), gpu_named("H100")
    eight, sixteen = (Deployment(tensor_parallel=wide) for wide in (8, 16))
    once = roofline(model, gpu, eight).coefficients[3]
    assert roofline(model, gpu, sixteen).coefficients[3] == 2 * once


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(LlmopsError) as refused:
        kv_capacity_tokens(model_named("Llama-3.1-70B"), gpu_named("H100"))
    assert refused.value.slug == "hardware-no-room"


def test_an_unknown_published_step_time_is_refused() -> None:
    with pytest.raises(LlmopsError) as refused:
        known_step("vidur")
    assert refused.value.slug == "hardware-unknown-step"
    assert "dynamo" in refused.value.hint
