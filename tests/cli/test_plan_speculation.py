"""``llmops plan-speculation``: the decision and its exit code, and refusals that name the place."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

Run = Callable[..., CompletedProcess[str]]

TARGET = ("--target", "Llama-3.1-8B", "--gpu", "H100")
EAGLE = ("--draft", "eagle model=EAGLE-Llama-3.1-8B")
LOAD = ("--load", "1:0.3,32:0.5,128:0.2")


def rows(path: Path, rate: float, requests: int = 40, **more: object) -> Path:
    """A log of requests that accept each of five drafted tokens at a rate."""
    draw = np.random.default_rng(1)
    lines = []
    for _ in range(requests):
        steps = []
        for _ in range(40):
            taken = 0
            while taken < 5 and draw.random() < rate:
                taken += 1
            steps.append(taken)
        lines.append(json.dumps({"accepted": steps, "drafted": 5, **more}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return rows(tmp_path / "accepted.jsonl", 0.7)


@pytest.mark.parametrize(
    ("bound", "code", "word"), [("1.2", 0, "GO:"), ("6", 1, "NO-GO:"), ("1.9", 4, "INCONCLUSIVE:")]
)
def test_the_exit_code_is_the_decision(
    llmops: Run, log: Path, bound: str, code: int, word: str
) -> None:
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "--min-speedup", bound)
    assert done.returncode == code, done.stderr
    assert word in done.stdout


def test_exit_zero_asks_for_zero(llmops: Run, log: Path) -> None:
    done = llmops(
        "plan-speculation", log, *TARGET, *EAGLE, *LOAD, "--min-speedup", "6", "--exit-zero"
    )
    assert done.returncode == 0


def test_the_report_holds_what_the_plan_stands_on(llmops: Run, log: Path) -> None:
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "-f", "json",
                  "--gpu-usd-per-hour", "3")  # fmt: skip
    report = json.loads(done.stdout)
    names = {item["name"] for item in report["measures"]}
    assert {
        "speedup", "speedup_always", "speedup_adaptive", "adapting_gain", "drafted_tokens",
        "tokens_per_step", "acceptance", "break_even_batch", "break_even_acceptance",
        "tpot_plain_s", "tpot_p50_s", "tpot_p99_s", "usd_per_million",
    } <= names  # fmt: skip
    assert {item["name"] for item in report["tables"]} >= {
        "batches", "positions", "depths", "latency", "schedule",
    }  # fmt: skip
    assert {item["name"] for item in report["series"]} == {
        "speedup", "speedup_low", "speedup_high", "load",
    }  # fmt: skip


def test_the_same_question_gives_the_same_bytes(llmops: Run, log: Path) -> None:
    one, two = (
        llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "-f", "json") for _ in range(2)
    )
    assert one.stdout == two.stdout


def test_explanations_name_the_rooflines_error_and_its_sources(llmops: Run, log: Path) -> None:
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "--explain")
    text = " ".join(done.stdout.split())
    assert "against 35 measured deployments half of its times per token are within 24 %" in text
    assert "NVIDIA H100 data sheet" in text


def test_drafts_are_ranked(llmops: Run, tmp_path: Path, log: Path) -> None:
    ngram = rows(tmp_path / "ngram.jsonl", 0.2)
    done = llmops(
        "plan-speculation", *TARGET, *LOAD, "-f", "json",
        "--draft", f"ngram log={ngram}",
        "--draft", f"eagle model=EAGLE-Llama-3.1-8B log={log}",
    )  # fmt: skip
    report = json.loads(done.stdout)
    table = next(item for item in report["tables"] if item["name"] == "drafts")
    assert [row[0] for row in table["rows"]] == ["eagle", "ngram"]


def test_the_plan_and_its_exports_are_written(llmops: Run, tmp_path: Path, log: Path) -> None:
    done = llmops(
        "plan-speculation", log, *TARGET, *LOAD, "--context", "100", "-o", "plan.yaml",
        "--draft", "eagle model=EAGLE-Llama-3.1-8B method=eagle3 path=org/eagle3",
        "--export", "vllm=vllm.yaml", "--export", "sglang=sglang.yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    config = yaml.safe_load((tmp_path / "vllm.yaml").read_text())["speculative_config"]
    server = yaml.safe_load((tmp_path / "sglang.yaml").read_text())
    assert plan["schema"] == "llmops.speculation-plan/1"
    jsonschema.validate(plan, json.loads(llmops("schema", "speculation-plan").stdout))
    assert config["method"] == "eagle3"
    assert config["num_speculative_tokens"] == plan["drafted_tokens"]
    assert config["num_speculative_tokens_per_batch_size"][1] == [plan["off_above"] + 1, 65_536, 0]
    assert server["speculative-num-steps"] == plan["drafted_tokens"]


def test_the_plan_goes_to_stdout_alone(llmops: Run, log: Path) -> None:
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "-o", "-", "-q")
    assert yaml.safe_load(done.stdout)["draft"] == "eagle"
    both = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "-o", "-")
    assert (both.returncode, "output-twice" in both.stderr) == (2, True)


def test_the_load_may_be_that_of_the_log(llmops: Run, tmp_path: Path) -> None:
    log = rows(tmp_path / "log.jsonl", 0.7, batch=16)
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, "-f", "json")
    report = json.loads(done.stdout)
    series = next(item for item in report["series"] if item["name"] == "load")
    assert (series["x"], series["y"]) == ([16], [1])


def test_the_load_may_be_a_table(llmops: Run, tmp_path: Path, log: Path) -> None:
    (tmp_path / "load.csv").write_text("batch,share\n4,30\n64,10\n")
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, "--load", "load.csv", "-f", "json")
    series = next(item for item in json.loads(done.stdout)["series"] if item["name"] == "load")
    assert (series["x"], series["y"]) == ([4, 64], [0.75, 0.25])


def test_the_load_may_be_that_of_a_replayed_fleet(llmops: Run, tmp_path: Path, log: Path) -> None:
    rows = {
        "policy": ["kv", "kv", "kv", "kv", "random"],
        "kind": ["iteration", "arrival", "iteration", "iteration", "iteration"],
        "decoding": [8, 0, 32, 0, 999],
        "duration_s": [3.0, 0.0, 1.0, 5.0, 1.0],
    }
    pq.write_table(pa.table(rows), tmp_path / "events.parquet")
    asked = ("plan-speculation", log, *TARGET, *EAGLE, "-f", "json", "--load")
    done = llmops(*asked, "events.parquet:kv")
    series = next(item for item in json.loads(done.stdout)["series"] if item["name"] == "load")
    assert (series["x"], series["y"]) == ([8, 32], [0.75, 0.25])
    several = llmops(*asked, "events.parquet")
    assert (several.returncode, "error[events-policy]" in several.stderr) == (2, True)
    absent = llmops(*asked, "absent.parquet")
    assert (absent.returncode, "error[events-unreadable]" in absent.stderr) == (3, True)
    pq.write_table(pa.table({"batch": [1]}), tmp_path / "other.parquet")
    other = llmops(*asked, "other.parquet")
    assert (other.returncode, "error[events-missing-column]" in other.stderr) == (3, True)
    nothing = {name: values[3:4] for name, values in rows.items()}
    pq.write_table(pa.table(nothing), tmp_path / "idle.parquet")
    idle = llmops(*asked, "idle.parquet")
    assert (idle.returncode, "error[load-nothing-decoded]" in idle.stderr) == (3, True)


@pytest.mark.parametrize(
    ("text", "slug", "line"),
    [
        ("size,share\n1,1\n", "load-no-header", 1),
        ("batch,share\n1,1\n0,2\n", "load-bad-batch", 3),
        ("batch,share\nmany,1\n", "load-bad-batch", 2),
        ("batch,share\n4,\n", "load-bad-share", 2),
    ],
)
def test_a_table_that_is_no_load_is_refused_by_its_line(
    llmops: Run, tmp_path: Path, log: Path, text: str, slug: str, line: int
) -> None:
    (tmp_path / "load.csv").write_text(text)
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, "--load", "load.csv")
    assert done.returncode == 3
    assert f"error[{slug}]: load.csv:{line}" in done.stderr


def test_a_draft_without_a_log_is_refused(llmops: Run) -> None:
    done = llmops("plan-speculation", *TARGET, *EAGLE, *LOAD)
    assert (done.returncode, "draft-no-log" in done.stderr) == (2, True)


def test_measured_steps_narrow_the_interval(llmops: Run, tmp_path: Path, log: Path) -> None:
    lines = ["batch,tokens,context,ms"]
    for batch in (1, 8, 32, 128):
        for tokens in (1, 3, 6):
            for context in (100, 1000, 4000):
                moved = 16.06e9 + batch * context * 131072
                ms = 1e3 * max(moved / 2.6e12, batch * tokens * 16.06e9 / 6e14) + 1.5
                lines.append(f"{batch},{tokens},{context},{ms}")
    (tmp_path / "steps.csv").write_text("\n".join(lines))

    def width(*more: str) -> float:
        done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "-f", "json", *more)
        speedup = json.loads(done.stdout)["measures"][0]
        return speedup["high"] - speedup["low"]

    assert width("--step-times", "steps.csv") < 0.7 * width()


def test_scrapes_are_evidence_and_one_scrape_is_not(llmops: Run, tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    totals = [0, 0, 0]
    for number in range(14):
        totals = [totals[0] + 1000, totals[1] + int(draw.integers(650, 750)),
                  totals[2] + int(draw.integers(380, 480))]  # fmt: skip
        (tmp_path / f"{number:02}.prom").write_text(
            f"vllm:spec_decode_num_drafts_total {totals[0]}\n"
            f"vllm:spec_decode_num_draft_tokens_total {2 * totals[0]}\n"
            f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{position="0"}} {totals[1]}\n'
            f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{position="1"}} {totals[2]}\n'
        )
    gate = (*TARGET, *EAGLE, *LOAD, "--min-speedup", "1.1")
    assert llmops("plan-speculation", *sorted(tmp_path.glob("*.prom")), *gate).returncode == 0
    one = llmops("plan-speculation", tmp_path / "13.prom", *gate)
    assert one.returncode == 4
    assert "carry no spread" in " ".join(one.stdout.split())


def test_rates_alone_decide_nothing(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("task,acceptance,steps\ncode,0.8,100\nchat,0.6,300\n")
    done = llmops(
        "plan-speculation", "rates.csv", *TARGET, *LOAD, "--min-speedup", "1.1",
        "--draft", "eagle model=EAGLE-Llama-3.1-8B drafted=4",
    )  # fmt: skip
    assert done.returncode == 4


def test_rows_that_cannot_be_read_are_said(llmops: Run, log: Path) -> None:
    log.write_text(log.read_text() + '{"accepted": [9], "drafted": 5}\n')
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD)
    assert done.returncode == 0
    assert "acceptance-more-than-drafted" in done.stderr
    strict = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "--max-bad-rows", "0")
    assert strict.returncode == 3
    assert "accepted.jsonl:41: accepted:" in strict.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "slug", "hint"),
    [
        (("--target", "Lama-3.1-8B", "--gpu", "H100", *EAGLE), 2, "hardware-unknown-model",
         "Llama-3.1-8B"),
        (("--target", "Llama-3.1-8B", "--gpu", "H10", *EAGLE), 2, "hardware-unknown-gpu", "H100"),
        (("--target", "Llama-3.1-70B", "--gpu", "H100", *EAGLE), 2, "hardware-no-room",
         "--tensor-parallel"),
        ((*TARGET, "--draft", "small model=Llama-3.2-2B"), 2, "hardware-unknown-model",
         "Llama-3.2-1B"),
        ((*TARGET,), 2, "speculation-no-draft", "--draft"),
        ((*TARGET, "--draft", "small"), 2, "speculation-bad-draft", "model="),
        ((*TARGET, "--draft", "small modle=x"), 2, "draft-bad-option", "model"),
        ((*TARGET, "--draft", "model=x"), 2, "draft-bad-option", ""),
        ((*TARGET, *EAGLE, *EAGLE), 2, "draft-twice", "name"),
        ((*TARGET, "--draft", "t model=Llama-3.2-1B levels=2,2"), 3, "speculation-no-depth",
         "levels"),
        ((*TARGET, "--draft", "t model=Llama-3.2-1B levels=2,x"), 2, "draft-bad-option", ""),
        ((*TARGET, "--draft", "s model=Llama-3.2-1B drafted=0"), 2, "draft-bad-option", ""),
        ((*TARGET, "--draft", "s model=Llama-3.2-1B pass-ms=-1"), 2, "draft-bad-option", ""),
        ((*TARGET, "--draft", "s model=Llama-3.2-1B lengths=both"), 2, "draft-bad-option", ""),
        ((*TARGET, "--draft", "s model=Llama-3.2-1B temperature=warm"), 2, "draft-bad-option", ""),
        ((*TARGET, "--draft", "s model=Llama-3.2-1B model=Llama-3.2-3B"), 2, "draft-bad-option",
         "two model="),
        ((*TARGET, "--draft", "s model=Llama-3.2-1B log='x"), 2, "draft-bad-option", ""),
        ((*TARGET, "--draft", "s model=Llama-3.2-1B log=,"), 2, "draft-no-log", ""),
        ((*TARGET, "--draft", "s kind=chain model=Llama-3.2-1B levels=2,2,2,2,2"), 2,
         "speculation-bad-draft", ""),
        ((*TARGET, "--draft", "ngram model=Llama-3.2-1B"), 2, "speculation-bad-draft", ""),
        (("--target", "Llama-3.1-8B", "--gpu", "tflops=nan,bandwidth_tbps=3,memory_mib=9e4",
          *EAGLE), 2, "hardware-bad-shape", "tflops=989"),
        ((*TARGET, *EAGLE, "--nodes", "33"), 2, "speculation-bad-machine", ""),
        ((*TARGET, *EAGLE, "--max-batch", "100000000"), 2, "speculation-bad-machine", ""),
        ((*TARGET, *EAGLE, "--context", "nan"), 2, "speculation-bad-machine", ""),
        ((*TARGET, *EAGLE, "--context", "1e9"), 2, "hardware-no-room", "the cache holds 4"),
        ((*TARGET, *EAGLE, "--hop-ms", "5"), 2, "speculation-bad-machine", "--nodes 2"),
        ((*TARGET, *EAGLE, "-o", "-"), 2, "output-twice", "-q"),
        ((*TARGET, *EAGLE, "--load", "0:1"), 2, "load-bad-batch", ""),
        ((*TARGET, *EAGLE, "--load", "nothing"), 2, "load-not-pairs", "--load"),
        ((*TARGET, *EAGLE, "--load", "absent.csv"), 3, "table-unreadable", ""),
        ((*TARGET, *EAGLE, "--step-times", "absent.csv"), 3, "table-unreadable", ""),
        ((*TARGET, *EAGLE, "--tensor-parallel", "0"), 2, "hardware-bad-deployment", ""),
        ((*TARGET, *EAGLE, "--tensor-parallel", "3"), 2, "hardware-bad-deployment", ""),
        ((*TARGET, *EAGLE, "--weight-bits", "7"), 2, "hardware-bad-deployment", ""),
        ((*TARGET, *EAGLE, "--max-batch", "0"), 2, "speculation-bad-machine", ""),
        ((*TARGET, *EAGLE, "--export", "vlm=x.yaml"), 2, "export-unknown", "vllm"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(
    llmops: Run, log: Path, arguments: tuple[str, ...], code: int, slug: str, hint: str
) -> None:
    done = llmops("plan-speculation", log, *arguments)
    assert (done.returncode, f"error[{slug}]" in done.stderr) == (code, True), done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ('{"accepted": [3], "drafted": 2}\n', "acceptance-more-than-drafted"),
        ('{"accepted": []}\n', "acceptance-empty-steps"),
        ('{"accept_lengths": [0]}\n', "acceptance-empty-steps"),
        ('{"prompt": "secret"}\n', "acceptance-no-steps"),
    ],
)
def test_a_log_without_a_readable_request_is_refused(
    llmops: Run, tmp_path: Path, text: str, slug: str
) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    done = llmops("plan-speculation", "log.jsonl", *TARGET, *EAGLE, *LOAD)
    assert done.returncode == 3
    assert slug in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_or_nothing_is_planned_with_a_warning(llmops: Run, tmp_path: Path, rate: float) -> None:
    log = rows(tmp_path / "log.jsonl", rate, requests=12)
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "-f", "json")
    report = json.loads(done.stdout)
    assert "speculation-all-or-nothing" in {item["slug"] for item in report["findings"]}
    speedup = report["measures"][0]
    assert speedup["high"] > speedup["low"]


def test_a_draft_that_never_pays_is_no_go_at_any_bound(llmops: Run, tmp_path: Path) -> None:
    log = rows(tmp_path / "log.jsonl", 0.02)
    done = llmops("plan-speculation", log, *TARGET, "--draft", "s model=Llama-3.2-1B", *LOAD,
                  "--min-speedup", "1", "-o", "plan.yaml", "--export", "vllm=v.yaml")  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "NO-GO: no draft pays at any batch" in done.stdout
    assert yaml.safe_load((tmp_path / "plan.yaml").read_text())["off_above"] == 0
    assert yaml.safe_load((tmp_path / "v.yaml").read_text()) == {"speculative_config": None}


def test_one_request_decides_nothing(llmops: Run, tmp_path: Path) -> None:
    log = rows(tmp_path / "log.jsonl", 0.7, requests=1)
    done = llmops("plan-speculation", log, *TARGET, *EAGLE, *LOAD, "--min-speedup", "1.01")
    assert done.returncode == 4


def test_a_decentralised_target_has_a_table_of_links(llmops: Run, log: Path) -> None:
    done = llmops(
        "plan-speculation", log, *TARGET, *EAGLE, *LOAD, "--nodes", "4", "--hop-ms", "30", "-f",
        "json",
    )  # fmt: skip
    table = next(t for t in json.loads(done.stdout)["tables"] if t["name"] == "hops")
    speedups = [row[3] for row in table["rows"]]
    assert speedups == sorted(speedups)
    assert 0.03 in [row[0] for row in table["rows"]]
