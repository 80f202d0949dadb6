"""Policy lines: what they say, what is refused, what a sweep makes of them."""

import pytest

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.catalogue import gpu_named, model_named
from llmops_cli.serving.machines import Machines
from llmops_cli.serving.model import Batching, Eviction, Policy, Routing
from llmops_cli.serving.policies import LINK_GBPS, gpus_of, machines_of, policy_of
from llmops_cli.serving.policy_lines import (
    DEFAULT_LINES,
    KEYS,
    Line,
    parse_line,
    parse_sweep,
    swept,
)

MACHINES = Machines(model=model_named("llama-3.1-8b"), gpu=gpu_named("h100"))


def policy(text: str, block_tokens: int = 512) -> Policy:
    return policy_of(parse_line(text), MACHINES, block_tokens)


def test_a_line_says_everything_a_policy_has() -> None:
    made = policy(
        'name="kv aware" router=kv batching=continuous chunk=2048 batch=64 replicas=6 blocks=900 '
        "eviction=length-aware cache=on delay=0.2 weight=2 think=5 decode=2 link-gbps=25 "
        "link-latency=0.001 tier2=5000 tier2-gbps=40"
    )
    assert (made.name, made.replicas, made.think_s) == ("kv aware", 6, 5.0)
    assert (made.memory.blocks, made.memory.block_tokens) == (900, 512)
    assert (made.memory.eviction, made.memory.prefix_caching) == (Eviction.LENGTH_AWARE, True)
    assert (made.scheduler.batching, made.scheduler.token_budget) == (Batching.CONTINUOUS, 2048)
    assert made.scheduler.max_batch == 64
    assert (made.router.routing, made.router.index_delay_s) == (Routing.KV_COST, 0.2)
    assert made.router.overlap_weight == 2
    assert made.pools is not None
    assert (made.pools.decode_replicas, made.pools.bytes_per_s) == (2, 25e9)
    assert made.pools.kv_bytes_per_token == 131_072
    assert made.memory.second_tier is not None
    assert (made.memory.second_tier.blocks, made.memory.second_tier.bytes_per_s) == (5000, 40e9)


def test_what_a_line_does_not_say_is_the_machines() -> None:
    made = policy("router=random")
    assert made.name == "router=random"
    assert made.replicas == MACHINES.replicas
    assert made.memory.blocks == MACHINES.capacity(512)
    assert made.step_time.name == "Llama-3.1-8B on 1 x H100"
    assert (made.pools, made.memory.second_tier, made.think_s) == (None, None, None)


def test_pools_without_a_link_take_the_usual_one() -> None:
    made = policy("decode=1").pools
    assert made is not None
    assert made.bytes_per_s == 1e9 * LINK_GBPS


def test_memory_follows_model_gpu_and_their_number() -> None:
    one, two = policy("replicas=2"), policy("tp=2 replicas=2")
    assert two.memory.blocks > 2 * one.memory.blocks
    large = policy("model=llama-3.1-70b tp=8")
    assert large.step_time.name == "Llama-3.1-70B on 8 x H100"
    line = parse_line("tp=8 replicas=3")
    assert gpus_of(policy_of(line, MACHINES, 512), machines_of(line, MACHINES)) == 24


def test_a_small_budget_makes_the_batch_smaller() -> None:
    assert policy("chunk=128").scheduler.max_batch == 128
    assert policy("chunk=128 batch=32").scheduler.max_batch == 32


def test_blocks_have_a_size_where_the_trace_has_none() -> None:
    assert policy("router=kv", block_tokens=0).memory.block_tokens == 16
    assert policy("block=64", block_tokens=0).memory.block_tokens == 64


@pytest.mark.parametrize(
    ("word", "routing"),
    [
        ("round-robin", Routing.ROUND_ROBIN),
        ("round_robin", Routing.ROUND_ROBIN),
        ("Random", Routing.RANDOM),
        ("least-outstanding", Routing.LEAST_OUTSTANDING),
        ("power-of-two", Routing.POWER_OF_TWO),
        ("session", Routing.SESSION_AFFINITY),
        ("hash", Routing.BOUNDED_HASH),
        ("sglang", Routing.PREFIX_TREE),
        ("kv_router", Routing.KV_COST),
        ("dynamo", Routing.KV_COST),
        ("llm-d", Routing.SCORED),
        ("clairvoyant", Routing.CLAIRVOYANT),
    ],
)
def test_routers_by_the_words_people_use(word: str, routing: Routing) -> None:
    assert policy(f"router={word}").router.routing == routing


@pytest.mark.parametrize(
    ("text", "slug", "words"),
    [
        ("", "serving-bad-policy", "no list of KEY=VALUE"),
        ("kv", "serving-bad-policy", "no list of KEY=VALUE"),
        ("router=", "serving-bad-policy", "no list of KEY=VALUE"),
        ('name="kv', "serving-bad-policy", "a quote is never closed"),
        ("router=kv router=random", "serving-bad-policy", "said twice"),
        ("rooter=kv", "serving-unknown-key", "no 'rooter'"),
        ("router=kvv", "serving-unknown-choice", "'kvv' is no router"),
        ("batching=chunky", "serving-unknown-choice", "'chunky' is no batching"),
        ("replicas=0", "serving-bad-value", "a whole number from 1"),
        ("replicas=2.5", "serving-bad-value", "a whole number from 1"),
        ("chunk=many", "serving-bad-value", "a whole number from 1"),
        ("delay=-1", "serving-bad-value", "a number from 0"),
        ("delay=nan", "serving-bad-value", "a number from 0"),
        ("cache=maybe", "serving-bad-value", "on or off"),
        ("gpu=h1000", "hardware-unknown-gpu", "h1000"),
        ("model=llama-9", "hardware-unknown-model", "llama-9"),
    ],
)
def test_refusals(text: str, slug: str, words: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        policy(text)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)
    assert words in caught.value.message


def test_a_near_key_is_suggested() -> None:
    with pytest.raises(LlmopsError) as caught:
        parse_line("replica=3")
    assert caught.value.hint == "did you mean 'replicas'?"


def test_a_sweep_is_every_combination() -> None:
    lines = swept(
        [parse_line("name=a router=kv"), parse_line("name=b chunk=64")],
        [parse_sweep("chunk=256,512"), parse_sweep("replicas=2,4")],
    )
    assert [line.name for line in lines] == [
        f"{name} chunk={chunk} replicas={replicas}"
        for name in "ab"
        for chunk in (256, 512)
        for replicas in (2, 4)
    ]
    assert dict(lines[-1].values) == {"chunk": "512", "replicas": "4"}
    assert swept(DEFAULT_LINES, []) == DEFAULT_LINES


@pytest.mark.parametrize(
    ("lines", "sweeps", "slug"),
    [
        (["name=a router=kv", "name=a router=random"], [], "serving-same-name"),
        (["router=kv"], ["chunk="], "serving-bad-sweep"),
        (["router=kv"], ["chunk"], "serving-bad-sweep"),
        (["router=kv"], ["chunk=1,1"], "serving-bad-sweep"),
        (["router=kv"], ["chunks=1,2"], "serving-unknown-key"),
        (["router=kv"], ["chunk=" + ",".join(map(str, range(1, 66)))], "serving-too-many"),
    ],
)
def test_sweeps_that_are_refused(lines: list[str], sweeps: list[str], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        swept([parse_line(line) for line in lines], [parse_sweep(each) for each in sweeps])
    assert caught.value.slug == slug


WORDS = {
    "tp": "4",
    "router": "kv",
    "batching": "static",
    "cache": "off",
    "eviction": "lfu",
    "model": "mistral-7b",
    "gpu": "h200",
}
NEEDED = {"link-gbps": "decode", "link-latency": "decode", "tier2-gbps": "tier2"}


@pytest.mark.parametrize("key", [key for key in KEYS if key != "name"])
def test_every_key_changes_the_policy(key: str) -> None:
    before = ((NEEDED[key], "1"),) if key in NEEDED else ()
    plain = policy_of(Line("x", before), MACHINES, 0)
    made = policy_of(Line("x", (*before, (key, WORDS.get(key, "7")))), MACHINES, 0)
    assert not all(_equal(made, plain, name) for name in Policy.__slots__)


def _equal(one: Policy, two: Policy, name: str) -> bool:
    if name == "step_time":
        return one.step_time.name == two.step_time.name
    return getattr(one, name) == getattr(two, name)
