"""A plan of speculation as settings of vLLM and SGLang."""

import itertools
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.exports import SPECULATION_EXPORTS
from llmops_cli.speculation.settings import SpeculationPlan

PLAN = SpeculationPlan(
    decision="pass", target="Llama-3.1-8B", gpu="H100", tensor_parallel=1, draft="eagle",
    kind="chain", method="eagle3", model="org/eagle3", drafted_tokens=3, levels=(),
    drafting=((1, 64),), off_above=64,
    schedule=((1, 64, 3), (65, 512, 0)), speedup=1.5, speedup_low=1.3, speedup_high=1.7,
)  # fmt: skip


def test_vllm_drafts_up_to_the_break_even_batch_and_not_above() -> None:
    config = yaml.safe_load(SPECULATION_EXPORTS["vllm"](PLAN))["speculative_config"]
    assert config == {
        "method": "eagle3",
        "model": "org/eagle3",
        "num_speculative_tokens": 3,
        "num_speculative_tokens_per_batch_size": [[1, 64, 3], [65, 65_536, 0]],
    }


def test_vllm_is_told_nothing_of_batches_where_it_always_pays() -> None:
    config = yaml.safe_load(SPECULATION_EXPORTS["vllm"](replace(PLAN, off_above=None)))
    assert "num_speculative_tokens_per_batch_size" not in config["speculative_config"]


@pytest.mark.parametrize(
    ("kind", "method"),
    [("ngram", "ngram"), ("chain", "draft_model"), ("parallel", "medusa"), ("tree", "eagle")],
)
def test_vllm_has_a_method_for_every_kind(kind: str, method: str) -> None:
    text = SPECULATION_EXPORTS["vllm"](replace(PLAN, kind=kind, method=""))
    assert yaml.safe_load(text)["speculative_config"]["method"] == method


def test_what_does_not_pay_is_left_out() -> None:
    never = replace(PLAN, off_above=0)
    assert yaml.safe_load(SPECULATION_EXPORTS["vllm"](never)) == {"speculative_config": None}
    assert yaml.safe_load(SPECULATION_EXPORTS["sglang"](never)) == {}


def test_sglang_verifies_one_token_more_than_it_drafts() -> None:
    text = SPECULATION_EXPORTS["sglang"](PLAN)
    assert yaml.safe_load(text) == {
        "speculative-algorithm": "EAGLE3",
        "speculative-draft-model-path": "org/eagle3",
        "speculative-num-steps": 3,
        "speculative-eagle-topk": 1,
        "speculative-num-draft-tokens": 4,
    }
    assert "above 64 running requests" in text


def test_sglang_looks_up_without_steps() -> None:
    lookup = replace(PLAN, kind="ngram", method="", model="")
    assert yaml.safe_load(SPECULATION_EXPORTS["sglang"](lookup)) == {
        "speculative-algorithm": "NGRAM",
        "speculative-num-draft-tokens": 4,
    }


def test_sglang_takes_the_trees_nodes() -> None:
    tree = replace(PLAN, kind="tree", method="eagle", levels=(4, 8, 4))
    found = yaml.safe_load(SPECULATION_EXPORTS["sglang"](tree))
    assert (found["speculative-eagle-topk"], found["speculative-num-draft-tokens"]) == (4, 17)


@given(st.sets(st.integers(1, 400), min_size=2, max_size=8), st.booleans())
def test_vllms_stretches_cover_every_batch_once_and_draft_where_it_pays(
    edges: set[int],
    endless: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    rising = sorted(edges)[: len(edges) // 2 * 2]
    # Runs that touch would be one.
    runs = tuple(
        (2 * first, 2 * last - 1) for first, last in zip(rising[::2], rising[1::2], strict=True)
    )
    plan = replace(PLAN, drafting=runs, off_above=None if endless else runs[-1][1])
    config = yaml.safe_load(SPECULATION_EXPORTS["vllm"](plan))["speculative_config"]
    found = config["num_speculative_tokens_per_batch_size"]
    assert found[0][0] == 1
    assert found[-1][1] == 65_536
    assert all(two[0] == one[1] + 1 for one, two in itertools.pairwise(found))
    for first, last, drafted in found:
        inside = [run for run in runs if run[0] <= first and (last <= run[1] or last == 65_536)]
        assert drafted == (3 if inside and (endless or last < 65_536) else 0)


def test_sglang_is_told_of_batches_below_which_it_does_not_pay() -> None:
    late = replace(PLAN, drafting=((4, 9), (20, 64)))
    assert "pays at 4 to 9 and 20 to 64 running requests only" in SPECULATION_EXPORTS["sglang"](
        late
    )


@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_a_draft_known_by_its_numbers_only_has_no_model_in_the_settings(name: str) -> None:
    text = SPECULATION_EXPORTS[name](replace(PLAN, model=""))
    assert "model" not in str(yaml.safe_load(text)).replace("draft_model", "")
