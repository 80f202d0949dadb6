"""Which attribute of which dialect means which column: the one table of names.

Names of the OpenTelemetry GenAI conventions, old and new, come from their package; the
others are of OpenInference's and OpenLLMetry's semantic conventions.
"""

from collections.abc import Callable
from typing import Any

from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    openai_attributes,
    user_attributes,
)
from opentelemetry.semconv._incubating.attributes import (
    gen_ai_attributes as gen_ai,
)

from llmops_cli.traffic.otlp.messages import AnyValue
from llmops_cli.traffic.otlp.values import count, flag, model_inside, number, text, texts

__all__ = [
    "CONTENT",
    "FLATTENED",
    "KNOWN",
    "OPERATIONS",
    "PROVIDERS",
    "ROLES",
    "TOOLS",
    "Converter",
]

Converter = Callable[[AnyValue], Any]

_TEXTS: dict[str, tuple[str, ...]] = {
    "operation_name": (gen_ai.GEN_AI_OPERATION_NAME, "llm.request.type"),
    "provider_name": (
        gen_ai.GEN_AI_PROVIDER_NAME,
        gen_ai.GEN_AI_SYSTEM,
        "llm.provider",
        "llm.system",
        "llm.vendor",
    ),
    "request_model": (
        gen_ai.GEN_AI_REQUEST_MODEL,
        "llm.request.model_name",
        "llm.request.model",
        "llm.model_name",
        "embedding.model_name",
    ),
    "response_model": (
        gen_ai.GEN_AI_RESPONSE_MODEL,
        "llm.response.model_name",
        "llm.response.model",
    ),
    "response_id": (gen_ai.GEN_AI_RESPONSE_ID,),
    "conversation_id": (
        gen_ai.GEN_AI_CONVERSATION_ID,
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
    ),
    "user_id": (
        user_attributes.USER_ID,
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
    ),
    "task": (gen_ai.GEN_AI_PROMPT_NAME, "llm.prompt_template.name", "traceloop.prompt.key"),
    "agent_name": (gen_ai.GEN_AI_AGENT_NAME, "agent.name"),
    "workflow_name": (gen_ai.GEN_AI_WORKFLOW_NAME, "traceloop.workflow.name"),
    "tool_name": (gen_ai.GEN_AI_TOOL_NAME, "tool.name"),
    "service_tier": (
        openai_attributes.OPENAI_RESPONSE_SERVICE_TIER,
        gen_ai.GEN_AI_OPENAI_RESPONSE_SERVICE_TIER,
        openai_attributes.OPENAI_REQUEST_SERVICE_TIER,
        gen_ai.GEN_AI_OPENAI_REQUEST_SERVICE_TIER,
    ),
    "error_type": (error_attributes.ERROR_TYPE,),
    "output_type": (gen_ai.GEN_AI_OUTPUT_TYPE,),
    "span_kind": ("openinference.span.kind", "traceloop.span.kind"),
    "entity_name": ("traceloop.entity.name",),
    "evaluation_name": (gen_ai.GEN_AI_EVALUATION_NAME,),
    "llmops": ("llmops.call",),
}
_COUNTS: dict[str, tuple[str, ...]] = {
    "given": (
        gen_ai.GEN_AI_USAGE_INPUT_TOKENS,
        gen_ai.GEN_AI_USAGE_PROMPT_TOKENS,
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
    ),
    "output": (
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS,
        gen_ai.GEN_AI_USAGE_COMPLETION_TOKENS,
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "read": (
        gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "gen_ai.usage.input_tokens.cached",
    ),
    "written": (
        gen_ai.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
        # What the official instrumentations write since 1.3b0.
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "llm.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "gen_ai.usage.input_tokens.cache_write",
    ),
    "reasoning": (
        gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "gen_ai.usage.output_tokens.reasoning",
    ),
    "total": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "llm.token_count.total",
    ),
}
_NUMBERS: dict[str, tuple[str, ...]] = {
    "ttft_s": (gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,),
    "score": (gen_ai.GEN_AI_EVALUATION_SCORE_VALUE,),
}
_FIRSTS: dict[str, tuple[str, ...]] = {
    "finish_reason": (
        gen_ai.GEN_AI_RESPONSE_FINISH_REASONS,
        "gen_ai.completion.0.finish_reason",
        "llm.finish_reason",
    ),
}
_PARAMETERS: dict[str, tuple[str, ...]] = {
    # OpenInference puts the model that answered where others put the one asked for.
    "asked_model": ("llm.invocation_parameters", "embedding.invocation_parameters"),
}
_FLAGS: dict[str, tuple[str, ...]] = {
    "streaming": (gen_ai.GEN_AI_REQUEST_STREAM, "llm.is_streaming", "gen_ai.is_streaming"),
}

_TABLES: tuple[tuple[dict[str, tuple[str, ...]], Converter], ...] = (
    (_TEXTS, text),
    (_COUNTS, count),
    (_NUMBERS, number),
    (_FIRSTS, texts),
    (_PARAMETERS, model_inside),
    (_FLAGS, flag),
)

KNOWN: dict[str, tuple[str, Converter, int]] = {
    name: (column, converter, place)
    for table, converter in _TABLES
    for column, names in table.items()
    for place, name in enumerate(names)
}
"""Attribute name to column, converter, and its place among the names of the same column: where
several are there, the first of them counts."""

CONTENT: frozenset[str] = frozenset(
    {
        gen_ai.GEN_AI_INPUT_MESSAGES,
        gen_ai.GEN_AI_SYSTEM_INSTRUCTIONS,
        gen_ai.GEN_AI_TOOL_DEFINITIONS,
        gen_ai.GEN_AI_OUTPUT_MESSAGES,
        gen_ai.GEN_AI_PROMPT,
        gen_ai.GEN_AI_COMPLETION,
        "input.value",
        "output.value",
    }
)
"""Attributes that hold prompts or answers whole."""

FLATTENED: tuple[str, ...] = (
    "llm.input_messages.",
    "llm.tools.",
    "gen_ai.prompt.",
    "llm.request.functions.",
)
"""Prefixes of attributes that hold a prompt piece by piece."""

TOOLS: frozenset[str] = frozenset({"llm.tools", "llm.request.functions"})

ROLES: dict[str, str] = {
    "chat": "inference",
    "completion": "inference",
    "text_completion": "inference",
    "generate_content": "inference",
    "llm": "inference",
    "embeddings": "embeddings",
    "embedding": "embeddings",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "agent",
    "agent": "agent",
    "workflow": "agent",
    "execute_tool": "tool",
    "tool": "tool",
    "retrieval": "retrieval",
    "retriever": "retrieval",
}
"""What a span is, by its operation or its span kind, in lower case."""

OPERATIONS: dict[str, str] = {
    "completion": "text_completion",
    "embedding": "embeddings",
    "llm": "chat",
    "unknown": "chat",
}
"""Operation names of other dialects, as OpenTelemetry calls them."""

PROVIDERS: dict[str, str] = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
}
"""Names of providers in other dialects and versions, as OpenTelemetry calls them now."""
