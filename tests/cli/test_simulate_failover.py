"""``llmops simulate-failover`` as a user runs it, on the committed log and pool."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]

QUICK = ("--years", "20", "--most-requests", "600")


@pytest.fixture
def ask(llmops: Run, datasets: Path) -> Run:
    """The command on the classifier's log, with few requests."""

    def run(*options: object, pool: object = None) -> CompletedProcess[str]:
        known = datasets / "failover.yaml" if pool is None else pool
        log = datasets / "classifier.jsonl.gz"
        return llmops("simulate-failover", log, "--pool", known, *QUICK, *options)

    return run


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (("--min-availability", "0.99"), 0),
        (("--min-availability", "0.99", "--max-cost-ratio", "0.5"), 1),
        (("--min-availability", "0.99993"), 4),
    ],
)
def test_the_exit_code_is_the_verdict(ask: Run, gates: tuple[str, ...], code: int) -> None:
    done = ask("--published-outages", *gates)
    assert done.returncode == code, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "with circuit breaker" in done.stdout


def test_every_format_in_one_run_and_the_same_twice(ask: Run, llmops: Run, tmp_path: Path) -> None:
    names = {"json": "r.json", "markdown": "r.md", "html": "r.html", "junit": "r.xml"}
    asked = [item for key, name in names.items() for item in ("-f", f"{key}={name}")]
    seen: list[dict[str, bytes]] = []
    for _ in range(2):
        done = ask("--published-outages", "--search", "--explain", *asked)
        assert done.returncode == 0, done.stderr
        seen.append({name: (tmp_path / name).read_bytes() for name in names.values()})
    assert seen[0] == seen[1]
    report = json.loads(seen[0]["r.json"])
    Draft202012Validator(json.loads(llmops("schema", "report").stdout)).validate(report)
    tables = {table["name"]: table for table in report["tables"]}
    assert len(tables["policies"]["rows"]) == 5
    # Every order of one to three of three deployments.
    assert len(tables["chains"]["rows"]) == 15


@pytest.mark.slow
def test_a_second_region_of_the_same_provider_buys_nothing(ask: Run, tmp_path: Path) -> None:
    """What goes down together is not a backup; another provider is."""
    done = ask("--published-outages", "--most-requests", "9000", "-f", "json=r.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    rows = {row[0]: row[2] for row in report["tables"][0]["rows"]}
    assert rows["same provider"] == pytest.approx(rows["retries"], abs=1e-4)
    assert rows["other provider"] > rows["retries"] + 5e-3


def test_incidents_of_a_file_and_the_logs_own_errors(
    ask: Run, datasets: Path, tmp_path: Path
) -> None:
    text = (datasets / "failover.yaml").read_text()
    pool = tmp_path / "pool.yaml"
    pool.write_text(
        f"{text}incidents:\n  - {{start_hours: 10, minutes: 90, provider: anthropic}}\n"
    )
    done = ask("--own-episodes", "-f", "json=r.json", pool=pool)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    rows = {row[0]: row[2] for row in report["tables"][0]["rows"]}
    assert rows["one attempt"] < rows["other provider"]


@pytest.mark.parametrize(
    ("options", "text", "slug", "code"),
    [
        ((), None, "failover-no-outages", 2),
        (("--min-availability", "99.9"), None, "failover-bad-gate", 2),
        (("--max-cost-ratio", "-1"), None, "failover-bad-gate", 2),
        (("--years", "0"), None, "failover-no-runs", 2),
        (("--years", "1000000000"), None, "failover-too-long", 2),
        (("--published-outages",), "outages: []\nschema: 1", "failover-schema-unknown", 3),
        (("--published-outages",), "schema: [", "failover-not-yaml", 3),
    ],
)
def test_a_refusal_is_one_sentence(
    ask: Run, tmp_path: Path, options: tuple[str, ...], text: str | None, slug: str, code: int
) -> None:
    pool = None
    if text is not None:
        pool = tmp_path / "pool.yaml"
        pool.write_text(text)
    done = ask("--min-availability", "0.9", *options, pool=pool)
    assert done.returncode == code
    assert done.stderr.startswith(f"llmops: error[{slug}]")
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_a_plan_is_written_held_and_exported(ask: Run, llmops: Run, datasets: Path,
                                              tmp_path: Path) -> None:  # fmt: skip
    """One plan: within its schema, held by its own log in every way, and LiteLLM's file."""
    made = ask("--published-outages", "--min-availability", "0.9", "-o", "plan.yaml")
    assert made.returncode == 0, made.stderr
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    Draft202012Validator(json.loads(llmops("schema", "failover-plan").stdout)).validate(plan)
    assert [item["name"] for item in plan["deployments"]] == ["haiku", "mini"]
    log = datasets / "classifier.jsonl.gz"
    for gates, code in (
        ((), 0),
        (("--max-cost-ratio", "0.5"), 1),
        (("--min-availability", "0.99993"), 4),
    ):
        held = llmops("simulate-failover", log, "--plan", "plan.yaml", *gates)
        assert held.returncode == code, held.stdout + held.stderr
        assert "the log that the plan was made on" in " ".join(held.stdout.split())
    done = llmops("simulate-failover", "--plan", "plan.yaml", "--export", "litellm=r.yaml")
    assert done.returncode == 0, done.stderr
    models = yaml.safe_load((tmp_path / "r.yaml").read_text())["model_list"]
    assert [item["model_info"]["id"] for item in models] == ["haiku", "mini"]


@pytest.mark.parametrize(
    ("options", "slug", "code"),
    [
        ((), "failover-no-input", 2),
        (("--pool", "p.yaml"), "failover-no-input", 2),
        (("log.jsonl",), "failover-no-input", 2),
        (("--plan", "p.yaml"), "export-missing", 2),
        (("--plan", "p.yaml", "--pool", "p.yaml"), "failover-not-with-plan", 2),
        (("--plan", "p.yaml", "--search", "log.jsonl"), "failover-not-with-plan", 2),
        (("--plan", "p.yaml", "-o", "q.yaml", "log.jsonl"), "failover-not-with-plan", 2),
        (
            ("--plan", "p.yaml", "log.jsonl", "--export", "litellm=r.yaml"),
            "failover-not-with-plan",
            2,
        ),
        (("--plan", "nowhere.yaml", "log.jsonl"), "plan-unreadable", 2),
        (("--plan", "p.yaml", "--export", "litellm=r.yaml"), "plan-schema-unknown", 3),
    ],
)
def test_what_a_plan_cannot_stand_beside(
    llmops: Run, tmp_path: Path, options: tuple[str, ...], slug: str, code: int
) -> None:
    (tmp_path / "p.yaml").write_text("schema: llmops.failover/1\n")
    done = llmops("simulate-failover", *options)
    assert (done.returncode, done.stderr.split("]")[0]) == (code, f"llmops: error[{slug}")


def test_a_pool_that_is_not_there(ask: Run) -> None:
    done = ask(pool="nowhere.yaml")
    assert done.returncode == 3
    assert "failover-unreadable" in done.stderr


def test_outages_from_two_sources_are_refused(ask: Run, datasets: Path, tmp_path: Path) -> None:
    outages = "{provider: openai, per_year: 9, median_minutes: 9, mean_minutes: 9}"
    pool = tmp_path / "pool.yaml"
    pool.write_text((datasets / "failover.yaml").read_text() + f"outages: [{outages}]\n")
    done = ask("--published-outages", pool=pool)
    assert done.returncode == 2
    assert "failover-two-records" in done.stderr
