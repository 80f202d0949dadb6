"""The frame all commands share: start-up, help, outputs, configuration, every way to end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from jsonschema import Draft202012Validator

from llmops_cli.calls import COLUMNS

Run = Callable[..., CompletedProcess[str]]

HEAVY = {
    "pandas", "numpy", "sklearn", "scipy", "anthropic", "openai", "rich", "dask", "pyarrow",
    "msgspec", "yaml", "genai_prices", "httpx", "httpx2",
}  # fmt: skip
SAMPLE = Path(__file__).parents[1] / "golden" / "report-1.json"
"""An inconclusive report: `llmops show` ends with 4."""
DECISIONS = "judge,gold\n" + "1,1\n0,0\n" * 15


@pytest.fixture
def decisions(tmp_path: Path) -> Path:
    path = tmp_path / "d.csv"
    path.write_text(DECISIONS)
    return path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["judge-eval", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from llmops_cli.cli.app import main\n"
        "sys.argv = ['llmops', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(json.loads(done.stderr))
    assert done.stdout


def test_help_shows_examples_first(llmops: Run) -> None:
    text = llmops("judge-eval", "--help").stdout
    assert text.index("Examples:") < text.index("Options:")
    assert "llmops judge-eval decisions.csv" in text


def test_no_arguments_show_the_help(llmops: Run) -> None:
    done = llmops()
    assert "judge-eval" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["json", "markdown", "html", "junit", "github", "text"])
def test_every_form_goes_to_stdout_or_a_file(llmops: Run, tmp_path: Path, name: str) -> None:
    printed = llmops("show", SAMPLE, "-f", name)
    written = llmops("show", SAMPLE, "-f", f"{name}=out", "-q")
    assert (printed.returncode, written.returncode, written.stdout) == (4, 4, "")
    assert "inconclusive" in printed.stdout.lower()
    if name != "text":
        assert (tmp_path / "out").read_text("utf-8") == printed.stdout


def test_several_forms_at_once(llmops: Run, decisions: Path, tmp_path: Path) -> None:
    done = llmops("judge-eval", decisions, "-f", "json=a.json", "-f", "html=a.html")
    assert "PASS" in done.stdout
    assert {"a.json", "a.html"} <= {path.name for path in tmp_path.iterdir()}


def test_show_renders_again_and_exits_by_the_verdict(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("judge,gold\n1,0\n" * 40)
    bad = "judge,gold\n" + "1,0\n" * 40
    first = llmops("judge-eval", "-", "-f", "json", stdin=bad)
    assert first.returncode == 1
    again = llmops("show", "-", "-f", "json", stdin=first.stdout)
    assert (again.returncode, again.stdout) == (1, first.stdout)
    assert llmops("show", "absent.json").returncode == 3


@pytest.mark.parametrize("name", ["report", "plan", "calls", "config"])
def test_schemas_are_schemas(llmops: Run, name: str) -> None:
    Draft202012Validator.check_schema(json.loads(llmops("schema", name).stdout))


def test_an_unknown_schema_is_a_usage_error(llmops: Run) -> None:
    done = llmops("schema", "reports")
    assert done.returncode == 2
    assert "did you mean 'report'?" in done.stderr


def origin(done: CompletedProcess[str], setting: str) -> tuple[object, object]:
    (table,) = json.loads(done.stdout)["tables"]
    return next((row[1], row[2]) for row in table["rows"] if row[0] == setting)


def test_precedence_flag_environment_file_default(
    llmops: Run, decisions: Path, tmp_path: Path
) -> None:
    def threshold(*arguments: str, env: dict[str, str] | None = None) -> float:
        done = llmops("judge-eval", decisions, "-f", "json", *arguments, env=env)
        return json.loads(done.stdout)["parameters"]["threshold"]

    assert threshold() == 0.8
    (tmp_path / "llmops.yaml").write_text("judge-eval:\n  threshold: 0.7\n")
    assert threshold() == 0.7
    env = {"LLMOPS_JUDGE_EVAL_THRESHOLD": "0.6"}
    assert threshold(env=env) == 0.6
    assert threshold("--threshold", "0.5", env=env) == 0.5


def test_config_prints_values_and_origins(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "llmops.yaml").write_text("seed: 4\n")
    done = llmops("config", "-f", "json", env={"LLMOPS_JUDGE_EVAL_THRESHOLD": "0.6"})
    assert origin(done, "seed") == (4, str(tmp_path / "llmops.yaml"))
    assert origin(done, "judge-eval.threshold") == ("0.6", "LLMOPS_JUDGE_EVAL_THRESHOLD")
    assert origin(done, "jobs") == (1, "default")


def test_an_unknown_setting_is_a_usage_error_with_a_suggestion(
    llmops: Run, decisions: Path, tmp_path: Path
) -> None:
    (tmp_path / "llmops.yaml").write_text("judge-eval:\n  treshold: 0.7\n")
    done = llmops("judge-eval", decisions)
    assert done.returncode == 2
    assert "did you mean 'judge-eval.threshold'?" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["judge-eval"],
        ["judge-eval", "d.csv", "-f", "json", "-f", "text"],
    ],
)
def test_wrong_usage_exits_2(llmops: Run, decisions: Path, arguments: list[str]) -> None:
    assert decisions.exists()
    done = llmops(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def broken(tmp_path: Path) -> dict[str, str]:
    """An environment in which the judge room has a defect, its message holding a prompt."""
    (tmp_path / "sitecustomize.py").write_text(
        "import llmops_cli.judge as judge\n"
        "def judge_eval(*args, **kwargs):\n"
        "    prompt = 'a very secret prompt'\n"
        "    raise ZeroDivisionError(prompt)\n"
        "judge.judge_eval = judge_eval\n"
    )
    return {"PYTHONPATH": str(tmp_path)}


def test_a_defect_exits_70_without_quoting_anything(
    llmops: Run, decisions: Path, tmp_path: Path
) -> None:
    done = llmops("judge-eval", decisions, env=broken(tmp_path))
    assert (done.returncode, done.stdout) == (70, "")
    assert "error[bug]: ZeroDivisionError in sitecustomize.py" in done.stderr
    assert "secret" not in done.stderr


def test_debug_shows_the_traceback(llmops: Run, decisions: Path, tmp_path: Path) -> None:
    done = llmops("--debug", "judge-eval", decisions, env=broken(tmp_path))
    assert done.returncode == 70
    assert "Traceback" in done.stderr


# A runner started in the background hands its children an ignored SIGINT: a terminal does not.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("llmops_cli", run_name="__main__")
"""


def start(*arguments: str, cwd: Path, **more: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def test_an_interrupt_exits_130_and_leaves_nothing(tmp_path: Path) -> None:
    process = start("ingest", "-", "-o", "calls.parquet", cwd=tmp_path, stdin=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_went_away_exits_141(decisions: Path) -> None:
    process = start("judge-eval", str(decisions), cwd=decisions.parent)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 141
    assert said == b""


def test_a_closed_stdout_is_said(decisions: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m llmops_cli judge-eval {decisions} >&-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "error[output-unwritable]" in done.stderr


@pytest.mark.parametrize("target", [".", "missing/out.json"])
def test_unwritable_outputs_are_refused_before_the_work(
    llmops: Run, tmp_path: Path, target: str
) -> None:
    done = llmops("judge-eval", "absent.csv", "-f", f"json={target}")
    assert done.returncode == 2
    assert "error[output-unwritable]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_not_replaced(llmops: Run, decisions: Path) -> None:
    assert llmops("judge-eval", decisions, "-f", f"json={os.devnull}", "-q").returncode == 0
    assert not Path(os.devnull).is_file()


def test_colour_is_off_without_a_terminal(llmops: Run, decisions: Path) -> None:
    assert "\x1b" not in llmops("judge-eval", decisions).stdout


def shell(tmp_path: Path, line: str) -> CompletedProcess[str]:
    """A line of shell in which ``llmops`` is the command under test."""
    return subprocess.run(
        ["bash", "-c", f'llmops() {{ "{sys.executable}" -m llmops_cli "$@"; }}; {line}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("line", "code", "slug"),
    [
        ("llmops show - <&-", 3, "stdin-closed"),
        ("llmops show absent.json", 3, "input-unreadable"),
        ("llmops show . ", 3, "input-unreadable"),
        ("echo '{' | llmops show -", 3, "report-not-json"),
        (f"llmops show {SAMPLE} -f json=o -f html=./o", 2, "output-twice"),
        (f"llmops show {SAMPLE} -f json={'o' * 300}", 2, "output-unwritable"),
        (f"llmops show {SAMPLE} -f jsn", 2, "format-unknown"),
        ("llmops --config absent.yaml config", 2, "config-unreadable"),
        ("llmops --config sede=3 config", 2, "config-unknown-key"),
    ],
)
def test_every_refusal_has_its_slug_and_code(
    tmp_path: Path, line: str, code: int, slug: str
) -> None:
    done = shell(tmp_path, line)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"llmops: error[{slug}]: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("target", ["> /dev/full", "-f json=/dev/full -q"])
def test_a_full_disk_is_said(tmp_path: Path, target: str) -> None:
    done = shell(tmp_path, f"llmops show {SAMPLE} {target}")
    assert done.returncode == 2
    assert "error[output-unwritable]" in done.stderr
    assert "No space left" in done.stderr


def test_a_closed_stderr_is_no_obstacle(tmp_path: Path) -> None:
    assert shell(tmp_path, f"llmops show {SAMPLE} 2>&-").returncode == 4


@pytest.mark.parametrize("arguments", ["--help", "--version", f"show {SAMPLE} -v --explain"])
def test_a_reader_of_nothing_ends_any_output_with_141(tmp_path: Path, arguments: str) -> None:
    # The reader is gone before the first byte, so this does not race.
    line = f"( sleep 0.2; llmops {arguments}; echo $? >&2 ) | true"
    assert shell(tmp_path, line).stderr == "141\n"


def test_an_end_of_file_in_a_command_is_a_defect_and_no_failed_gate(
    llmops: Run, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import llmops_cli.views.json as view\n"
        "def parse(data, source):\n    raise EOFError\n"
        "view.parse = parse\n"
    )
    done = llmops("show", SAMPLE, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 70
    assert "in sitecustomize.py:3" in done.stderr


def test_debug_shows_no_locals(llmops: Run, decisions: Path, tmp_path: Path) -> None:
    done = llmops("judge-eval", decisions, env={**broken(tmp_path), "LLMOPS_DEBUG": "1"})
    assert "Traceback" in done.stderr
    assert "prompt = 'a very secret prompt'" not in done.stderr


def test_exit_zero_and_quiet(llmops: Run, tmp_path: Path) -> None:
    done = llmops("show", SAMPLE, "--exit-zero", "-q", "-f", "markdown=r.md")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "r.md").read_text("utf-8").startswith("### ")


def test_a_file_in_place_is_replaced_whole_with_its_neighbours_untouched(
    llmops: Run, tmp_path: Path
) -> None:
    (tmp_path / "r.json").write_text("before")
    (tmp_path / "link.json").symlink_to(tmp_path / "r.json")
    llmops("show", SAMPLE, "-q", "-f", "json=link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "r.json").read_text("utf-8") == SAMPLE.read_text("utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "link.json"}


def test_a_lone_word_does_for_a_list_and_other_variables_are_not_ours(
    llmops: Run, tmp_path: Path
) -> None:
    (tmp_path / "llmops.yaml").write_text("format: github\n")
    done = llmops("show", SAMPLE, env={"LLMOPS_VERSION": "1.2.3"})
    assert done.returncode == 4
    assert done.stdout.startswith("::notice ")


def test_the_published_configuration_schema_takes_what_the_program_takes(
    llmops: Run,
) -> None:
    validator = Draft202012Validator(json.loads(llmops("schema", "config").stdout))
    good = {"seed": 3, "format": ["json"], "judge-eval": {"threshold": 0.9}}
    assert validator.is_valid(good)
    for bad in ({"sede": 3}, {"seed": "x"}, {"judge-eval": {"treshold": 1}}, {"seed": -1}):
        assert not validator.is_valid(bad)


def test_the_published_calls_schema_names_every_column(llmops: Run) -> None:
    published = json.loads(llmops("schema", "calls").stdout)
    assert list(published["properties"]) == [column.name for column in COLUMNS]
    assert all(column["description"] for column in published["properties"].values())
