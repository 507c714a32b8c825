"""`postroom suppression`: who gets no mail."""

import json
from pathlib import Path

import pytest

from .conftest import Postroom


def listed(postroom: Postroom, *words: str) -> list[dict[str, object]]:
    """The entries, as scripts see them."""
    shown = postroom("suppression", "list", "--json", *words)
    assert shown.exit_code == 0, shown.output
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_an_address_and_a_domain_are_suppressed_and_lifted(ready: Postroom) -> None:
    """Each step says what it did and what was there."""
    words = (
        "Bob@x.example",
        "*@Y.example",
        "--reason",
        "hard_bounce",
        "--note",
        "gone",
    )
    added = ready("suppression", "add", *words)
    assert added.exit_code == 0, added.output
    assert "bob@x.example gets no more mail: hard bounce since 20" in added.stdout
    again = ready("suppression", "add", "bob@x.example")
    assert "bob@x.example was suppressed already: hard bounce" in again.stdout
    other = ready("suppression", "add", "bob@x.example", "--reason", "manual")
    assert "was suppressed already: manual since 20" in other.stdout
    table = ready("suppression", "list").stdout
    assert "*@y.example" in table
    assert "gone" in table
    gone = ready("suppression", "remove", "bob@x.example")
    assert "bob@x.example gets mail again. It was: manual since 20" in gone.stdout
    assert ", by hand: gone." in gone.stdout
    assert [one["address"] for one in listed(ready)] == ["*@y.example"]


def test_a_removal_says_what_is_left(ready: Postroom) -> None:
    """Status 1 for what was not there; a whole domain still holds its addresses."""
    ready("suppression", "add", "*@x.example", "a@x.example")
    result = ready("suppression", "remove", "a@x.example", "b@x.example")
    assert result.exit_code == 1
    assert "a@x.example gets mail again" in result.stdout
    assert "*@x.example is still suppressed, with all at it" in result.stderr
    assert "not suppressed: b@x.example" in result.stderr


def test_some_mail_only_is_suppressed_and_lifted(ready: Postroom) -> None:
    """By topic, by sender domain; each answer says for what mail, and what is left."""
    bob = "bob@x.example"
    ready("suppression", "add", bob)
    added = ready("suppression", "add", bob, "--topic", "news", "--for", "90d")
    said = f"{bob} gets no more mail of topic news: manual, topic news since 20"
    assert said in added.stdout
    assert " until 20" in added.stdout
    ready("suppression", "add", bob, "--domain", "Shop.EXAMPLE")
    scopes = [(one["topic"], one["domain"]) for one in listed(ready)]
    assert sorted(scopes, key=str) == [
        ("news", None),
        (None, "shop.example"),
        (None, None),
    ]
    (one,) = listed(ready, "--topic", "news")
    assert str(one["expires"]) > str(one["created"])
    assert [one["domain"] for one in listed(ready, "--topic", "*")] == [None]
    gone = ready("suppression", "remove", bob, "--topic", "news")
    assert f"{bob} gets mail of topic news again" in gone.stdout
    assert f"{bob} is still suppressed: manual since" in gone.stderr
    ready("suppression", "remove", bob)
    assert listed(ready) == []


def test_a_file_is_of_some_mail(ready: Postroom, tmp_path: Path) -> None:
    """Where a line names none, what is typed; an export may be of one scope."""
    file = tmp_path / "list.csv"
    file.write_text("email,topic\na@x.example,-promo\nb@x.example,\nc@x.example,*\n")
    ready("suppression", "import", str(file), "--domain", "d.example")
    found = {one["address"]: (one["topic"], one["domain"]) for one in listed(ready)}
    assert found == {
        "a@x.example": ("-promo", None),
        "b@x.example": (None, "d.example"),
        "c@x.example": (None, None),
    }
    out = ready("suppression", "export", "--topic=-promo").stdout
    assert [line.split(",")[0] for line in out.splitlines()] == ["email", "a@x.example"]
    assert ",'-promo,," in out  # no formula
    ready("suppression", "remove", "a@x.example")
    ready("suppression", "import", "-", typed=out)
    assert [one["topic"] for one in listed(ready, "--topic=-promo")] == ["-promo"]


@pytest.mark.parametrize(
    "words",
    [
        ("--topic", "a", "--domain", "b.example"),
        ("--topic", "a b"),
        ("--topic", "x" * 65),
        ("--domain", "b@c.example"),
        ("--domain", "*"),
        ("--for", "soon"),
        ("--for", "0s"),
    ],
)
def test_what_is_no_scope_and_no_time_is_wrong_usage(
    ready: Postroom, words: tuple[str, ...]
) -> None:
    """Status 2, before anything is opened."""
    assert ready("suppression", "add", "bob@x.example", *words).exit_code == 2


def test_the_list_is_told_in_parts(ready: Postroom) -> None:
    """Newest first, by reason and by text; where there is more, how to see it."""
    ready("suppression", "add", "a@x.example", "b@x.example")
    ready("suppression", "add", "c@y.example", "--reason", "unsubscribe")
    assert [one["reason"] for one in listed(ready, "--search", "y.EX")] == [
        "unsubscribe"
    ]
    assert len(listed(ready, "--reason", "manual")) == 2
    part = ready("suppression", "list", "--limit", "1")
    assert "c@y.example" in part.stdout
    assert "3 in all. More: --offset 1" in part.stderr
    assert "Nobody." in ready("suppression", "list", "--search", "z").stderr


def test_a_file_comes_in_and_goes_out(ready: Postroom, tmp_path: Path) -> None:
    """Bad lines are told by their numbers, with status 1; the good ones are kept."""
    file = tmp_path / "list.csv"
    file.write_text("email,reason\na@x.example,hardBounce\nnobody,\nb@x.example,\n")
    result = ready("suppression", "import", str(file), "--reason", "spam_complaint")
    assert result.exit_code == 1
    assert "2 added, 0 there already, 1 bad." in result.stdout
    assert "line 3: 'nobody' is no address" in result.stderr
    out = ready("suppression", "export")
    header = "email,reason,created,topic,domain,expires"
    assert out.stdout.splitlines()[0] == header
    assert out.stdout.splitlines()[1].startswith("a@x.example,hard_bounce,20")
    assert out.stdout.splitlines()[2].startswith("b@x.example,spam_complaint,20")
    ready("suppression", "remove", "a@x.example")
    back = ready("suppression", "import", "-", "--json", typed=out.stdout)
    assert back.exit_code == 0, back.output
    assert json.loads(back.stdout) == {
        "added": 1,
        "known": 1,
        "bad": 0,
        "badLines": [],
    }


def test_many_lines_are_many_transactions(
    ready: Postroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress on standard error; the export has all, page by page."""
    monkeypatch.setattr("appliance.cli.suppression_words.PROGRESS_SECONDS", 0)
    monkeypatch.setattr("appliance.cli.suppression_csv.CHUNK", 10)
    monkeypatch.setattr("appliance.cli.suppression_csv.PAGE", 7)
    file = tmp_path / "list.csv"
    file.write_text("".join(f"u{number}@x.example\n" for number in range(25)))
    result = ready("suppression", "import", str(file))
    assert "20 lines so far" in result.stderr
    assert len(ready("suppression", "export").stdout.splitlines()) == 26
    assert len(ready("suppression", "export", "--json").stdout.splitlines()) == 25


def test_another_kind_of_file_is_refused(ready: Postroom, tmp_path: Path) -> None:
    """Status 1 and the reason."""
    file = tmp_path / "list.csv"
    file.write_text("name\nbob\n")
    result = ready("suppression", "import", str(file))
    assert result.exit_code == 1
    assert "neither names a column 'email'" in result.stderr
    missing = ready("suppression", "import", str(tmp_path / "none.csv"))
    assert missing.exit_code == 1
    assert "No such file" in missing.stderr


@pytest.mark.parametrize("word", ["x", "*", "*@", "a b@x.example", "*@*.example"])
def test_what_is_neither_address_nor_domain_is_wrong_usage(
    ready: Postroom, word: str
) -> None:
    """Status 2, before anything is opened."""
    assert ready("suppression", "add", word).exit_code == 2


def test_the_list_is_of_one_sub_account(ready: Postroom) -> None:
    """Of the first, unless it is named."""
    result = ready("suppression", "list", "--sub-account", "no-such")
    assert result.exit_code == 1
    assert "there is no sub-account no-such" in result.stderr
