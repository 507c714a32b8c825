"""Placeholders: filled in once, in the manner of the place they stand in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.merge import (
    MAX_LINE_CHARS,
    MAX_RESULT_CHARS,
    Context,
    MergeText,
    MergeTooLarge,
)

URL = "https://t.example.com/u?a=1&b=2"


def fill(source: str, context: Context = Context.TEXT, /, **values: str) -> str:
    """The text with these values."""
    return MergeText.compile(source, context).fill(values, URL)


@pytest.mark.parametrize(
    "source",
    ["{{name}}", "{{ name }}", "{{.name}}", "{{ .name }}", "{{.Name}}", "{{{name}}}"],
)
def test_every_spelling_takes_the_value(source: str) -> None:
    """Handlebars and Go forms, blanks inside, Go's capital letter."""
    assert fill(f"Hi {source}!", name="Bob") == "Hi Bob!"


def test_exact_spelling_comes_first() -> None:
    """Two fields that differ in case are two fields."""
    merge = MergeText.compile("{{Name}} {{name}} {{NAME}}", Context.TEXT)
    assert merge.fill({"name": "low", "Name": "cap"}) == "cap low low"


def test_a_missing_value_leaves_nothing() -> None:
    """Spec 5.3: an unknown name renders as an empty string."""
    assert fill("a{{nobody}}b") == "ab"


@pytest.mark.parametrize(
    "source",
    [
        "{{#if a}}x{{/if}}",
        "{{}}",
        "{{ }}",
        "{{{}}}",
        "{{! note }}",
        "{{> part}}",
        "{name}",
        "{{name}",
        "{{na{me}}",
        "}}name{{",
        "{{" + "n" * 200 + "}}",
        "a { color: red }",
    ],
)
def test_what_is_no_name_stays(source: str) -> None:
    """Nothing disappears from a text because it has braces."""
    assert fill(source, name="Bob") == source


def test_html_escapes_and_triple_braces_do_not() -> None:
    """ATTACKS 13: a value is text in HTML unless the sender says otherwise."""
    source = "<p title='{{x}}'>{{x}}</p>{{{x}}}"
    assert fill(source, Context.HTML, x="<b>'&\"") == (
        "<p title='&lt;b&gt;&#x27;&amp;&quot;'>&lt;b&gt;&#x27;&amp;&quot;</p><b>'&\""
    )
    assert fill("{{x}}", Context.TEXT, x="<b>") == "<b>"


def test_values_are_never_expanded_again() -> None:
    """ATTACKS 13: a recipient's value that looks like a placeholder is text."""
    for context in Context:
        assert fill("{{a}}{{b}}", context, a="{{b}}", b="{{{a}}}") == "{{b}}{{{a}}}"
        assert fill("{{a}}b}}", context, a="{{") == "{{b}}"


@pytest.mark.parametrize("harm", ["\r\n", "\n", "\0", "\x85", "\u2028", "\ud800"])
def test_a_subject_stays_one_line(harm: str) -> None:
    """ATTACKS 13: a value cannot leave the header it is put into."""
    assert fill("Hi {{a}}", Context.LINE, a=f"x{harm}Bcc: y") == "Hi x Bcc: y"


def test_unsubscribe_is_reserved() -> None:
    """The link wins over a field of that name and is escaped where it must be."""
    assert fill("{{unsubscribe}}", unsubscribe="mine") == URL
    assert fill("{{.Unsubscribe}}") == URL
    assert fill("{{unsubscribe}}", Context.HTML) == URL.replace("&", "&amp;")
    assert fill("{{{unsubscribe}}}", Context.HTML) == URL


def test_static_texts_are_known() -> None:
    """Text without placeholders is handed back as the same object."""
    merge = MergeText.compile("plain {{#if}}", Context.TEXT)
    assert merge.is_static
    assert merge.fill({"a": "b"}) is merge.source
    assert not MergeText.compile("{{a}}", Context.TEXT).is_static


def test_results_are_bounded() -> None:
    """Many uses of a large value are refused before they take memory."""
    many = MergeText.compile("{{a}}" * 100_000, Context.TEXT)
    with pytest.raises(MergeTooLarge):
        many.fill({"a": "x" * (MAX_RESULT_CHARS // 50_000)})
    with pytest.raises(MergeTooLarge):
        fill("{{a}}", Context.LINE, a="x" * (MAX_LINE_CHARS + 1))


@pytest.mark.parametrize(
    "piece", ["{", "{{", "{{{", "{{a", "{{a}", "{{{a}}", "{{ ", "}}"]
)
def test_hostile_braces_take_linear_time(piece: str) -> None:
    """ATTACKS 14: a megabyte of broken braces is done within the test's timeout."""
    source = piece * (1_000_000 // len(piece))
    assert len(fill(source, a="")) <= len(source)


@settings(deadline=None)
@given(st.text("{}a. #\n", max_size=60), st.text("{}a<", max_size=8))
def test_without_the_name_nothing_of_the_value_appears(source: str, value: str) -> None:
    """What is filled in is the pieces between, with whole values in the gaps."""
    merge = MergeText.compile(source, Context.TEXT)
    literals = "".join(one for one in merge.pieces if isinstance(one, str))
    gaps = sum(not isinstance(one, str) for one in merge.pieces)
    assert merge.fill({}) == literals
    assert len(merge.fill({"a": value})) <= len(literals) + gaps * len(value)
