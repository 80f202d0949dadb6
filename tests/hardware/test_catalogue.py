"""GPUs and models by name, and refusals that help."""

import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, gpus, model_named, models


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [
        ("Llama-3.1-8B", 131_072),
        ("Llama-3.1-70B", 327_680),
        ("Qwen2.5-72B", 327_680),
        ("Qwen3-32B", 262_144),
        ("Mixtral-8x7B", 131_072),
        ("Mistral-7B", 131_072),
        ("Yi-34B", 245_760),
        ("Falcon-180B", 163_840),
        ("OPT-13B", 819_200),
        ("DeepSeek-V3", 61 * 576 * 2),
    ],
)
def test_the_cache_of_one_token_is_the_published_one(name: str, bytes_per_token: int) -> None:
    assert 2 * model_named(name).kv_per_token == bytes_per_token


@pytest.mark.parametrize(
    ("name", "tflops", "bandwidth", "gib"),
    [
        ("A100-40", 312, 1.555, 40),
        ("A100-80", 312, 2.039, 80),
        ("H100", 989, 3.35, 79.6),
        ("H200", 989, 4.8, 140.4),
        ("L40S", 362, 0.864, 45),
        ("A40", 150, 0.696, 45),
        ("B200", 2250, 8.0, 179.1),
    ],
)
def test_gpus_have_the_dense_rates_of_their_data_sheets(
    name: str, tflops: float, bandwidth: float, gib: float
) -> None:
    gpu = gpu_named(name)
    assert (gpu.flops_at(16), gpu.bandwidth_tbps) == (1e12 * tflops, bandwidth)
    assert gpu.memory_bytes / 2**30 == pytest.approx(gib, abs=0.1)


@pytest.mark.parametrize("item", [*gpus().values(), *models().values()], ids=lambda item: item.name)
def test_every_row_says_where_it_is_from_and_when_that_was_checked(item: object) -> None:
    assert len(item.source) > 10
    assert item.checked_on >= "2026-11-26"


def test_a_model_with_experts_is_its_experts_and_the_rest() -> None:
    for model in models().values():
        if model.experts:
            rest = model.params - model.expert_params
            visited = model.expert_params * model.experts_per_token / model.experts
            # What a token passes through: its experts and the rest, less some of the embedding,
            # of which makers count what they like.
            assert rest + visited == pytest.approx(model.active, rel=0.25)


@pytest.mark.parametrize(
    "name", ["h100", "H100_SXM", "h100-sxm", "nvidia/H100", " H100 ", "h100-80gb-hbm3"]
)
def test_a_name_is_found_whatever_its_case_and_dashes(name: str) -> None:
    assert gpu_named(name).name == "H100"


def test_an_organisation_and_an_instruct_model_find_their_shape() -> None:
    assert model_named("meta-llama/Llama-3.1-8B-Instruct").name == "Llama-3.1-8B"


@pytest.mark.parametrize(
    ("look_up", "name", "slug", "near"),
    [
        (gpu_named, "H10O", "hardware-unknown-gpu", "H100"),
        (model_named, "Lama-3.1-70B", "hardware-unknown-model", "Llama-3.1-70B"),
        (gpu_named, "?", "hardware-unknown-gpu", "RTX-3090"),
    ],
)
def test_an_unknown_name_is_refused_with_those_near_it(
    look_up: object, name: str, slug: str, near: str
) -> None:
    with pytest.raises(LlmopsError) as refused:
        look_up(name)
    assert refused.value.slug == slug
    assert near in refused.value.hint


def test_numbers_stand_in_for_a_name() -> None:
    gpu = gpu_named("tflops=100,bandwidth_tbps=1,memory_mib=1024")
    model = model_named("layers=2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=0.1")
    assert (gpu.flops_at(8), model.kv_per_token) == (1e14, 2 * 2 * 2 * 16)


@pytest.mark.parametrize(
    ("look_up", "text"),
    [
        (gpu_named, "tflops=100"),
        (gpu_named, "tflops=0,bandwidth_tbps=1,memory_mib=1024"),
        (gpu_named, "bandwidth_tbps=1,memory_mib=1024"),
        (gpu_named, "tflops=100,bandwidth_tbps=nan,memory_mib=1024"),
        (gpu_named, "tflops=nan,bandwidth_tbps=1,memory_mib=1024"),
        (gpu_named, "tflops=100,bandwidth_tbps=0,memory_mib=1024"),
        (gpu_named, "tflops=100,bandwidth_tbps=1,memory_mib=0"),
        (gpu_named, "tflops=100,bandwidth_tbps=1,memory_mib=1024,link_gbps=0"),
        (gpu_named, "tflops=1,tflops=2,bandwidth_tbps=1,memory_mib=1024"),
        (model_named, "layers=2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=0"),
        (model_named, "layers=2,hidden=64,heads=4,kv_heads=0,head_dim=16,params=0.1"),
        (model_named, "layers=2.5,hidden=64,heads=4,kv_heads=2,head_dim=16,params=0.1"),
        (model_named, "layers=2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=0.1,source=1"),
        (model_named, "layers=2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=1,active=2"),
        (
            model_named,
            (
                "layers=2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=1,experts=2,"
                "experts_per_token=4,expert_params=0.5"
            ),
        ),
        (
            model_named,
            (
                "layers=2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=1,experts=2,"
                "experts_per_token=1"
            ),
        ),
        (model_named, "layers=two"),
        (model_named, "layers=2,colour=3"),
        (model_named, "layers=-2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=0.1"),
    ],
)
def test_numbers_that_make_no_shape_are_refused(look_up: object, text: str) -> None:
    with pytest.raises(LlmopsError) as refused:
        look_up(text)
    assert refused.value.slug == "hardware-bad-shape"


def test_a_misspelt_number_is_named_with_its_neighbour() -> None:
    with pytest.raises(LlmopsError) as refused:
        gpu_named("tflops=100,bandwith=1,memory_mib=1024")
    assert "bandwith is no number of it; near it: bandwidth_tbps" in refused.value.message


def test_experts_may_be_given_as_numbers() -> None:
    model = model_named(
        "layers=2,hidden=64,heads=4,kv_heads=2,head_dim=16,params=1,active=0.6,experts=8,"
        "experts_per_token=2,expert_params=0.5"
    )
    assert (model.experts, model.flops_per_token) == (8, 1.2e9)
