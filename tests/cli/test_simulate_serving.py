"""``llmops simulate-serving`` as a user runs it, on the committed trace and on real ones."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]

SLO = ("--slo", "ttft=1,tpot=0.05")
SHORT = ("--window", "30:70")
POLICIES = ("--policy", "name=blind router=round-robin", "--policy", "name=aware router=kv")


@pytest.fixture
def trace(datasets: Path) -> Path:
    return datasets / "fleet.trace.gz"


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (("--min-goodput", "0.5", "--max-ttft-p99", "5", "--min-hit-rate", "0.2"), 0),
        (("--max-ttft-p99", "0.001"), 1),
    ],
)
def test_the_exit_code_is_the_verdict(
    llmops: Run, trace: Path, gates: tuple[str, ...], code: int
) -> None:
    done = llmops("simulate-serving", trace, *SHORT, *SLO, *gates)
    assert done.returncode == code, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "kv-aware against round robin: TTFT p50" in done.stdout


def test_every_format_in_one_run_and_the_same_twice(
    llmops: Run, trace: Path, tmp_path: Path
) -> None:
    names = {"json": "r.json", "markdown": "r.md", "html": "r.html", "junit": "r.xml"}
    asked = [item for key, name in names.items() for item in ("-f", f"{key}={name}")]
    more = ("--rate-scale", "1.5", "--find-capacity", "rate", "--gpu-usd-per-hour", "2",
            "--min-hit-rate", "0.1", "--explain")  # fmt: skip
    seen: list[dict[str, bytes]] = []
    for _ in range(2):
        done = llmops("simulate-serving", trace, *SHORT, *SLO, *POLICIES, *more, *asked)
        assert done.returncode == 0, done.stderr
        seen.append({name: (tmp_path / name).read_bytes() for name in names.values()})
    assert seen[0] == seen[1]
    report = json.loads(seen[0]["r.json"])
    Draft202012Validator(json.loads(llmops("schema", "report").stdout)).validate(report)
    assert [table["name"] for table in report["tables"]][:2] == ["policies", "capacity"]
    asked = report["parameters"]
    assert (asked["rate_scale"], asked["window"], asked["gpu"]) == (1.5, "30:70", "H100")
    assert asked["find_capacity"] == "rate"
    html = seen[0]["r.html"].decode()
    assert "Time to first token" in html
    assert "Decoding sequences per iteration" in html


def test_a_sweep_is_one_row_per_value(llmops: Run, trace: Path) -> None:
    sweep = ("--policy", "name=kv router=kv", "--sweep", "chunk=512,2048")
    done = llmops("simulate-serving", trace, *SHORT, *sweep, "-f", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["tables"][0]["rows"]
    assert [row[0] for row in rows] == ["kv chunk=512", "kv chunk=2048"]


def test_events_and_a_chrome_trace_are_written(llmops: Run, trace: Path, tmp_path: Path) -> None:
    files = ("--events", "events.parquet", "--perfetto", "trace.json")
    done = llmops("simulate-serving", trace, "--window", "0:20", *POLICIES, *files, "-q")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    table = pq.read_table(tmp_path / "events.parquet")
    assert set(table["policy"].to_pylist()) == {"blind", "aware"}
    slices = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {each["pid"] for each in slices} == {1, 2}


def test_a_log_of_calls_is_replayed_by_its_blocks(llmops: Run, datasets: Path) -> None:
    log = datasets / "agent.jsonl.gz"
    done = llmops("simulate-serving", log, "--replicas", "2", "-f", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["parameters"]["block_tokens"] == 16
    hits = {m["name"]: m["value"] for m in report["measures"]}["hit_rate_tokens_2"]
    assert hits > 0.5


@pytest.mark.parametrize("name", ["mooncake", "-"])
def test_a_trace_by_its_name_and_from_standard_input(
    llmops: Run, tmp_path: Path, name: str
) -> None:
    rows = [
        {"timestamp": 100 * n, "input_length": 40, "output_length": 4, "hash_ids": [0, 1, n + 2]}
        for n in range(30)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "mine.txt").write_text(text)
    given = ("-",) if name == "-" else ("mine.txt", "--input-format", name)
    done = llmops("simulate-serving", *given, "--block-size", "16", "-f", "json", stdin=text)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"]["requests"] == 30


def steps(rows: int = 40) -> str:
    """Measured steps of an engine that takes 5 ms and 0.02 ms a token."""
    lines = ["batch,tokens,context,ms"]
    for n in range(rows):
        batch, tokens, context = 1 + n % 8, (1 if n % 2 else 64 * (1 + n % 5)), 100 * (n % 7)
        new = batch * tokens
        lines.append(f"{batch},{tokens},{context},{5 + 0.02 * new + 1e-5 * batch * context}")
    return "\n".join(lines) + "\n"


def test_measured_steps_are_fitted_and_their_error_is_said(
    llmops: Run, trace: Path, tmp_path: Path
) -> None:
    (tmp_path / "steps.csv").write_text(steps())
    given = ("--latency-model", "steps.csv", "--window", "0:20")
    done = llmops("simulate-serving", trace, *given, "-f", "json")
    assert done.returncode == 0, done.stderr
    findings = {each["slug"]: each["message"] for each in json.loads(done.stdout)["findings"]}
    assert "on steps it was not fitted to" in findings["serving-steps-fitted"]
    assert "measured steps" in findings["serving-latency-model"]


def test_dynamos_step_times_need_no_model(llmops: Run, trace: Path) -> None:
    given = ("--latency-model", "dynamo", "--blocks", "4000", "--window", "0:20")
    done = llmops("simulate-serving", trace, *given, "-f", "json")
    assert done.returncode == 0, done.stderr
    (machines,) = [t for t in json.loads(done.stdout)["tables"] if t["name"] == "machines"]
    assert machines["rows"][0][3] == 4000
    assert machines["rows"][0][-1] == "dynamo"


@pytest.mark.parametrize(
    ("text", "slug", "place"),
    [
        ("batch,tokens,ms\n1,1,5\n", "steps-no-header", "the header lacks context"),
        ("batch,tokens,context,ms\n", "steps-none", "no measured step"),
        (steps().replace("1,64,0,", "1,64,0,-"), "steps-bad-row", "steps.csv:2: ms"),
        (steps().replace("1,64,0,", "0,64,0,"), "steps-bad-row", "steps.csv:2: batch"),
        (steps(5), "hardware-few-steps", ""),
    ],
)
def test_measured_steps_that_are_refused(
    llmops: Run, trace: Path, tmp_path: Path, text: str, slug: str, place: str
) -> None:
    (tmp_path / "steps.csv").write_text(text)
    done = llmops("simulate-serving", trace, "--latency-model", "steps.csv")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"error[{slug}]" in done.stderr
    assert place in done.stderr


@pytest.mark.parametrize(
    ("arguments", "slug", "code"),
    [
        (["--policy", "rooter=kv"], "serving-unknown-key", 2),
        (["--policy", "router=kvv"], "serving-unknown-choice", 2),
        (["--policy", "replicas=none"], "serving-bad-value", 2),
        (["--policy", "router=kv", "--policy", "router=kv"], "serving-same-name", 2),
        (["--sweep", "chunk"], "serving-bad-sweep", 2),
        (["--slo", "fast"], "serving-bad-slo", 2),
        (["--find-capacity", "rate"], "serving-no-slo", 2),
        (["--find-capacity", "money", *SLO], "serving-bad-search", 2),
        (["--min-goodput", "0.9"], "serving-no-slo", 2),
        (["--window", "60"], "serving-bad-window", 2),
        (["--window", "x:y"], "serving-bad-window", 2),
        (["--window", "9:3"], "serving-bad-window", 2),
        (["--rate-scale", "0"], "serving-bad-rate", 2),
        (["--model", "llama-9"], "hardware-unknown-model", 2),
        (["--gpu", "h1000"], "hardware-unknown-gpu", 2),
        (["--latency-model", "quick"], "hardware-unknown-step", 2),
        (["--latency-model", "none.csv"], "serving-steps-unreadable", 2),
        (["--model", "llama-3.1-70b"], "hardware-no-room", 2),
        (["--events", "none/events.parquet"], "output-unwritable", 2),
        (["--events", "same", "--perfetto", "same"], "output-twice", 2),
        (["--block-size", "16"], "trace-block-size", 3),
        (["--block-size", "0"], "trace-bad-block-size", 2),
        (["--blocks", "2"], "serving-too-long", 3),
    ],
)
def test_refusals(llmops: Run, trace: Path, arguments: list[str], slug: str, code: int) -> None:
    done = llmops("simulate-serving", trace, *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert f"error[{slug}]" in done.stderr


BAD = {
    "a zero-length output": ({"output_length": 0}, "trace-no-output", ":2: output_length"),
    "hashes that disagree with the length": ({"hash_ids": [0, 1, 2]}, "trace-hash-length", ":2"),
    "an unsorted time": ({"timestamp": -5}, "trace-unsorted", ":2"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_at_its_line(llmops: Run, tmp_path: Path, what: str) -> None:
    fields, slug, place = BAD[what]
    rows = [
        {"timestamp": 0, "input_length": 700, "output_length": 4, "hash_ids": [0, n]}
        for n in (1, 2, 3)
    ]
    rows[1] |= fields
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = llmops("simulate-serving", "trace.jsonl", "--max-bad-rows", "0")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"error[{slug}]: trace.jsonl{place}" in done.stderr


@pytest.mark.parametrize(
    ("times", "slug"), [([0], "trace-one-request"), ([5, 5, 5], "trace-no-span")]
)
def test_traces_that_are_no_load(llmops: Run, tmp_path: Path, times: list[int], slug: str) -> None:
    row = {"input_length": 700, "output_length": 4, "hash_ids": [0, 1]}
    text = "".join(json.dumps({"timestamp": time, **row}) + "\n" for time in times)
    (tmp_path / "trace.jsonl").write_text(text)
    done = llmops("simulate-serving", "trace.jsonl", "--block-size", "512")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"error[{slug}]" in done.stderr


def test_rows_left_out_are_said(llmops: Run, tmp_path: Path) -> None:
    rows = [
        {"timestamp": 100 * n, "input_length": 700, "output_length": n % 9, "hash_ids": [0, n + 1]}
        for n in range(40)
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = llmops("simulate-serving", "trace.jsonl", "--block-size", "512", "-f", "json")
    assert done.returncode == 0, done.stderr
    assert "5 rows could not be read and left out" in done.stderr
    report = json.loads(done.stdout)
    assert report["parameters"]["requests"] == 35
    (finding,) = [each for each in report["findings"] if each["slug"] == "trace-no-output"]
    assert (finding["count"], finding["line"]) == (5, 1)


def test_hashes_that_stand_for_no_prefix_are_told_apart_and_said(
    llmops: Run, tmp_path: Path
) -> None:
    rows = [
        {"timestamp": 100 * n, "input_length": 1024, "output_length": 4, "hash_ids": [n % 5, 9]}
        for n in range(40)
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = llmops("simulate-serving", "trace.jsonl", "-f", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (finding,) = [f for f in report["findings"] if f["slug"] == "trace-hashes-not-of-prefixes"]
    assert finding["count"] == 32
    (reuse,) = [each for each in report["tables"] if each["name"] == "reuse"]
    assert reuse["note"].startswith("80 visits to 10 blocks")


def test_calls_that_are_not_replayed_are_said(llmops: Run, datasets: Path) -> None:
    log = datasets / "classifier.jsonl.gz"
    done = llmops("simulate-serving", log, "--window", "0:36000", "-f", "json")
    assert done.returncode == 0, done.stderr
    findings = {each["slug"]: each for each in json.loads(done.stdout)["findings"]}
    assert "calls failed are not replayed" in findings["trace-calls-skipped"]["message"]


def test_azures_trace_says_that_nothing_can_be_reused(llmops: Run, public_data: Path) -> None:
    path = public_data / "azure" / "AzureLLMInferenceTrace_code.csv"
    done = llmops("simulate-serving", path, "--window", "0:600", "-f", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "serving-no-blocks" in {each["slug"] for each in report["findings"]}
    assert {m["name"]: m["value"] for m in report["measures"]}["hit_rate_tokens_2"] == 0


def test_mooncakes_trace_end_to_end(llmops: Run, public_data: Path) -> None:
    path = public_data / "mooncake" / "conversation_trace.jsonl"
    done = llmops("simulate-serving", path, *SLO, "-f", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (reuse,) = [each for each in report["tables"] if each["name"] == "reuse"]
    assert round(100 * reuse["rows"][-1][2], 2) == 36.64
    assert reuse["note"].startswith("288,500 visits to 182,790 blocks")


def test_the_help_says_what_it_does(llmops: Run) -> None:
    done = llmops("simulate-serving", "--help")
    assert done.returncode == 0
    assert "llmops simulate-serving trace.jsonl" in done.stdout
