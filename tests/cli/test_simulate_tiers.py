"""``llmops simulate-tiers`` as a user runs it: on the committed outcomes, on small and bad ones."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

Run = Callable[..., CompletedProcess[str]]
Table = Callable[..., Path]

DAY = ("--on", "2026-11-25")


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (("--min-saving", "0.5"), 0),
        (("--min-saving", "0.9"), 1),
        (("--min-saving", "0.61"), 4),
        (("--max-quality-loss", "0.02"), 0),
        (("--floor", "0.9", "--max-quality-loss", "0.001"), 1),
        (("--min-saving", "0.9", "--exit-zero"), 0),
    ],
)
def test_the_exit_code_is_the_verdict(
    llmops: Run, datasets: Path, gate: tuple[str, ...], code: int
) -> None:
    done = llmops("simulate-tiers", datasets / "outcomes.csv", *gate)
    assert done.returncode == code, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert ("to decide: " in done.stdout) is (code == 4)


def test_the_planted_plan_comes_out(llmops: Run, datasets: Path, tmp_path: Path) -> None:
    done = llmops("simulate-tiers", datasets / "outcomes.csv", "-o", "plan.yaml", *DAY)
    assert done.returncode == 0, done.stderr
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text(encoding="utf-8"))
    chosen = {item["task"]: item["models"][0]["model"] for item in plan["classes"]}
    assert chosen == {
        "extract": "acme/small",
        "classify": "acme/small",
        "summarise": "acme/large",
        "code": "bolt/coder",
        "reason": "acme/large",
        "translate": "acme/large",
    }
    why = {item["task"]: item["reason"] for item in plan["classes"]}
    assert why["translate"] == "too few rows: reference"
    assert "translate: too few rows" in plain(done.stdout)
    schema = json.loads(llmops("schema", "tier-plan").stdout)
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(plan)
    assert (plan["made_on"], plan["expires_on"]) == ("2026-11-25", "2027-02-23")


def test_a_global_floor_saves_more_and_says_who_pays(llmops: Run, datasets: Path) -> None:
    done = llmops("simulate-tiers", datasets / "outcomes.csv", "--floor", "0.95")
    assert done.returncode == 0
    assert "summarise pays for it: 17.2 points lost there" in plain(done.stdout)


def test_every_format_in_one_run_and_the_same_twice(
    llmops: Run, datasets: Path, tmp_path: Path
) -> None:
    names = {"json": "r.json", "markdown": "r.md", "html": "r.html", "junit": "r.xml"}
    asked = [item for key, name in names.items() for item in ("-f", f"{key}={name}")]
    seen: list[dict[str, bytes]] = []
    for _ in range(2):
        done = llmops(
            "simulate-tiers", datasets / "outcomes.csv", *asked, "-f", "github", "--explain",
            "--min-saving", "0.9", "-o", "plan.yaml", *DAY,
        )  # fmt: skip
        assert done.returncode == 1
        files = (*names.values(), "plan.yaml")
        seen.append({name: (tmp_path / name).read_bytes() for name in files})
    assert seen[0] == seen[1]
    report = json.loads(seen[0]["r.json"])
    assert {item["chart"] for item in report["series"]} == {"Quality against cost"}
    assert seen[0]["r.html"].count(b"<figure") == 1
    Draft202012Validator(json.loads(llmops("schema", "report").stdout)).validate(report)
    tables = {item["name"]: item for item in report["tables"]}
    assert {"plan", "policies", "roles", "published", "figures"} <= tables.keys()
    kinds = {row[-1] for row in tables["policies"]["rows"]}
    assert kinds == {"given", "single", "mix", "table", "oracle"}
    assert b"<svg" in seen[0]["r.html"]


def test_stdout_of_json_is_json_alone(llmops: Run, datasets: Path) -> None:
    done = llmops(
        "simulate-tiers", datasets / "outcomes.csv", "--floor", "0.97", "--max-providers", "2",
        "-f", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["command"] == "simulate-tiers"


def hints(path: Path, *, useful: bool, rows: int = 900) -> Path:
    """Answers of two models with a router's score, and a judge's verdict on every answer."""
    draw = np.random.default_rng(5)
    lines = ["request_id,task,cluster,model,quality,cost,verdict,wish"]
    for row in range(rows):
        hard = draw.random() < 0.4
        right = {"small": not hard, "large": draw.random() < 0.93}
        wish = draw.random() if not useful else 0.5 * hard + 0.4 * draw.random()
        for name, usd in (("small", 0.001), ("large", 0.01)):
            good = right[name]
            verdict = good if draw.random() < (0.95 if useful else 0.5) else not good
            lines.append(
                f"{row},t,c{row // 3},{name},{good:d},{usd},{verdict:d},"
                f"{wish if name == 'large' else 0.5}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("useful", [True, False])
def test_a_router_and_a_cascade_are_worth_it_only_where_they_know_something(
    llmops: Run, tmp_path: Path, *, useful: bool
) -> None:
    hints(tmp_path / "h.csv", useful=useful)
    done = llmops(
        "simulate-tiers", "h.csv", "--score", "wish", "--cascade", "small,large", "--judge",
        "verdict", "--judge-cost", "0.0001", "-f", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    said = {item["slug"]: item["count"] for item in report["findings"]}
    verdicts = {slug: count for slug, count in said.items() if slug.startswith("tiers-policy")}
    assert sum(verdicts.values()) == 4
    assert ("tiers-policy-gain" in verdicts) is useful
    assert {"cascade_small_large"} <= {item["name"] for item in report["tables"]}


def test_exports(llmops: Run, datasets: Path, tmp_path: Path) -> None:
    done = llmops(
        "simulate-tiers", datasets / "outcomes.csv", "-q", "--export", "litellm=router.yaml",
        "--export", "table=routes.jsonl", *DAY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load((tmp_path / "router.yaml").read_text(encoding="utf-8"))
    groups = {item["model_name"]: item["litellm_params"] for item in config["model_list"]}
    assert groups["tier/code"] == {"model": "bolt/coder"}
    rows = [json.loads(line) for line in (tmp_path / "routes.jsonl").read_text().splitlines()]
    assert {row["task"]: row["models"] for row in rows}["code"] == {"bolt/coder": 1.0}


def test_routellm_columns_with_costs_of_your_own(llmops: Run, tmp_path: Path) -> None:
    text = "prompt,weak,strong\n" + "hi,True,True\nho,False,True\n" * 60
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    bare = llmops("simulate-tiers", "r.csv")
    assert bare.returncode == 3
    assert "error[tiers-no-cost]" in bare.stderr
    done = llmops("simulate-tiers", "r.csv", "--cost", "weak=0.001", "--cost", "strong=0.01")
    assert done.returncode == 0, done.stderr
    assert "Every class keeps strong" in done.stdout


def test_costs_from_tokens(llmops: Run, tmp_path: Path) -> None:
    head = "task,{m}|input_tokens,{m}|cache_read_tokens,{m}|output_tokens,{m}"
    small, large = "claude-haiku-4-5", "claude-sonnet-4-6"
    names = (head.format(m=small) + "," + head.format(m=large).removeprefix("task,")).split(",")
    rows = "".join(f"t,1000,9000,100,{i % 2},1000,9000,100,1\n" for i in range(80))
    (tmp_path / "t.csv").write_text(",".join(names) + "\n" + rows, encoding="utf-8")
    done = llmops("simulate-tiers", "t.csv", "--prices", "-f", "json", *DAY)
    assert done.returncode == 0, done.stderr
    measures = {item["name"]: item["value"] for item in json.loads(done.stdout)["measures"]}
    # 1,000 fresh at $3, 9,000 cached at $0.30 and 100 out at $15 per million, 1,000 times.
    assert measures["reference_cost_usd_per_1000"] == pytest.approx(3 + 2.7 + 1.5)
    text = (tmp_path / "t.csv").read_text("utf-8").replace(small, "acme-nano")
    (tmp_path / "u.csv").write_text(text, encoding="utf-8")
    unknown = llmops("simulate-tiers", "u.csv", "--prices", *DAY)
    assert unknown.returncode == 3
    assert "error[price-unknown-model]" in unknown.stderr
    renamed = llmops(
        "simulate-tiers", "u.csv", "--prices", "--price-as", f"acme-nano={small}", *DAY
    )
    assert renamed.returncode == 0, renamed.stderr


def answer(row: int, model: str, score: float | None) -> str:
    line = {
        "timestamp": f"2026-09-01T08:{row % 60:02d}:00Z",
        "request": {"model": model, "messages": [{"role": "user", "content": f"question {row}"}]},
        "response": {
            "id": f"msg_{model}_{row}",
            "model": model,
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        },
        "duration_s": 1.5,
    }
    return json.dumps(line if score is None else {**line, "evaluation_score": score})


def span(row: int, model: str, score: float) -> dict[str, object]:
    """A chat span with its evaluation, as OpenTelemetry's semantic conventions have it."""
    prompt = [{"role": "user", "parts": [{"type": "text", "content": f"question {row}"}]}]
    words = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.input.messages": json.dumps(prompt),
    }
    counts = {"input_tokens": 10_000, "cache_read.input_tokens": 9_000, "output_tokens": 100}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in words.items()]
    attributes += [
        {"key": f"gen_ai.usage.{key}", "value": {"intValue": str(value)}}
        for key, value in counts.items()
    ]
    start = 1_788_249_600 + row
    return {
        "traceId": f"{row:032x}",
        "spanId": f"{2 * row + len(model) % 2 + 1:016x}",
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": f"{start}000000000",
        "endTimeUnixNano": f"{start + 1}000000000",
        "attributes": attributes,
        "events": [
            {
                "name": "gen_ai.evaluation.result",
                "timeUnixNano": f"{start + 1}000000000",
                "attributes": [
                    {"key": "gen_ai.evaluation.name", "value": {"stringValue": "quality"}},
                    {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": score}},
                ],
            }
        ],
    }


def test_traces_with_evaluation_events_are_outcomes_at_cached_prices(
    llmops: Run, tmp_path: Path
) -> None:
    names = {"claude-haiku-4-5": 0.0, "claude-sonnet-4-6": 1.0}
    spans = [span(row, name, good) for row in range(60) for name, good in names.items()]
    traces = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    (tmp_path / "traces.json").write_text(json.dumps(traces), encoding="utf-8")
    done = llmops("simulate-tiers", "traces.json", "-f", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    measures = {item["name"]: item["value"] for item in report["measures"]}
    assert measures["requests"] == 60
    # 1,000 fresh at $3, 9,000 cached at $0.30 and 100 out at $15 per million, 1,000 times.
    assert measures["reference_cost_usd_per_1000"] == pytest.approx(3 + 2.7 + 1.5)
    roles = next(item for item in report["tables"] if item["name"] == "roles")
    assert {row[0]: row[2] for row in roles["rows"]} == names


def test_a_log_with_scores(llmops: Run, tmp_path: Path) -> None:
    small, large = "claude-haiku-4-5", "claude-sonnet-4-6"
    lines = [answer(i, model, 1.0) for model in (small, large) for i in range(200)]
    lines.append(answer(999, large, None))
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = llmops("simulate-tiers", "log.jsonl", "-f", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    measures = {item["name"]: item["value"] for item in report["measures"]}
    assert measures["reference_cost_usd_per_1000"] == pytest.approx(
        {"claude-haiku-4-5": 1.0 + 0.5, "claude-sonnet-4-6": 3.0 + 1.5}[small]
    )
    assert measures["requests"] == 200
    assert "tiers-unscored" in {item["slug"] for item in report["findings"]}
    (tmp_path / "bare.jsonl").write_text(answer(1, small, None) + "\n", encoding="utf-8")
    bare = llmops("simulate-tiers", "bare.jsonl")
    assert bare.returncode == 3
    assert "error[tiers-no-scores]" in bare.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (["--floor", "1.2"], 3, "error[tiers-infeasible]"),
        (["--class-floor", "1.05"], 3, "tiers-infeasible"),
        (["--budget", "0.5"], 3, "the cheapest plan costs $1.008, $0.5082 more"),
        (["--max-p95", "0.1"], 3, "tiers-infeasible"),
        (["--capacity", "acme/large=0.1"], 3, "tiers-infeasible"),
        (["--class-floor", "code=1.12", "--reference", "acme/large"], 4, "tiers-infeasible"),
        (["--class-floor", "much"], 2, "tiers-bad-floor"),
        (["--class-floor", "chess=0.9"], 2, "tiers-unknown-task"),
        (["--budget", "0"], 2, "tiers-bad-budget"),
        (["--capacity", "acme/large"], 2, "option-not-a-pair"),
        (["--capacity", "gpt=0.5"], 2, "tiers-unknown-model"),
        (["--reference", "gpt"], 2, "tiers-unknown-model"),
        (["--tier", "acme/small=cheap"], 2, "tiers-unknown-tier"),
        (["--evidence", "paired", "--floor", "0.9"], 2, "tiers-paired-needs-class-floor"),
        (["--quality-range", "1,0"], 2, "tiers-bad-range"),
        (["--export", "excel=x"], 2, "export-unknown"),
        (["-o", "missing/plan.yaml"], 2, "output-unwritable"),
        (["-o", "-"], 2, "output-twice"),
        (["--plan", "absent.yaml"], 2, "plan-unreadable"),
        (["--plan", "absent.yaml", "--floor", "0.9"], 2, "tiers-not-with-plan"),
        (["--prices"], 3, "tiers-no-tokens"),
        (["--models", "a,b"], 3, "outcomes-missing-column"),
        (["--capacity", "acme/large=0.3", "--capacity", "acme/large=0.4"], 2, "option-twice"),
        (["--export", "table=a", "--export", "table=b"], 2, "option-twice"),
        (["--class-floor", "code=0.9", "--class-floor", "code=0.8"], 2, "option-twice"),
        (["--class-floor", "0.9", "--class-floor", "0.8"], 2, "option-twice"),
        (["--provider", "gpt=acme"], 2, "tiers-unknown-model"),
        (["--price-as", "acme/large=gpt-4o"], 2, "tiers-price-as-alone"),
        (["--map", "taks=kind"], 2, "did you mean 'task'?"),
    ],
)
def test_refusals(
    llmops: Run, datasets: Path, tmp_path: Path, arguments: list[str], code: int, slug: str
) -> None:
    done = llmops("simulate-tiers", datasets / "outcomes.csv", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert slug in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_floor_of_one_class_leaves_the_others_theirs(
    llmops: Run, tmp_path: Path, outcome_table: Table
) -> None:
    outcome_table(tmp_path / "t.csv")
    done = llmops("simulate-tiers", "t.csv", "--class-floor", "a=0.9", "-o", "-", "-q")
    classes = yaml.safe_load(done.stdout)["classes"]
    kept = {item["task"]: (item["models"][0]["model"], item["floor"]) for item in classes}
    assert kept == {"a": ("small", 0.9), "b": ("large", 0.95)}


def test_a_column_is_mapped_by_any_of_its_known_names(
    llmops: Run, tmp_path: Path, outcome_table: Table
) -> None:
    table = outcome_table(tmp_path / "t.csv")
    table.write_text(table.read_text().replace("request_id,task", "rid,kind", 1))
    by_documented, by_other = (
        llmops("simulate-tiers", "t.csv", "--map", f"{name}=kind", "--map", "request_id=rid")
        for name in ("task", "task_class")
    )
    assert (by_documented.returncode, "1 of 2 classes" in by_documented.stdout) == (0, True)
    assert by_other.stdout == by_documented.stdout


def test_an_unbounded_budget_is_the_best_plan(llmops: Run, datasets: Path) -> None:
    done = llmops("simulate-tiers", datasets / "outcomes.csv", "--budget", "inf")
    assert done.returncode == 0
    assert "the budget does not bind" in plain(done.stdout)


def test_gaps_of_the_table_are_told(llmops: Run, tmp_path: Path, outcome_table: Table) -> None:
    text = outcome_table(tmp_path / "t.csv").read_text("utf-8")
    lines = text.splitlines()
    lines[1] = "0,a,,0.001,0.5,1,0.01,2"
    lines[2] = "1,b,0,0.001,nan,1,0.01,2"
    lines[3] = "2,a,1,0,0.5,1,0.01,2"
    lines[4] = "3,b,7,0.001,0.5,1,0.01,2"
    lines[5] = "4,rare,1,0.001,0.5,1,0.01,2"
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = llmops("simulate-tiers", "t.csv", "-f", "json")
    assert done.returncode == 0, done.stderr
    found = {item["slug"]: item for item in json.loads(done.stdout)["findings"]}
    expected = {
        "tiers-incomplete-rows", "tiers-no-latency-rows", "tiers-zero-cost",
        "outcomes-bad-quality", "tiers-few-rows",
    }  # fmt: skip
    assert expected <= found.keys()
    assert found["tiers-few-rows"]["message"].startswith("rare:")
    assert found["outcomes-bad-quality"]["line"] == 5


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--min-saving", "5"), 2, "tiers-bad-saving"),
        (("--max-quality-loss", "2"), 2, "tiers-bad-loss"),
        (("--judge", "absent"), 2, "tiers-judge-without-cascade"),
        (("--judge-latency", "1"), 2, "tiers-judge-without-cascade"),
        (("--cascade", "small,large", "--judge-cost", "-1"), 2, "tiers-bad-judge"),
        (("--min-rows", "0"), 2, "tiers-bad-min-rows"),
        (("--cascade", "small"), 2, "tiers-bad-ladder"),
        (("--score", "absent"), 3, "outcomes-missing-column"),
        (("--capacity", "large=0.1"), 3, "the capacity of large is 10 % of requests and 50 %"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    llmops: Run,
    tmp_path: Path,
    outcome_table: Table,
    options: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    outcome_table(tmp_path / "t.csv")
    done = llmops("simulate-tiers", "t.csv", *options)
    assert (done.returncode, says in plain(done.stderr)) == (code, True), done.stderr


def test_a_table_of_a_header_alone_has_no_outcome(
    llmops: Run, tmp_path: Path, outcome_table: Table
) -> None:
    outcome_table(tmp_path / "t.csv", rows=0)
    done = llmops("simulate-tiers", "t.csv")
    assert (done.returncode, "error[outcomes-empty]" in done.stderr) == (3, True)
