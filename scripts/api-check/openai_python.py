"""Checks the API with the official Python package: chats, streams, tools, responses, embeddings, files' worth of errors
and retries. Run by `npm run api:check`; it reads FAIRLANE_URL, FAIRLANE_KEY and FAIRLANE_MODEL."""

import json
import os

import openai

URL = os.environ["FAIRLANE_URL"] + "/v1"
MODEL = os.environ["FAIRLANE_MODEL"]
FRANCE = "What is the capital of France?"
TOOL = {
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def client(**options):
    options = {"max_retries": 0, "api_key": os.environ["FAIRLANE_KEY"], **options}
    return openai.OpenAI(base_url=URL, **options)


def expect(name, holds):
    if not holds:
        raise SystemExit(f"api check: {name} does not hold")
    print(f"  ok  {name}")


def failure(call):
    try:
        call()
    except openai.APIError as error:
        return error
    raise SystemExit("api check: expected a refusal and got an answer")


def check_chats(api):
    asked = {"model": MODEL, "temperature": 0, "messages": [{"role": "user", "content": FRANCE}]}
    answer = api.chat.completions.create(**asked)
    text = answer.choices[0].message.content
    expect("a chat is answered", "Paris" in text and answer.usage.completion_tokens > 0)
    stream = api.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    expect("its stream says the same", "".join(pieces) == text)
    expect("and ends with the usage", chunks[-1].usage == answer.usage or chunks[-1].usage.total_tokens > 0)
    called = api.chat.completions.create(
        **{**asked, "messages": [{"role": "user", "content": "Weather in Paris?"}]},
        tools=[{"type": "function", "function": TOOL}],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        parallel_tool_calls=False,
    )
    call = called.choices[0].message.tool_calls[0].function
    expect("a tool is called with valid arguments", "city" in json.loads(call.arguments))


def check_responses(api):
    asked = {"model": MODEL, "temperature": 0, "max_output_tokens": 32}
    first = api.responses.create(**asked, input=FRANCE)
    expect("a response is answered", "Paris" in first.output_text and first.status == "completed")
    expect("and kept", api.responses.retrieve(first.id).output_text == first.output_text)
    second = api.responses.create(**asked, input="And of Germany?", previous_response_id=first.id)
    expect("and gone on from", second.usage.input_tokens > first.usage.input_tokens)
    items = api.responses.input_items.list(second.id)
    expect("its input is listed", items.data[0].content[0].text == "And of Germany?")
    with api.responses.stream(**asked, input=FRANCE) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    expect("its events are followed", types[0] == "response.created" and types[-1] == "response.completed")
    expect("to the same text", final.output_text == first.output_text)
    called = api.responses.create(
        **{**asked, "max_output_tokens": 100},
        input="Weather in Paris?",
        tools=[{"type": "function", **TOOL}],
        tool_choice="required",
        parallel_tool_calls=False,
    )
    expect("a function is called", called.output[0].type == "function_call")
    api.responses.delete(first.id)
    gone = failure(lambda: api.responses.retrieve(first.id))
    expect("a deleted response is gone", isinstance(gone, openai.NotFoundError))


def check_others(api):
    expect("models are listed", MODEL in [model.id for model in api.models.list()])
    vectors = api.embeddings.create(model=MODEL, input=["one", "two"]).data
    expect("texts are embedded", len(vectors) == 2 and len(vectors[0].embedding) > 0)
    text = api.completions.create(model=MODEL, prompt="One, two,", max_tokens=3, temperature=0)
    expect("a text is continued", text.usage.completion_tokens == 3)


def check_errors(api):
    wrong = failure(lambda: client(api_key="fl1_wrong").models.list())
    expect("a wrong key is a 401", isinstance(wrong, openai.AuthenticationError))
    unknown = failure(lambda: api.responses.create(model="no-such", input="a"))
    expect("an unknown model is a 404", isinstance(unknown, openai.NotFoundError))
    expect("with code, field and id", unknown.code == "model_not_found" and unknown.request_id)
    tool = failure(lambda: api.responses.create(model=MODEL, input="a", tools=[{"type": "web_search"}]))
    expect("a built-in tool is refused by its field", tool.param == "tools[0].type")


if __name__ == "__main__":
    api = client(max_retries=2)
    for check in (check_chats, check_responses, check_others, check_errors):
        check(api)
    print("api check: the Python package works")
