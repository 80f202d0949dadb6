"""GPUs and model shapes by name, from two reviewed tables; an unknown name is a refusal."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.yaml_text import shipped_yaml

__all__ = ["Gpu", "ModelShape", "gpu_named", "gpus", "model_named", "models"]

BILLION = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One GPU.

    Attributes:
        name: as the table lists it.
        tflops: dense peak by bits of the operands, TFLOP/s.
        bandwidth_tbps: of its memory, TB/s.
        memory_mib: as its driver reports it.
        link_gbps: to its peers, GB/s one way.
        source: where the figures are from.
        checked_on: when somebody last held them against it, ISO date.
        aliases: other names of it.
    """

    name: str
    tflops: dict[int, float]
    bandwidth_tbps: float
    memory_mib: float
    link_gbps: float
    source: str = "given on the command line"
    checked_on: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def memory_bytes(self) -> float:
        """What the driver reports, in bytes."""
        return self.memory_mib * 2**20

    def flops_at(self, bits: int) -> float:
        """Peak FLOP/s of operands so wide; the next wider rate it has where it lacks one."""
        able = [width for width in self.tflops if width >= bits]
        return 1e12 * self.tflops[min(able) if able else max(self.tflops)]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """A model as a roofline sees it.

    Attributes:
        name: as the table lists it.
        layers: of the transformer.
        hidden: width of a token between layers.
        heads: of attention.
        kv_heads: that a cache keeps; 1 where all heads share one latent.
        head_dim: width of a head.
        params: in billions.
        active: that one token passes through, in billions; all where 0.
        experts: routed ones of a layer that has any; 0 for a dense model.
        experts_per_token: of them.
        expert_params: all routed experts, in billions.
        kv_elements: one token keeps per layer; 0 for keys and values of ``kv_heads``.
        score_elements: multiplied per head for a pair of tokens; 0 for twice ``head_dim``.
        attention_layers: that keep a cache; 0 for all.
        source: where the figures are from.
        checked_on: when somebody last held them against it, ISO date.
        aliases: other names of it, and of models of the same shape.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    params: float
    active: float = 0.0
    experts: int = 0
    experts_per_token: int = 0
    expert_params: float = 0.0
    kv_elements: int = 0
    score_elements: int = 0
    attention_layers: int = 0
    source: str = "given on the command line"
    checked_on: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def kv_per_token(self) -> int:
        """Numbers that one token of context keeps in the cache, over all layers."""
        each = self.kv_elements or 2 * self.kv_heads * self.head_dim
        return (self.attention_layers or self.layers) * each

    @property
    def flops_per_token(self) -> float:
        """Of the matrices, for one token: a multiplication and an addition per active weight."""
        return 2 * BILLION * (self.active or self.params)

    @property
    def flops_per_pair(self) -> float:
        """Of attention, for one token and one token of its context: scores and sums, all heads."""
        each = self.score_elements or 2 * self.head_dim
        return 2.0 * (self.attention_layers or self.layers) * self.heads * each


Row = TypeVar("Row", Gpu, ModelShape)


@cache
def gpus() -> dict[str, Gpu]:
    """Every GPU of the table, by the name it is looked up under."""
    return _by_name(Gpu, "gpus.yaml")


@cache
def models() -> dict[str, ModelShape]:
    """Every model shape of the table, by the name it is looked up under."""
    return _by_name(ModelShape, "models.yaml")


def gpu_named(text: str) -> Gpu:
    """A GPU of the table, or one given as ``tflops=989,bandwidth_tbps=3.35,memory_mib=81559``.

    Raises:
        LlmopsError: ``hardware-unknown-gpu`` with the names nearest to it; ``hardware-bad-shape``.
    """
    if "=" not in text:
        return _found(gpus(), text, "gpu")
    given = _numbers(text, "gpu", _GPU)
    rate = given.pop("tflops")
    numbers: dict[str, Any] = {"link_gbps": 32.0, **given}
    return Gpu(name=text, tflops={16: rate}, **numbers)


def model_named(text: str) -> ModelShape:
    """A model of the table, or one given as ``layers=32,hidden=4096,heads=32,kv_heads=8,...``.

    Case, an organisation before a slash and underscores do not matter.

    Raises:
        LlmopsError: ``hardware-unknown-model`` with the names nearest to it;
            ``hardware-bad-shape``.
    """
    if "=" not in text:
        return _found(models(), text, "model")
    given = _numbers(text, "model", _MODEL)
    whole: dict[str, Any] = {
        key: number if key in _REAL else int(number) for key, number in given.items()
    }
    shape = ModelShape(name=text, **whole)
    reason = ""
    if any(key not in _REAL and number != whole[key] for key, number in given.items()):
        reason = "only params, active and expert_params have fractions"
    elif shape.active > shape.params or shape.expert_params > shape.params:
        reason = "active and expert_params are no more than params"
    elif shape.experts_per_token > shape.experts or bool(shape.experts) != bool(
        shape.expert_params
    ):
        reason = "experts need expert_params, and a token visits no more than there are"
    if reason:
        raise _bad_shape(text, "model", reason)
    return shape


_GPU = {"tflops": True, "bandwidth_tbps": True, "memory_mib": True, "link_gbps": False}
"""Numbers of a GPU, and whether each must be given."""

_MODEL = {
    **dict.fromkeys(("layers", "hidden", "heads", "kv_heads", "head_dim", "params"), True),
    **dict.fromkeys(("active", "experts", "experts_per_token", "expert_params"), False),
    **dict.fromkeys(("kv_elements", "score_elements", "attention_layers"), False),
}
"""Numbers of a model, and whether each must be given."""

_REAL = frozenset({"params", "active", "expert_params"})


def _by_name(kind: type[Row], file: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in shipped_yaml("hardware", file):
        names = tuple(row.pop("aliases", ()))
        day = row.pop("checked_on").isoformat()
        item = kind(**row, checked_on=day, aliases=names)
        found.update({_key(name): item for name in (item.name, *names)})
    return found


def _key(name: str) -> str:
    return name.rsplit("/", 1)[-1].strip().lower().replace("_", "-")


def _found(known: dict[str, Row], text: str, kind: str) -> Row:
    item = known.get(_key(text))
    if item is None:
        near = get_close_matches(_key(text), known, n=3, cutoff=0.5)
        listed = dict.fromkeys(known[name].name for name in near or known)
        raise LlmopsError(
            f"hardware-unknown-{kind}",
            f"the table has no {kind} named '{text}'",
            hint=f"{'near it' if near else 'it has'}: {', '.join(listed)}; or give its numbers",
            exit_code=ExitCode.USAGE,
        )
    return item


def _numbers(text: str, kind: str, known: dict[str, bool]) -> dict[str, float]:
    try:
        pairs = [part.split("=") for part in text.split(",")]
        found = {name.strip(): float(number) for name, number in pairs}
    except ValueError:
        raise _bad_shape(text, kind, "it is no list of NAME=NUMBER") from None
    strange = [name for name in found if name not in known]
    missing = [name for name, needed in known.items() if needed and name not in found]
    reason = ""
    if strange or len(found) < len(pairs):
        near = get_close_matches(strange[0], known, n=1) if strange else []
        reason = f"{strange[0]} is no number of it" if strange else "a number is given twice"
        reason += f"; near it: {near[0]}" if near else ""
    elif missing:
        reason = f"it lacks {', '.join(missing)}"
    elif not all(0 < number < float("inf") for number in found.values()):
        reason = "every number must be positive"
    if reason:
        raise _bad_shape(text, kind, reason)
    return found


def _bad_shape(text: str, kind: str, reason: str) -> LlmopsError:
    example = {
        "gpu": "tflops=989,bandwidth_tbps=3.35,memory_mib=81559",
        "model": "layers=32,hidden=4096,heads=32,kv_heads=8,head_dim=128,params=8.03",
    }[kind]
    return LlmopsError(
        "hardware-bad-shape",
        f"'{text}' is no {kind}: {reason}",
        hint=example,
        exit_code=ExitCode.USAGE,
    )
