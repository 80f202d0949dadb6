"""Where columns stand is told by names, or not at all."""

import pytest

from llmops_cli.traffic.otlp.layout import layout


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("gen_ai.request.model", "user.id"), {"request_model": 0, "user_id": 1}),
        # The current name counts, wherever it stands.
        (("gen_ai.provider.name", "gen_ai.system"), {"provider_name": 0}),
        (("gen_ai.system", "gen_ai.provider.name"), {"provider_name": 1}),
        (("server.port",), {}),
        ((), {}),
    ],
)
def test_a_column_stands_where_its_most_current_name_does(
    names: tuple[str, ...], columns: dict[str, int]
) -> None:
    found = layout(names)
    assert found is not None
    assert found.columns == columns
    assert found.prompt == {}


def test_the_pieces_of_a_prompt_have_places_of_their_own() -> None:
    found = layout(("user.id", "gen_ai.input.messages", "gen_ai.tool.definitions"))
    assert found is not None
    assert found.prompt == {"messages": 1, "tools": 2}


@pytest.mark.parametrize(
    "names",
    [
        ("user.id", "user.id"),
        ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),  # each may be no count
        ("gen_ai.response.finish_reasons", "llm.finish_reason"),  # the first may be empty
        ("llm.invocation_parameters",),
        ("gen_ai.prompt",),
        ("gen_ai.prompt.0.content",),
        ("llmops.call",),
        ("llmops.call.call_id",),
        tuple(f"key{number}" for number in range(100)),
    ],
)
def test_names_that_leave_a_choice_have_no_layout(names: tuple[str, ...]) -> None:
    assert layout(names) is None
