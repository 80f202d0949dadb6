"""Who is asked by replay, and what is done about failures: from its options, or from a plan."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.cli.judge_settings import price_of, usage_error

if TYPE_CHECKING:
    from llmops_cli.failover.policy import Deployment, FailoverPolicy
    from llmops_cli.live.estimates import Price

__all__ = ["Chain", "Patience", "chain_of", "planned_chain"]

_ATTEMPTS, _TIMEOUT_S = 3, 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What the command line says of failures; None leaves it to the plan, or to the defaults.

    Attributes:
        attempts: at one provider.
        timeout_s: of one request.
        first_token_s: until something of an answer has come.
    """

    attempts: int | None
    timeout_s: float | None
    first_token_s: float | None

    def over(self, policy: "FailoverPolicy") -> "FailoverPolicy":
        """A policy with what was said put in its place."""
        if self.attempts is not None:
            policy = replace(policy, backoff=replace(policy.backoff, attempts=self.attempts))
        if self.timeout_s is not None:
            policy = replace(policy, timeout_s=self.timeout_s)
        if self.first_token_s is not None:
            policy = replace(policy, first_token_s=self.first_token_s)
        return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The deployments in the order they are asked.

    Attributes:
        deployments: each with its context window, where it is known.
        urls: of the servers; None for the provider's own.
        prices: of tokens there.
        policy: what is done about failures.
    """

    deployments: "tuple[Deployment, ...]"
    urls: tuple[str | None, ...]
    prices: "tuple[Price | None, ...]"
    policy: "FailoverPolicy"

    @property
    def targets(self) -> tuple[tuple[str, str, str | None], ...]:
        """Provider, model and server of each."""
        return tuple(
            (item.provider, item.model, url)
            for item, url in zip(self.deployments, self.urls, strict=True)
        )

    @property
    def names(self) -> str:
        """As the command line spells them."""
        return ", ".join(f"{item.provider}/{item.model}" for item in self.deployments)


def chain_of(
    models: list[str], given_urls: list[str], windows: list[str], price_as: str, patience: Patience
) -> Chain:
    """The chain of ``--model``, in its order.

    Raises:
        LlmopsError: ``replay-no-model``, ``replay-bad-model``, ``replay-bad-url``,
            ``replay-bad-window``, ``price-unknown-model``.
    """
    from llmops_cli.failover.policy import Backoff, Deployment, FailoverPolicy
    from llmops_cli.live import PROVIDERS

    if not models:
        hint = "--model anthropic/claude-haiku-4-5, or --plan PLAN of simulate-failover"
        raise usage_error("replay-no-model", "nobody is asked: --model is missing", hint)
    found: list[Deployment] = []
    for text in models:
        provider, _, name = text.partition("/")
        if provider not in PROVIDERS or not name:
            hint = f"one of {', '.join(f'{item}/…' for item in PROVIDERS)}"
            raise usage_error("replay-bad-model", f"'{text}' is not PROVIDER/NAME", hint)
        found.append(Deployment(name=f"{len(found)}", provider=provider, model=name))
    policy = FailoverPolicy(timeout_s=_TIMEOUT_S, backoff=Backoff(attempts=_ATTEMPTS))
    urls = _urls(given_urls)
    return _chain(found, urls, windows, [price_as] * len(found), patience.over(policy))


def planned_chain(
    path: Path, given_urls: list[str], windows: list[str], price_as: str, patience: Patience
) -> Chain:
    """Chain and policy of a plan that simulate-failover wrote.

    Raises:
        LlmopsError: ``replay-no-client`` for a provider that is neither of the two APIs, those of
            :func:`chain_of`, and those of the plan's reader.
    """
    from llmops_cli.cli.simulate_failover_plan import read_failover_plan
    from llmops_cli.live import PROVIDERS

    document = read_failover_plan(path)
    plan, urls = document.plan, _urls(given_urls)
    for place, item in enumerate(plan.chain):
        if item.provider not in PROVIDERS:
            hint = f"there are clients of {' and '.join(PROVIDERS)}; plan the chain with these"
            raise usage_error(
                "replay-no-client",
                f"deployment {place + 1} of the plan is served by '{item.provider}', for which "
                "there is no client",
                hint,
            )
    told = [price_as or item.price_as for item in document.deployments]
    return _chain(list(plan.chain), urls, windows, told, patience.over(plan.policy))


def _chain(
    deployments: "list[Deployment]",
    urls: dict[str, str],
    windows: list[str],
    price_as: list[str],
    policy: "FailoverPolicy",
) -> Chain:
    stated = _windows(windows, deployments)
    servers = tuple(urls.get(item.provider) for item in deployments)
    return Chain(
        deployments=tuple(
            replace(item, context_window_tokens=_window(item, stated, url))
            for item, url in zip(deployments, servers, strict=True)
        ),
        urls=servers,
        prices=tuple(
            price_of(item.model, told, "" if url else item.provider, needed=True)
            for item, told, url in zip(deployments, price_as, servers, strict=True)
        ),
        policy=policy,
    )


def _window(item: "Deployment", stated: dict[str, int], url: str | None) -> int | None:
    """As stated, else of the plan, else of the book; a server of one's own has its own window."""
    from llmops_cli.prices.windows import context_window

    name = f"{item.provider}/{item.model}"
    if name in stated or item.context_window_tokens is not None:
        return stated.get(name, item.context_window_tokens)
    return None if url else context_window(item.model, provider=item.provider)


def _windows(given: list[str], deployments: "list[Deployment]") -> dict[str, int]:
    names = [f"{item.provider}/{item.model}" for item in deployments]
    found: dict[str, int] = {}
    for text in given:
        name, _, tokens = text.rpartition("=")
        if name not in names or not tokens.isascii() or not tokens.isdigit() or not int(tokens):
            hint = f"--context-window {names[0]}=200000, of a model that is asked"
            raise usage_error("replay-bad-window", f"'{text}' is not MODEL=TOKENS", hint)
        found[name] = int(tokens)
    return found


def _urls(given: list[str]) -> dict[str, str]:
    from llmops_cli.live import PROVIDERS

    known: dict[str, str] = {}
    for text in given:
        provider, _, url = text.partition("=")
        if provider not in PROVIDERS or not url:
            hint = f"--base-url {next(iter(PROVIDERS))}=http://localhost:8000"
            raise usage_error("replay-bad-url", f"'{text}' is not PROVIDER=URL", hint)
        known[provider] = url
    return known
